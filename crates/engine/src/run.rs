//! One run: what it works with, and the record of what it does.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use switchback_journal::{Journal, JournalError, Lease, RunState, StateDirectory};
use switchback_model::event::{Event, Outcome};
use switchback_model::plan::{Plan, Purpose, Step};
use switchback_model::{Problem, RunId, StepNumber};

use crate::clock::{Clock, milliseconds};
use crate::downtime;
use crate::heartbeat::Heartbeat;
use crate::order::Order;
use crate::ports::{Context, Site};
use crate::process::Commands;
use crate::signal::StopSignal;

/// What a run works with: it lasts as long as one call of the engine.
pub(crate) struct Means<'a> {
    pub(crate) directory: &'a StateDirectory,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) stop: &'a StopSignal,
    pub(crate) site: &'a Site,
    pub(crate) journal: &'a Journal,
    pub(crate) lease: &'a Lease,
    pub(crate) commands: &'a Commands,
    pub(crate) heartbeat: &'a Heartbeat<'a>,
}

/// Everything one run needs while it goes.
pub(crate) struct Run<'a> {
    pub(crate) order: Order<'a>,
    pub(crate) means: Means<'a>,
    pub(crate) state: RefCell<RunState>,
    /// Downtime of this process, by the clock that never jumps.
    pub(crate) down: RefCell<downtime::Meter>,
}

/// Why the loop ends before its end.
pub(crate) enum Interruption {
    /// Something could not be recorded: nothing more is done, not even halting.
    Record(JournalError),
    /// The run halts.
    Halt(Problem),
}

impl From<JournalError> for Interruption {
    fn from(error: JournalError) -> Self {
        Self::Record(error)
    }
}

impl<'a> Run<'a> {
    pub(crate) fn new(order: Order<'a>, means: Means<'a>, state: RunState) -> Self {
        Self {
            order,
            means,
            state: RefCell::new(state),
            down: RefCell::default(),
        }
    }

    /// Records one event, and tells it once it is on disk.
    pub(crate) fn record(&self, event: Event) -> Result<(), JournalError> {
        let at = self.means.clock.now();
        let stamped = self
            .means
            .journal
            .append(self.means.lease, self.order.run, at, &event)?;
        self.state
            .borrow_mut()
            .apply(&stamped)
            .map_err(|illegal| JournalError::Illegal {
                run: self.order.run.clone(),
                detail: illegal.to_string(),
            })?;
        self.means.heartbeat.tell(&stamped);
        Ok(())
    }

    /// Records that a step is done.
    pub(crate) fn finish(
        &self,
        step: &Step,
        outcome: Outcome,
        took: Duration,
    ) -> Result<(), Interruption> {
        self.record(Event::StepFinished {
            step: step.number,
            outcome,
            took: milliseconds(took),
        })?;
        let up_again = downtime::ends_after(self.plan(), step.number);
        if up_again {
            self.down.borrow_mut().up(self.elapsed());
        }
        Ok(())
    }

    pub(crate) fn plan(&self) -> &'a Plan {
        self.order.plan
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.means.clock.elapsed()
    }

    /// The context of calls that serve this step.
    pub(crate) fn with_context<T>(&self, step: &Step, call: impl FnOnce(&Context<'_>) -> T) -> T {
        let round = self
            .plan()
            .steps()
            .find(|(_, candidate)| candidate.number == step.number)
            .map_or(1, |(stage, _)| stage.round);
        self.with_context_of(self.order.run, step.number, round, call)
    }

    /// The context of calls on behalf of this run or of one before.
    pub(crate) fn with_context_of<T>(
        &self,
        run: &RunId,
        step: StepNumber,
        round: u32,
        call: impl FnOnce(&Context<'_>) -> T,
    ) -> T {
        let backups = self.backups(round);
        call(&Context {
            plan: self.plan(),
            run,
            step,
            backups: &backups,
            commands: self.means.commands,
            progress: self.means.heartbeat,
            stop: self.means.stop,
        })
    }

    /// The run whose backups the plan speaks of, where they are not its own.
    pub(crate) fn taken_back(&self) -> Option<&'a RunId> {
        match &self.plan().purpose {
            Purpose::Rollback { run } => Some(run),
            Purpose::Upgrade
            | Purpose::RollOver(_)
            | Purpose::Rehearsal { .. }
            | Purpose::Recovery { .. } => None,
        }
    }

    pub(crate) fn backups(&self, round: u32) -> PathBuf {
        self.means
            .directory
            .backups_of_round(&self.means.lease.key, round)
    }
}
