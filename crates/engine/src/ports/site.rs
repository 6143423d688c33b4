//! A deployment as the engine drives it.

use std::collections::BTreeMap;

use switchback_model::DatastoreName;

use super::{Datastore, Driver};

/// A deployment as the engine drives it.
pub struct Site {
    /// Changes the deployment.
    pub driver: Box<dyn Driver>,
    /// Keeps its data, by name.
    pub datastores: BTreeMap<DatastoreName, Box<dyn Datastore>>,
}
