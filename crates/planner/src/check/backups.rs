//! Rules about backups: in which order each comes to be, while what runs, and what it must have reached by when.

use switchback_model::DatastoreName;
use switchback_model::plan::{BackupState, Expectation};

use super::walk::Walk;

impl<'p> Walk<'_, 'p> {
    /// The service stops only once every shadow was found equal, and follows still.
    pub(super) fn shadows_follow(&mut self) {
        let round = self.stage.round;
        let shadows: Vec<&DatastoreName> = self
            .world
            .kept()
            .filter(|name| self.world.is_shadowed(name))
            .collect();
        for name in shadows {
            let reached = self.world.backups.get(&(round, name));
            if reached.is_none_or(|reached| *reached < BackupState::Compared) {
                self.object(
                    "stop-before-comparison",
                    format!("the shadow of `{name}` is not compared by then"),
                );
            }
            self.needs_before(&Expectation::Backup {
                datastore: name.clone(),
                state: BackupState::Compared,
                run: None,
            });
        }
    }

    /// A shadow is compared while the original is up, a dump once nothing changes it any more.
    pub(super) fn prove(&mut self, datastore: &'p DatastoreName) {
        if !self.world.is_shadowed(datastore) {
            self.backup(datastore, Some(BackupState::Sealed), BackupState::Proven);
            return;
        }
        if !self.world.stopped.is_empty() {
            self.object(
                "compared-while-down",
                format!("`{datastore}` is compared while users wait, which grows with the data"),
            );
        }
        self.backup(
            datastore,
            Some(BackupState::Prepared),
            BackupState::Compared,
        );
    }

    pub(super) fn seal(&mut self, datastore: &'p DatastoreName) {
        if !self.world.is_down() {
            self.object(
                "sealed-while-running",
                format!("`{datastore}` is sealed while services can write"),
            );
        }
        if self
            .world
            .migrated
            .contains_key(&(self.stage.round, datastore))
        {
            self.object(
                "sealed-too-late",
                format!("`{datastore}` is sealed after a migration has changed it"),
            );
        }
        self.needs_stopped();
        self.needs_before(&Expectation::NoWriters {
            datastore: datastore.clone(),
        });
        let (from, to) = if self.world.is_shadowed(datastore) {
            (BackupState::Compared, BackupState::Proven)
        } else {
            (BackupState::Prepared, BackupState::Sealed)
        };
        self.backup(datastore, Some(from), to);
    }

    /// A step that brings a backup from `from` to `to`.
    pub(super) fn backup(
        &mut self,
        datastore: &'p DatastoreName,
        from: Option<BackupState>,
        to: BackupState,
    ) {
        let round = self.stage.round;
        if !self.world.kept().any(|kept| kept == datastore) {
            self.object(
                "no-such-backup",
                format!("`{datastore}` has no backup in this plan"),
            );
            return;
        }
        let reached = self.world.backups.get(&(round, datastore)).copied();
        if reached < from {
            self.object(
                "backup-order",
                format!("the backup of `{datastore}` has not come so far"),
            );
        }
        if let Some(state) = from {
            self.needs_before(&Expectation::Backup {
                datastore: datastore.clone(),
                state,
                run: None,
            });
        }
        self.needs_after(&Expectation::Backup {
            datastore: datastore.clone(),
            state: to,
            run: None,
        });
        self.world.backups.insert((round, datastore), to);
    }
}
