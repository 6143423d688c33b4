//! The checker's picture of the world while it walks a plan: only what the rules need.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::observed::ImagePin;
use switchback_model::plan::{Act, BackupMethod, BackupState, EngineChange, Expectation, Plan};
use switchback_model::{DatastoreName, Digest, MigrationId, ServiceName, StepNumber, Version};

#[derive(Debug)]
pub(super) struct World<'p> {
    pub(super) plan: &'p Plan,
    /// Every service that the plan ever starts or returns to.
    pub(super) services: BTreeSet<&'p ServiceName>,
    pub(super) stopped: BTreeSet<&'p ServiceName>,
    pub(super) fetched: BTreeSet<&'p ImagePin>,
    pub(super) backups: BTreeMap<(u32, &'p DatastoreName), BackupState>,
    /// Migrations since the backup, by round and by the datastore that keeps the data.
    pub(super) migrated: BTreeMap<(u32, &'p DatastoreName), Vec<StepNumber>>,
    /// Every migration that has run, with the version of its image.
    pub(super) run: BTreeSet<(&'p MigrationId, &'p Version)>,
    pub(super) files: BTreeMap<&'p str, &'p Digest>,
    /// Datastores whose next server was tried while the service was up.
    pub(super) fitting: BTreeSet<&'p DatastoreName>,
    /// What lies beside the data for which server, by datastore, until it is exchanged.
    pub(super) carried: BTreeMap<&'p DatastoreName, &'p EngineChange>,
    /// Servers that were exchanged, and to which version.
    pub(super) exchanged: Vec<&'p EngineChange>,
    /// Datastores that this way back has put back.
    pub(super) put_back: BTreeSet<&'p DatastoreName>,
    /// Lines to which people have brought servers by now.
    pub(super) lines: BTreeMap<&'p DatastoreName, &'p str>,
    /// The datastore whose server people brought to another line in the step before.
    pub(super) uncompared: Option<&'p DatastoreName>,
    pub(super) restored: BTreeSet<&'p DatastoreName>,
    pub(super) counted: BTreeSet<&'p DatastoreName>,
    pub(super) started: bool,
    pub(super) looked_since_start: bool,
    pub(super) released: BTreeSet<&'p DatastoreName>,
}

impl<'p> World<'p> {
    pub(super) fn before(plan: &'p Plan) -> Self {
        let mut services: BTreeSet<&ServiceName> = plan.origin.services.iter().collect();
        let mut files = BTreeMap::new();
        for (_, step) in plan.steps() {
            if let Act::Start { services: more, .. } = &step.act {
                services.extend(more);
            }
            for expected in &step.before {
                if let Expectation::File { path, digest } = expected {
                    // What the plan says first about a file is what was observed.
                    files.entry(path.as_str()).or_insert(digest);
                }
            }
        }
        Self {
            plan,
            services,
            stopped: BTreeSet::new(),
            fetched: BTreeSet::new(),
            backups: BTreeMap::new(),
            migrated: BTreeMap::new(),
            run: BTreeSet::new(),
            files,
            fitting: BTreeSet::new(),
            carried: BTreeMap::new(),
            exchanged: Vec::new(),
            put_back: BTreeSet::new(),
            lines: BTreeMap::new(),
            uncompared: None,
            restored: BTreeSet::new(),
            counted: BTreeSet::new(),
            started: false,
            looked_since_start: false,
            released: BTreeSet::new(),
        }
    }

    /// True where no process of the product is left that could write.
    pub(super) fn is_down(&self) -> bool {
        self.services
            .iter()
            .all(|service| self.stopped.contains(*service))
    }

    /// The datastores that have a backup of their own.
    pub(super) fn kept(&self) -> impl Iterator<Item = &'p DatastoreName> {
        self.plan
            .datastores
            .iter()
            .filter(|(_, datastore)| datastore.method != BackupMethod::None)
            .map(|(name, _)| name)
    }

    /// True where a shadow keeps it, which is compared before the stop and proven by its seal.
    pub(super) fn is_shadowed(&self, name: &DatastoreName) -> bool {
        let datastore = self.plan.datastores.get(name);
        datastore.is_some_and(|datastore| datastore.method == BackupMethod::Shadow)
    }

    /// The datastore whose backup holds the data of `name`.
    pub(super) fn keeper(&self, name: &DatastoreName) -> Option<&'p DatastoreName> {
        let (key, datastore) = self.plan.datastores.get_key_value(name)?;
        let keeper = datastore.kept_with.as_ref().unwrap_or(key);
        self.kept().find(|kept| *kept == keeper)
    }

    /// The datastores whose backup of this round has not come as far as `state`.
    pub(super) fn short_of(&self, round: u32, state: BackupState) -> Vec<&'p DatastoreName> {
        self.kept()
            .filter(|name| {
                self.backups
                    .get(&(round, *name))
                    .is_none_or(|reached| *reached < state)
            })
            .collect()
    }
}
