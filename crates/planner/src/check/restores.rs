//! Rules for what a way back brings back, and for letting go of what that replaced.

use switchback_model::plan::{BackupState, Expectation, Purpose};
use switchback_model::{DatastoreName, RunId};

use super::walk::Walk;

impl<'p> Walk<'_, 'p> {
    pub(super) fn restore(&mut self, datastore: &'p DatastoreName, run: &RunId) {
        let taken_back = match &self.world.plan.purpose {
            Purpose::Rollback { run } => Some(run),
            Purpose::Upgrade
            | Purpose::RollOver(_)
            | Purpose::Rehearsal { .. }
            | Purpose::Recovery { .. } => None,
        };
        if taken_back != Some(run) {
            self.object("restore", "it restores what another run sealed");
        }
        if !self.world.is_down() {
            self.object(
                "restore-while-running",
                format!("`{datastore}` is replaced while services use it"),
            );
        }
        if self.world.started {
            self.object("restore-after-start", "the service has been started before");
        }
        self.needs_stopped();
        self.needs_before(&Expectation::NoWriters {
            datastore: datastore.clone(),
        });
        self.needs_before(&Expectation::Backup {
            datastore: datastore.clone(),
            state: BackupState::Proven,
            run: Some(run.clone()),
        });
        self.needs_after(&Expectation::Restored {
            datastore: datastore.clone(),
            run: run.clone(),
        });
        self.world.restored.insert(datastore);
        self.world.counted.remove(datastore);
    }

    pub(super) fn release(&mut self, datastore: &'p DatastoreName, run: &RunId) {
        if !self.world.restored.contains(datastore) {
            self.object("release", format!("`{datastore}` was not restored"));
        }
        if !(self.world.started && self.world.looked_since_start) {
            self.object(
                "released-too-early",
                format!(
                    "what the restore of `{datastore}` replaced goes before the result was seen"
                ),
            );
        }
        self.needs_after(&Expectation::Released {
            datastore: datastore.clone(),
            run: run.clone(),
        });
        self.world.released.insert(datastore);
    }
}
