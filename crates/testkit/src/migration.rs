//! Simulated migrations: containers of their own, which go on when the engine
//! dies, and which may mark a unit as done before they do it.

use switchback_model::{DatastoreName, MigrationId, Version};

use crate::data::{SimData, SimStore};

/// What one migration of one version does.
#[derive(Clone, Debug)]
pub struct SimMigration {
    /// The datastore it changes.
    pub datastore: DatastoreName,
    /// Its units, in order; those that are marked already are skipped.
    pub units: Vec<Unit>,
    /// Marks a unit as done before doing it, as `is-db` 3.20.0 to 3.32.1 does.
    pub marks_first: bool,
}

/// The smallest thing a migration does.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Name under which it is marked.
    pub name: String,
    /// What it does. None of these may be done twice.
    pub effect: Effect,
}

/// What a unit does to data.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Adds rows.
    Add(&'static str, u64),
    /// Rewrites every row.
    Rewrite(&'static str),
    /// Removes a collection.
    Delete(&'static str),
}

/// A container that runs a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOff {
    /// Which migration.
    pub migration: MigrationId,
    /// Version of its image.
    pub version: Version,
    /// Exit code; `None` while it runs.
    pub exit: Option<i64>,
    /// The unit it is at.
    next: usize,
    /// Whether that unit is marked by this very container.
    marked: bool,
}

impl OneOff {
    /// A container that was just started.
    pub(crate) fn started(migration: MigrationId, version: Version) -> Self {
        Self {
            migration,
            version,
            exit: None,
            next: 0,
            marked: false,
        }
    }

    /// One more moment of its life, in which it does the next thing of `migration` to `store`; each is `None` where there
    /// is none. `fault` says at which unit it fails, and how many more times.
    pub(crate) fn advance(
        &mut self,
        migration: Option<&SimMigration>,
        store: Option<&mut SimStore>,
        fault: Option<&mut (usize, u32)>,
    ) {
        if self.exit.is_some() {
            return;
        }
        let (Some(migration), Some(store)) = (migration, store) else {
            self.exit = Some(2);
            return;
        };
        if store.dead {
            self.exit = Some(255);
            return;
        }
        let Some(unit) = migration.units.get(self.next) else {
            self.exit = Some(0);
            return;
        };
        if store.live.marked.contains(&unit.name) && !self.marked {
            self.next += 1;
            return;
        }
        if migration.marks_first && !self.marked {
            store.live.marked.insert(unit.name.clone());
            self.marked = true;
            return;
        }
        if let Some((at, times)) = fault
            && *at == self.next
            && *times > 0
        {
            *times -= 1;
            self.exit = Some(1);
            return;
        }
        unit.effect.apply(&mut store.live);
        store.live.marked.insert(unit.name.clone());
        store.live.applied.insert(unit.name.clone());
        self.marked = false;
        self.next += 1;
    }
}

impl Effect {
    fn apply(&self, data: &mut SimData) {
        match self {
            Self::Add(collection, rows) => {
                data.collections
                    .entry((*collection).to_owned())
                    .or_default()
                    .0 += rows;
            }
            Self::Rewrite(collection) => {
                data.collections
                    .entry((*collection).to_owned())
                    .or_default()
                    .1 += 1;
            }
            Self::Delete(collection) => {
                data.collections.remove(*collection);
            }
        }
    }
}
