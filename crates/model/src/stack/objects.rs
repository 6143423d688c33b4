//! Objects of a bucket as they were once.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::store::Store;

/// What a bucket held at a moment, as far as its versions tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectsAt {
    /// The bucket.
    pub store: Store,
    /// The moment, as the provider writes it.
    pub at: String,
}

/// `prod-pictures as it was at 2026-11-21T03:00:00Z`.
impl fmt::Display for ObjectsAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as it was at {}", self.store.physical, self.at)
    }
}
