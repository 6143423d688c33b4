//! Steps that were begun and not finished: asked again, adopted, repeated, or
//! repeated after their datastore was brought back.

use switchback_journal::StepStatus;
use switchback_model::DatastoreName;
use switchback_model::event::{Completed, Event};
use switchback_model::plan::{Act, Expectation, Interrupted, Step};

use crate::guard::{self, Guard, Touched};
use crate::halt;
use crate::ports::{Failure, Finding, MigrationTrace};
use crate::run::{Interruption, Run};

impl Run<'_> {
    /// A step that was begun: by a process that died, or with a failure.
    pub(crate) fn reguard(&self, step: &Step) -> Result<(), Interruption> {
        match &step.act {
            Act::Migrate { .. } => self.reguard_migration(step),
            _ => match self.ask_again(step) {
                Guard::AlreadyDone => self.nothing_to_do(step),
                Guard::Ready => self.again(step),
                guard => Err(Interruption::Halt(halt::guarded(self, step, &guard))),
            },
        }
    }

    /// A step to be done anew, because its datastore was brought back to before it.
    pub(crate) fn repeat(&self, step: &Step) -> Result<(), Interruption> {
        let guard = self.with_context(step, |cx| {
            guard::may_act(self.means.site, cx, step, &self.touched(step))
        });
        match guard {
            Guard::Ready => self.act(step, Completed::Done),
            guard => Err(Interruption::Halt(halt::guarded(self, step, &guard))),
        }
    }

    /// What ran outside this process tells how far the migration is. It is never begun a second time
    /// beside itself, and never after it may have half run unless that is safe or made safe.
    fn reguard_migration(&self, step: &Step) -> Result<(), Interruption> {
        let Act::Migrate { migration, .. } = &step.act else {
            return Ok(());
        };
        let trace = self
            .with_context(step, |cx| self.means.site.driver.trace(cx, migration))
            .map_err(|failure| self.cannot_tell(step, &failure))?;
        match trace {
            MigrationTrace::Running | MigrationTrace::Exited { code: 0 } => {
                self.act(step, Completed::Adopted)
            }
            MigrationTrace::NeverStarted if !self.has_run(step) => match self.ask_again(step) {
                Guard::AlreadyDone => self.nothing_to_do(step),
                Guard::Ready => self.act(step, Completed::Done),
                guard => Err(Interruption::Halt(halt::guarded(self, step, &guard))),
            },
            // It may not be repeated, and a process died before it could tell how it ended: its own words come first.
            MigrationTrace::Exited { .. }
                if !self.has_run(step) && matches!(step.interrupted, Interrupted::Halt { .. }) =>
            {
                self.act(step, Completed::Adopted)
            }
            MigrationTrace::NeverStarted | MigrationTrace::Exited { .. } => self.again(step),
        }
    }

    /// Whether the journal proves that the migration ran, even where nothing of it is left.
    fn has_run(&self, step: &Step) -> bool {
        matches!(
            self.state.borrow().step(step.number),
            StepStatus::Failed { code, .. } if code == "migration-failed"
        )
    }

    /// Acts again, as the plan says for a step that was interrupted.
    fn again(&self, step: &Step) -> Result<(), Interruption> {
        match &step.interrupted {
            Interrupted::Repeat => {
                self.discard(step)?;
                self.repeat(step)
            }
            Interrupted::RestoreFirst { datastore, .. } => {
                let guard = self.with_context(step, |cx| {
                    guard::may_act(self.means.site, cx, step, &self.touched(step))
                });
                match guard {
                    Guard::Ready => self.bring_back(step, datastore),
                    guard => Err(Interruption::Halt(halt::guarded(self, step, &guard))),
                }
            }
            Interrupted::Halt { because } => Err(Interruption::Halt(halt::needs_a_person(
                self, step, because,
            ))),
        }
    }

    /// Brings the step's datastore back from this run's backup. The loop then does the step again,
    /// and before it the earlier ones that the backup does not hold.
    pub(crate) fn bring_back(
        &self,
        step: &Step,
        datastore: &DatastoreName,
    ) -> Result<(), Interruption> {
        let Interrupted::RestoreFirst { redo, because, .. } = &step.interrupted else {
            let because = "the journal speaks of a recovery that the plan does not have";
            return Err(Interruption::Halt(halt::broken_record(self, because)));
        };
        self.record(Event::RecoveryStarted {
            step: step.number,
            datastore: datastore.clone(),
            because: because.clone(),
        })?;
        self.means
            .heartbeat
            .begin(step.number, format!("bring back {datastore}"));
        // First what ran, then the data: a migration that still writes would spoil the restore.
        let restored = redo
            .iter()
            .filter_map(|number| self.plan().step(*number))
            .chain([step])
            .try_for_each(|undone| self.discard(undone))
            .and_then(|()| {
                self.restore(step, datastore)
                    .map_err(|failure| Interruption::Halt(halt::failed(self, step, &failure)))
            });
        self.means.heartbeat.end();
        restored?;
        self.record(Event::RecoveryFinished {
            step: step.number,
            datastore: datastore.clone(),
        })?;
        Ok(())
    }

    fn restore(&self, step: &Step, name: &DatastoreName) -> Result<(), Failure> {
        let run = self.order.run;
        let expectation = Expectation::Restored {
            datastore: name.clone(),
            run: run.clone(),
        };
        self.with_context(step, |cx| {
            let datastore = self.datastore(name)?;
            datastore.restore(cx, run)?;
            match datastore.look(cx, &expectation) {
                Finding::Holds => {}
                Finding::Differs { found } | Finding::Unknown { why: found } => {
                    return Err(Failure::new(
                        "restore-not-proven",
                        format!(
                            "`{name}` was brought back and does not hold what its backup holds"
                        ),
                    )
                    .cause(found));
                }
            }
            datastore.release(cx, run).map(drop)
        })
    }

    /// Removes what is left of an earlier try of a migration.
    fn discard(&self, step: &Step) -> Result<(), Interruption> {
        let Act::Migrate { migration, .. } = &step.act else {
            return Ok(());
        };
        self.with_context(step, |cx| self.means.site.driver.discard(cx, migration))
            .map_err(|failure| Interruption::Halt(halt::failed(self, step, &failure)))
    }

    /// That the step may have acted, with the edits of later steps that are done: an earlier migration
    /// that is done anew finds the files as those left them.
    fn touched(&self, step: &Step) -> Touched {
        let state = self.state.borrow();
        let finished = |later: &Step| {
            later.number > step.number
                && matches!(state.step(later.number), StepStatus::Finished { .. })
        };
        let later = self
            .plan()
            .steps()
            .filter(|(_, later)| finished(later))
            .filter_map(|(_, later)| match &later.act {
                Act::Set { edits, .. } => Some(edits.clone()),
                _ => None,
            })
            .flatten()
            .collect();
        Touched::Maybe { later }
    }

    fn ask_again(&self, step: &Step) -> Guard {
        self.with_context(step, |cx| {
            guard::ask(self.means.site, cx, step, &self.touched(step))
        })
    }

    fn cannot_tell(&self, step: &Step, failure: &Failure) -> Interruption {
        let guard = Guard::CannotTell {
            expected: "to find out how far the migration came".to_owned(),
            why: failure.what.clone(),
        };
        Interruption::Halt(halt::guarded(self, step, &guard))
    }
}
