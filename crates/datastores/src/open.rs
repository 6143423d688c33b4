//! From a location in a plan to a datastore that can be used.

use switchback_engine::ports::{Datastore, Failure, Reach};
use switchback_engine::process::{Commands, Secret};
use switchback_model::observed::DatastoreLocation;
use switchback_model::product::DatastoreKind;
use switchback_model::{DatastoreName, Structure};

use crate::files::{Files, FilesElsewhere};
use crate::mongodb::Mongodb;
use crate::postgres::Postgres;
use crate::redis::Redis;
use crate::survey::Survey;

/// Opens a datastore at its location. The caller has resolved the password, at the last moment.
pub fn open(
    name: &DatastoreName,
    location: &DatastoreLocation,
    reach: Box<dyn Reach>,
    password: Option<Secret>,
) -> Box<dyn Datastore> {
    match location.kind {
        DatastoreKind::Postgres => Box::new(Postgres::new(name, location, reach, password)),
        DatastoreKind::Redis => Box::new(Redis::new(name, location, reach, password)),
        DatastoreKind::Files => match reach.elsewhere() {
            Some(there) => Box::new(FilesElsewhere::new(name, location, there)),
            None => Box::new(Files::new(name, location)),
        },
        DatastoreKind::Mongodb => Box::new(Mongodb::new(name, location, reach, password)),
    }
}

/// Takes a quick look at a datastore, before there is a plan. A server that does not answer is a failure
/// that says why: `datastore-silent`, `datastore-password-wrong`, `datastore-not-there`.
pub fn survey(
    name: &DatastoreName,
    location: &DatastoreLocation,
    reach: Box<dyn Reach>,
    password: Option<Secret>,
    commands: &Commands,
) -> Result<Survey, Failure> {
    match location.kind {
        DatastoreKind::Postgres => Postgres::new(name, location, reach, password).survey(commands),
        DatastoreKind::Redis => Redis::new(name, location, reach, password).survey(commands),
        DatastoreKind::Files => match reach.elsewhere() {
            Some(there) => FilesElsewhere::new(name, location, there).survey(),
            None => Files::new(name, location).survey(),
        },
        DatastoreKind::Mongodb => Mongodb::new(name, location, reach, password).survey(),
    }
}

/// How what a datastore holds is shaped; `None` for what has no shape of its own (Redis, files, MongoDB).
pub fn structure(
    name: &DatastoreName,
    location: &DatastoreLocation,
    reach: Box<dyn Reach>,
    password: Option<Secret>,
    commands: &Commands,
) -> Result<Option<Structure>, Failure> {
    match location.kind {
        DatastoreKind::Postgres => Postgres::new(name, location, reach, password)
            .structure(commands)
            .map(Some),
        DatastoreKind::Redis | DatastoreKind::Files | DatastoreKind::Mongodb => Ok(None),
    }
}
