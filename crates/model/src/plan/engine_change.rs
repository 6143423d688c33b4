//! What becomes of a datastore's server.

use serde::{Deserialize, Serialize};

use crate::id::ServiceName;
use crate::observed::ImagePin;

/// The server of a datastore becomes another major version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineChange {
    /// The service that runs the server.
    pub service: ServiceName,
    /// Version that runs before, as observed.
    pub from: String,
    /// Version that runs after, as wanted, e.g. `17`.
    pub to: String,
    /// What the service was made from before: the way back leads there.
    pub was: ImagePin,
    /// What it is made from after.
    pub image: ImagePin,
}
