//! What a step expects to find, and what holds once it is done.
//!
//! Two rules shape every list. A guard must hold again after a crash in the middle of its own step
//! (so a stop does not expect that the services still run), and it names whatever a person could
//! have changed meanwhile (so every step that relies on the configuration names all of its files).

use std::collections::BTreeMap;

use switchback_model::observed::ImagePin;
use switchback_model::plan::{BackupState, Expectation};
use switchback_model::{DatastoreName, Digest, RunId, ServiceName};

/// The configuration's files have these digests.
pub(crate) fn files(digests: &BTreeMap<String, Digest>) -> Vec<Expectation> {
    digests
        .iter()
        .map(|(path, digest)| Expectation::File {
            path: path.clone(),
            digest: digest.clone(),
        })
        .collect()
}

/// The services' containers were made from these images.
pub(crate) fn made_from(images: &BTreeMap<ServiceName, ImagePin>) -> Vec<Expectation> {
    images
        .iter()
        .map(|(service, image)| Expectation::Runs {
            service: service.clone(),
            image: image.clone(),
        })
        .collect()
}

/// The images are here.
pub(crate) fn images_here(images: &BTreeMap<ServiceName, ImagePin>) -> Vec<Expectation> {
    let mut distinct: Vec<&ImagePin> = images.values().collect();
    distinct.sort();
    distinct.dedup();
    distinct
        .into_iter()
        .map(|image| Expectation::ImageHere {
            image: image.clone(),
        })
        .collect()
}

/// Nothing of the services runs.
pub(crate) fn stopped(services: &[ServiceName]) -> Expectation {
    Expectation::Stopped {
        services: services.to_vec(),
    }
}

/// The services run.
pub(crate) fn running(services: &[ServiceName]) -> Expectation {
    Expectation::Running {
        services: services.to_vec(),
    }
}

/// No session could write.
pub(crate) fn no_writers(datastore: &DatastoreName) -> Expectation {
    Expectation::NoWriters {
        datastore: datastore.clone(),
    }
}

/// The datastore's server has this version.
pub(crate) fn engine(datastore: &DatastoreName, version: &str) -> Expectation {
    Expectation::Engine {
        datastore: datastore.clone(),
        version: version.to_owned(),
    }
}

/// What a server of this version will run on is there.
pub(crate) fn carried(datastore: &DatastoreName, version: &str) -> Expectation {
    Expectation::Carried {
        datastore: datastore.clone(),
        version: version.to_owned(),
    }
}

/// The datastore answers.
pub(crate) fn reachable(datastore: &DatastoreName) -> Expectation {
    Expectation::Reachable {
        datastore: datastore.clone(),
    }
}

/// The backup has come at least this far; that of the current run where `run` is `None`.
pub(crate) fn backup(
    datastore: &DatastoreName,
    state: BackupState,
    run: Option<&RunId>,
) -> Expectation {
    Expectation::Backup {
        datastore: datastore.clone(),
        state,
        run: run.cloned(),
    }
}
