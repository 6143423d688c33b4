//! Simulated migrations: containers of their own, which go on when the engine
//! dies, and which may mark a unit as done before they do it.

use switchback_model::{DatastoreName, MigrationId, Version};

use crate::world::{Reality, SimData};

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

    /// One more moment of its life. It needs no engine for that.
    pub(crate) fn advance(&mut self, reality: &mut Reality) {
        if self.exit.is_some() {
            return;
        }
        let key = (self.migration.clone(), self.version.clone());
        let Some(migration) = reality.migrations.get(&key).cloned() else {
            self.exit = Some(2);
            return;
        };
        let Some(store) = reality.stores.get_mut(&migration.datastore) else {
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
        if let Some((at, times)) = reality.faults.migrations.get_mut(&key)
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
