//! What a plan will cost, as far as can be told before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::way_back::Holding;
use crate::id::DatastoreName;

/// What a plan will cost, as far as can be told before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Estimated seconds without service; `None` where nothing is known.
    pub downtime_seconds: Option<u64>,
    /// What the estimate rests on.
    pub downtime_because: String,
    /// Space needed, by filesystem.
    pub space: Vec<SpaceForecast>,
    /// What keeping each datastore costs, for those that have a backup of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keeping: BTreeMap<DatastoreName, KeepingForecast>,
}

/// What the backup of one datastore costs, and what it is good for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeepingForecast {
    /// Seconds of the downtime that completing and proving it takes.
    pub downtime_seconds: u64,
    /// Bytes that it takes.
    pub space: u64,
    /// Seconds in which the datastore comes back from it.
    pub way_back_seconds: u64,
    /// How long that holds once the run is over; `None` where it holds as long as the backup is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Holding>,
}

/// Space needed on one filesystem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceForecast {
    /// A path on it.
    pub path: String,
    /// What it is for.
    pub uses: Vec<String>,
    /// Bytes needed at the most.
    pub needed: u64,
    /// Bytes free when planning.
    pub free: u64,
}
