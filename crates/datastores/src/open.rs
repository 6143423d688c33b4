//! From a location in a plan to a datastore that can be used.

use switchback_engine::ports::{Context, Datastore, Failure, Reach};
use switchback_engine::process::Secret;
use switchback_model::DatastoreName;
use switchback_model::observed::DatastoreLocation;
use switchback_model::product::DatastoreKind;

use crate::files::Files;
use crate::postgres::Postgres;
use crate::redis::Redis;
use crate::survey::Survey;

/// A datastore that can be surveyed as well as backed up.
pub trait Opened: Datastore {
    /// A quick look.
    fn survey(&self, cx: &Context<'_>) -> Result<Survey, Failure>;
}

/// Opens a datastore at its location. The password was resolved by the caller, at the last moment.
pub fn open(
    name: &DatastoreName,
    location: &DatastoreLocation,
    reach: Box<dyn Reach>,
    password: Option<Secret>,
) -> Box<dyn Opened> {
    match location.kind {
        DatastoreKind::Postgres => Box::new(Postgres::new(name, location, reach, password)),
        DatastoreKind::Redis => Box::new(Redis::new(name, location, reach, password)),
        DatastoreKind::Files => Box::new(Files::new(name, location)),
    }
}
