//! What can be told about a datastore cheaply, for planning and `doctor`.

use serde::{Deserialize, Serialize};
use switchback_model::observed::Shadowing;

/// A quick look at a datastore that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// Version of its server, e.g. `15.6`; `None` for files.
    pub engine: Option<String>,
    /// The line whose data format is in force, where that is a setting of its own (MongoDB).
    pub compatibility: Option<String>,
    /// Bytes it occupies.
    pub size: Option<u64>,
    /// Rows, keys or files, as far as cheap to tell (PostgreSQL: the statistics' estimate).
    pub count: Option<u64>,
    /// Sessions that could write, one line each: who, from where, since when.
    pub writers: Vec<String>,
    /// What will be in the way of a backup or a restore, one line each (a missing right, a mode of running).
    pub obstacles: Vec<String>,
    /// Whether a shadow of it can be made.
    pub shadow: Shadowing,
    /// Bytes of changes that it writes down in a second, as of lately; `None` where it does not tell.
    pub log_rate: Option<u64>,
}
