//! Backups as they are listed, for people and programs.

use std::path::PathBuf;

use serde::Serialize;
use switchback_backup::Keeps;
use switchback_model::plan::BackupState;
use switchback_model::product::DatastoreKind;
use switchback_model::{DatastoreName, RunId};

/// A backup on this machine.
#[derive(Serialize)]
pub(crate) struct Here {
    pub(crate) run: RunId,
    pub(crate) round: u32,
    pub(crate) datastore: DatastoreName,
    pub(crate) kind: DatastoreKind,
    pub(crate) engine: Option<String>,
    pub(crate) state: BackupState,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    pub(crate) at: u64,
    pub(crate) directory: PathBuf,
    /// The machine that it is on, and its directory there, where that is not this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) machine: Option<String>,
}

/// A backup in the repository.
#[derive(Serialize)]
pub(crate) struct There {
    pub(crate) id: String,
    pub(crate) snapshot: String,
    pub(crate) run: RunId,
    pub(crate) round: u32,
    pub(crate) datastore: DatastoreName,
    pub(crate) kind: DatastoreKind,
    pub(crate) version: String,
    pub(crate) state: BackupState,
    pub(crate) bytes: u64,
    pub(crate) at: u64,
    pub(crate) host: String,
    /// The day on which it was last fetched and read.
    pub(crate) proven: Option<String>,
    /// The rules that keep it.
    pub(crate) kept: Vec<Keeps>,
    /// True where the next prune removes it.
    pub(crate) expired: bool,
}
