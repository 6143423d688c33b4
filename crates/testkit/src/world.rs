//! The simulated reality: what survives the death of the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchback_model::contents::Collection;
use switchback_model::observed::ImagePin;
use switchback_model::plan::BackupState;
use switchback_model::{
    Contents, DatastoreName, Digest, MigrationId, RunId, ServiceName, StepNumber, Version,
};

use crate::content::SimContent;
use crate::crash::CrashPoints;
use crate::migration::{OneOff, SimMigration};
use crate::packages::{HostOutcome, SimHost};

/// A deployment that exists in memory only, shared between the engines that come and go.
#[derive(Clone)]
pub struct World {
    inner: Arc<Mutex<Reality>>,
    /// Where engines die.
    pub crash: CrashPoints,
}

/// Everything there is.
#[derive(Clone, Debug, Default)]
pub struct Reality {
    /// Services by name.
    pub services: BTreeMap<ServiceName, SimService>,
    /// Servers of datastores that are services of their own, by name.
    pub servers: BTreeMap<ServiceName, SimService>,
    /// References of images that are here.
    pub images: BTreeSet<String>,
    /// Files by absolute path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Datastores by name.
    pub stores: BTreeMap<DatastoreName, SimStore>,
    /// What each migration of each version does.
    pub migrations: BTreeMap<(MigrationId, Version), SimMigration>,
    /// Containers of migrations, by the run and step that label them.
    pub one_offs: BTreeMap<(RunId, StepNumber), OneOff>,
    /// The host of a product that is installed from packages.
    pub host: Option<SimHost>,
    /// The instances of a roll-over.
    pub content: Option<SimContent>,
    /// Work that people did, where it can be seen.
    pub by_hand: BTreeSet<String>,
    /// What is broken.
    pub faults: Faults,
    /// What must never happen and did.
    pub violations: Vec<String>,
}

/// What is broken, until a test mends it.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The container engine does not answer.
    pub daemon_down: bool,
    /// The driver's acts fail for lack of space.
    pub disk_full: bool,
    /// Migrations that fail at this unit, this many more times.
    pub migrations: BTreeMap<(MigrationId, Version), (usize, u32)>,
    /// Datastores whose next restore yields other data than was sealed.
    pub bad_restores: BTreeSet<DatastoreName>,
    /// Datastores whose shadow was cut off for so long that it cannot catch up.
    pub lost_shadows: BTreeSet<DatastoreName>,
}

/// A service of the deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimService {
    /// Whether it runs.
    pub running: bool,
    /// What it was made from.
    pub image: Option<ImagePin>,
}

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

/// What must be the same in the end, however often the engine died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    services: BTreeMap<ServiceName, SimService>,
    servers: BTreeMap<ServiceName, SimService>,
    files: BTreeMap<String, Vec<u8>>,
    data: BTreeMap<DatastoreName, SimData>,
    engines: BTreeMap<DatastoreName, Option<String>>,
    packages: Option<HostOutcome>,
    content: Option<SimContent>,
}

impl World {
    /// A world with its crash points.
    pub fn new(reality: Reality, crash: CrashPoints) -> Self {
        Self {
            inner: Arc::new(Mutex::new(reality)),
            crash,
        }
    }

    /// Looks at it or changes it, as a person or fate would.
    pub fn touch<T>(&self, change: impl FnOnce(&mut Reality) -> T) -> T {
        change(&mut self.lock())
    }

    /// Changes it as the engine does: it may die right before and right after.
    pub(crate) fn effect<T>(&self, name: &str, change: impl FnOnce(&mut Reality) -> T) -> T {
        self.crash.around(name, || self.touch(change))
    }

    /// What counts in the end.
    pub fn snapshot(&self) -> Snapshot {
        self.touch(|now| Snapshot {
            services: now.services.clone(),
            servers: now.servers.clone(),
            files: now.files.clone(),
            packages: now.host.as_ref().map(SimHost::outcome),
            content: now.content.clone(),
            engines: now
                .stores
                .iter()
                .map(|(name, store)| (name.clone(), store.engine.clone()))
                .collect(),
            data: now
                .stores
                .iter()
                .map(|(name, store)| (name.clone(), store.live.clone()))
                .collect(),
        })
    }

    /// Everything that must not outlive a finished run, named.
    pub fn orphans(&self) -> Vec<String> {
        self.touch(|now| {
            let containers = now.one_offs.iter().map(|((run, step), one)| {
                format!("container of {} ({run}, step {step})", one.migration)
            });
            let stores = now.stores.iter().flat_map(|(name, store)| {
                [
                    (store.aside.is_some(), "data moved aside"),
                    (store.beside.is_some(), "data written beside"),
                    (store.scratch, "scratch server"),
                    (store.carried.is_some(), "what was carried over"),
                    (store.following.is_some(), "companion"),
                ]
                .into_iter()
                .filter(|(there, _)| *there)
                .map(move |(_, what)| format!("{what} of {name}"))
            });
            let packages = now.host.iter().flat_map(SimHost::left);
            let content = now.content.iter().flat_map(SimContent::left);
            containers
                .chain(stores)
                .chain(packages)
                .chain(content)
                .collect()
        })
    }

    fn lock(&self) -> MutexGuard<'_, Reality> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Version of the program in a server's image.
pub(crate) fn server_version(server: &SimService) -> &str {
    let reference = server.image.as_ref().map_or("", |image| &image.reference);
    reference.rsplit(':').next().unwrap_or_default()
}

impl SimStore {
    /// Version of the server that its data is made for.
    pub fn made_for(&self) -> &str {
        self.engine.as_deref().unwrap_or("15")
    }
}

impl Snapshot {
    /// Without what a product rewrites whenever it runs.
    #[must_use]
    pub fn without_volatile(mut self) -> Self {
        for data in self.data.values_mut() {
            data.collections.remove("sessions");
        }
        self
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
