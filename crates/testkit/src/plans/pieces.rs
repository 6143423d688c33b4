//! What plans of the simulated deployment are made of.

use std::collections::BTreeMap;

use switchback_model::observed::{Access, DatastoreLocation, Deployment, ImagePin};
use switchback_model::plan::{
    BackupMethod, BackupState, Check, DatastorePlan, EngineChange, Expectation, Stage, StageKind,
};
use switchback_model::product::DatastoreKind;
use switchback_model::{DatastoreName, Digest, RunId, ServiceName};

/// The file that names the version.
pub const FILE: &str = "/srv/lab/compose.yml";
/// The service that runs the server of a datastore, where it has one of its own.
pub const SERVER: &str = "postgres";
/// The service that is upgraded.
pub const SERVICE: &str = "stack";

/// The one deployment that is simulated.
pub fn deployment() -> Deployment {
    Deployment {
        name: "lab".to_owned(),
        directory: "/srv/lab".to_owned(),
        driver: "simulated".to_owned(),
        project: "lab".to_owned(),
    }
}

/// The image of a version.
pub fn image(version: &str) -> ImagePin {
    ImagePin {
        reference: format!("example/stack:{version}"),
        id: Some(format!("sha256:{}", Digest::of(version))),
        digest: None,
    }
}

/// The file as it names a version.
pub fn file(version: &str) -> Vec<u8> {
    format!("services:\n  stack:\n    image: example/stack:{version} # pinned\n").into_bytes()
}

/// The image of a server.
pub fn server_image(version: &str) -> ImagePin {
    ImagePin {
        reference: format!("{SERVER}:{version}"),
        id: Some(format!(
            "sha256:{}",
            Digest::of(format!("{SERVER} {version}"))
        )),
        digest: None,
    }
}

/// The file as it names a version, and that of a server.
pub fn file_with_server(version: &str, engine: &str) -> Vec<u8> {
    let server = format!("  {SERVER}:\n    image: {SERVER}:{engine}\n");
    [file(version), server.into_bytes()].concat()
}

/// The services that are upgraded.
pub fn services() -> Vec<ServiceName> {
    vec![SERVICE.into()]
}

pub(super) fn change(to: &str) -> EngineChange {
    EngineChange {
        service: SERVER.into(),
        from: "15".to_owned(),
        to: to.to_owned(),
        was: server_image("15"),
        image: server_image(to),
    }
}

pub(super) fn carried(datastore: &DatastoreName, version: &str) -> Expectation {
    Expectation::Carried {
        datastore: datastore.clone(),
        version: version.to_owned(),
    }
}

pub(super) fn stage(kind: StageKind, round: u32) -> Stage {
    Stage {
        kind,
        required_by: Vec::new(),
        round,
        steps: Vec::new(),
    }
}

pub(super) fn stable(version: &str) -> Check {
    Check::Stable {
        images: [(SERVICE.into(), image(version))].into(),
    }
}

pub(super) fn stopped() -> Expectation {
    Expectation::Stopped {
        services: services(),
    }
}

pub(super) fn no_writers(datastore: &DatastoreName) -> Expectation {
    Expectation::NoWriters {
        datastore: datastore.clone(),
    }
}

pub(super) fn backup(
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

/// A datastore of the simulated deployment, kept by a dump.
pub fn datastore_plan() -> DatastorePlan {
    DatastorePlan {
        location: DatastoreLocation {
            kind: DatastoreKind::Postgres,
            access: Access::Local,
            host: None,
            port: None,
            database: None,
            user: None,
            password: None,
            directory: None,
            server_directory: None,
            options: std::collections::BTreeMap::new(),
        },
        method: BackupMethod::Dump,
        kept_with: None,
        because: "simulated".to_owned(),
        max_rate: None,
        size: None,
        engine: Some("15".to_owned()),
        volatile: vec!["sessions".to_owned()],
        deleted: vec!["contact_infos".to_owned()],
    }
}

/// Counts of collections, for worlds.
pub fn rows(counts: &[(&str, u64)]) -> BTreeMap<String, (u64, u64)> {
    counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), (*count, 0)))
        .collect()
}
