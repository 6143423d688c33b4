//! What brings things back.

use serde::{Deserialize, Serialize};

use crate::id::DatastoreName;

/// What brings things back once a step is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "way")]
pub enum WayBack {
    /// Nothing has changed that would need one.
    NotNeeded,
    /// In seconds, whatever the data's size.
    Instant,
    /// In seconds, whatever the data's size, by putting sealed shadows in the place of the data.
    Shadow {
        /// Which datastores.
        datastores: Vec<DatastoreName>,
        /// How long it holds once the run is over; `None` where the run is not over by then, or where
        /// nothing else keeps the data, so that the shadows stay.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holds: Option<Holding>,
    },
    /// By restoring backups.
    Restore {
        /// Which datastores.
        datastores: Vec<DatastoreName>,
        /// Estimated seconds.
        seconds: u64,
        /// What a person has to put back before, e.g. `MongoDB 3.4`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by_hand: Option<String>,
    },
    /// By updating the stacks back, in reverse order, each to the template and the parameters that it had.
    Stacks {
        /// What is made anew from a snapshot of the run on the way, e.g. `DBCluster of prod-2-1-db-aurora-master`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        restored: Vec<String>,
        /// What a person may have to bring back, because its stack need not be able to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        by_hand: Vec<String>,
    },
    /// There is none.
    None {
        /// Why.
        because: String,
    },
}

/// How long a way back by shadow holds once its run is over, and what there is after that: a repository
/// keeps the data then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Holding {
    /// Seconds for which the shadows stay at least.
    pub seconds: u64,
    /// Estimated seconds of a restore from the repository after that.
    pub then: u64,
}
