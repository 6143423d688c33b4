//! Why a path passes through a stop.

use serde::{Deserialize, Serialize};

/// Why a stop is on the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Because {
    /// The stop.
    pub id: String,
    /// Why it is required, one sentence.
    pub text: String,
    /// Where it was read.
    pub source: String,
    /// True where a condition could not be known.
    pub assumed: bool,
}
