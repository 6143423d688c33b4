//! The simulated reality: what survives the death of the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchback_model::observed::ImagePin;
use switchback_model::{DatastoreName, MigrationId, RunId, ServiceName, StepNumber, Version};

use crate::crash::CrashPoints;
use crate::data::{SimData, SimStore};
use crate::host::{HostOutcome, SimHost};
use crate::instances::SimContent;
use crate::migration::{OneOff, SimMigration};

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
