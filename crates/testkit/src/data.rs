//! Simulated datastores: what they hold, and their backups.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use switchback_model::contents::Collection;
use switchback_model::plan::BackupState;
use switchback_model::{Contents, Digest, RunId, ServiceName};

/// A datastore with its backups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimStore {
    /// Its server does not answer.
    pub dead: bool,
    /// Its server must be stopped for a copy, as Redis must.
    pub copied_offline: bool,
    /// The service that runs its server, where it has one.
    pub server: Option<ServiceName>,
    /// Version of the server that what it holds is made for; `None`: 15.
    pub engine: Option<String>,
    /// What was built for another version of the server, and whether it is whole.
    pub carried: Option<(String, SimData, bool)>,
    /// What an exchange moved aside, with the version that it is made for.
    pub kept: Option<(Option<String>, SimData)>,
    /// What it holds.
    pub live: SimData,
    /// What a restore moved aside.
    pub aside: Option<SimData>,
    /// What a restore has written beside, and whether it is whole.
    pub beside: Option<(SimData, bool)>,
    /// A second server that reads a backup.
    pub scratch: bool,
    /// The shadow that follows it, by the place and run that make it.
    pub following: Option<(PathBuf, RunId)>,
    /// Backups by place and run.
    pub backups: BTreeMap<(PathBuf, RunId), SimBackup>,
}

/// A backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimBackup {
    /// How far it has come.
    pub state: BackupState,
    /// Version of the server that it was made for; `None`: 15.
    pub engine: Option<String>,
    /// What it holds.
    pub data: SimData,
    /// A shadow that took the place of the data: there is nothing to take a second time.
    pub moved: bool,
}

/// Data: collections with their number of rows and how often they were rewritten, and the product's own
/// bookkeeping of migrations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimData {
    /// Rows and revision by collection.
    pub collections: BTreeMap<String, (u64, u64)>,
    /// Migration units that count as done.
    pub marked: BTreeSet<String>,
    /// Migration units whose effect is there.
    pub applied: BTreeSet<String>,
}

impl SimStore {
    /// Version of the server that its data is made for.
    pub fn made_for(&self) -> &str {
        self.engine.as_deref().unwrap_or("15")
    }
}

impl SimData {
    /// As a datastore counts and checksums it.
    pub fn contents(&self) -> Contents {
        let mut collections: BTreeMap<String, Collection> = self
            .collections
            .iter()
            .map(|(name, (count, revision))| {
                let checksum = Digest::of(format!("{name} {count} {revision}"));
                let collection = Collection {
                    count: *count,
                    checksum: Some(checksum.to_string()),
                };
                (name.clone(), collection)
            })
            .collect();
        let marks: Vec<&str> = self.marked.iter().map(String::as_str).collect();
        collections.insert(
            "migrations".to_owned(),
            Collection {
                count: self.marked.len() as u64,
                checksum: Some(Digest::of(marks.join(" ")).to_string()),
            },
        );
        Contents { collections }
    }

    /// A unit that counts as done although its effect is not there: what a half-run migration leaves.
    pub fn half_run(&self) -> Option<&String> {
        self.marked.difference(&self.applied).next()
    }
}
