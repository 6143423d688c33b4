//! One run: the loop over moves, and the record of what they do.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use switchback_journal::recover::{Move, next_move};
use switchback_journal::{Journal, JournalError, Lease, RunState, RunStatus, StepStatus};
use switchback_model::event::{Event, Outcome};
use switchback_model::plan::{
    Act, BackupMethod, BackupState, Expectation, Plan, Purpose, Stage, Step,
};
use switchback_model::{DatastoreName, Problem, RunId, StepNumber};

use crate::clock::milliseconds;
use crate::downtime;
use crate::engine::{Ended, Engine, Order};
use crate::heartbeat::Heartbeat;
use crate::ports::{Context, Failure, Finding, Site};
use crate::process::{Commands, end_leftovers};
use crate::signal::Urgency;
use crate::{halt, words};

/// Everything one run needs while it goes.
pub(crate) struct Run<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) order: Order<'a>,
    pub(crate) site: &'a Site,
    pub(crate) journal: &'a Journal,
    pub(crate) lease: &'a Lease,
    pub(crate) commands: &'a Commands,
    pub(crate) heartbeat: &'a Heartbeat<'a>,
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
    #[expect(
        clippy::too_many_arguments,
        reason = "the one place where a run is put together"
    )]
    pub(crate) fn new(
        engine: &'a Engine,
        order: Order<'a>,
        site: &'a Site,
        journal: &'a Journal,
        lease: &'a Lease,
        commands: &'a Commands,
        heartbeat: &'a Heartbeat<'a>,
        state: RunState,
    ) -> Self {
        Self {
            engine,
            order,
            site,
            journal,
            lease,
            commands,
            heartbeat,
            state: RefCell::new(state),
            down: RefCell::default(),
        }
    }

    /// Goes on from wherever the journal says the run is.
    pub(crate) fn go(&self) -> Result<Ended, Problem> {
        let interruption = match self.open().and_then(|()| self.walk()) {
            Ok(downtime) => return Ok(Ended::Finished { downtime }),
            Err(interruption) => interruption,
        };
        match interruption {
            Interruption::Record(error) => Err(self.unrecorded(&error)),
            Interruption::Halt(problem) => {
                let problem = self.leave(problem);
                let halted = Event::RunHalted {
                    problem: problem.clone(),
                };
                match self.record(halted) {
                    Ok(()) => Ok(Ended::Halted(problem)),
                    Err(error) => Err(self.unrecorded(&error).cause(problem)),
                }
            }
        }
    }

    /// Records that the run begins or goes on, and ends what a dead process left.
    fn open(&self) -> Result<(), Interruption> {
        let (by, program) = (self.order.by.to_owned(), self.order.program.to_owned());
        let took_over = self.lease.took_over.clone();
        let fresh = self.state.borrow().status == RunStatus::NotStarted;
        if fresh {
            let plan = self.plan();
            self.engine.state.save_plan(plan)?;
            self.record(Event::RunStarted {
                plan: plan.id.clone(),
                digest: switchback_model::Digest::of(plan.to_json()),
                deployment: plan.deployment.name.clone(),
                accepted: self.order.accepted.to_vec(),
                by,
                program,
                took_over,
            })?;
        } else {
            self.record(Event::RunResumed {
                by,
                program,
                lease: self.lease.number,
                took_over,
            })?;
            let before = self.journal.events(self.order.run)?;
            *self.down.borrow_mut() = downtime::Meter::resumed(
                downtime::recorded(self.plan(), &before),
                self.engine.clock.elapsed(),
            );
            self.end_children(self.order.run)?;
            self.tidy_datastores(self.order.run);
            self.follow_shadows()?;
        }
        self.tidy_runs_before()
    }

    /// Makes every shadow that was begun and not sealed follow again: what followed ended with the
    /// machine, or when the run halted.
    fn follow_shadows(&self) -> Result<(), Interruption> {
        for (stage, step) in self.plan().steps() {
            let Act::Prepare { datastore } = &step.act else {
                continue;
            };
            if !self.is_unsealed_shadow(stage, step, datastore) {
                continue;
            }
            let doing = format!("make the shadow of {datastore} follow again");
            self.heartbeat.begin(step.number, doing);
            let compared = self.was_compared(stage, datastore);
            let followed = self.with_context(step, |cx| self.follow(cx, datastore, compared));
            self.heartbeat.end();
            followed.map_err(|failure| Interruption::Halt(halt::failed(self, step, &failure)))?;
        }
        Ok(())
    }

    /// One that had to be begun anew is another copy than the one that was compared: it is compared again,
    /// also where a process died between the one and the other.
    fn follow(
        &self,
        cx: &Context<'_>,
        name: &DatastoreName,
        compared: bool,
    ) -> Result<(), Failure> {
        let datastore = self.datastore(name)?;
        datastore.follow(cx)?;
        let is_compared = Expectation::Backup {
            datastore: name.clone(),
            state: BackupState::Compared,
            run: None,
        };
        if compared && matches!(datastore.look(cx, &is_compared), Finding::Differs { .. }) {
            datastore.prove(cx)?;
        }
        Ok(())
    }

    fn was_compared(&self, stage: &Stage, name: &DatastoreName) -> bool {
        self.is_done(
            stage.round,
            |act| matches!(act, Act::Prove { datastore } if datastore == name),
        )
    }

    /// Whether a step of this round that does `what` is done.
    fn is_done(&self, round: u32, what: impl Fn(&Act) -> bool) -> bool {
        let state = self.state.borrow();
        self.plan().steps().any(|(stage, step)| {
            let finished = matches!(state.step(step.number), StepStatus::Finished { .. });
            finished && stage.round == round && what(&step.act)
        })
    }

    fn is_unsealed_shadow(&self, stage: &Stage, prepare: &Step, name: &DatastoreName) -> bool {
        let kept = self.plan().datastores.get(name);
        let sealed = self.is_done(
            stage.round,
            |act| matches!(act, Act::Seal { datastore } if datastore == name),
        );
        let begun = self.is_done(stage.round, |act| *act == prepare.act);
        kept.is_some_and(|kept| kept.method == BackupMethod::Shadow) && begun && !sealed
    }

    fn walk(&self) -> Result<u64, Interruption> {
        loop {
            let next = next_move(self.plan(), &self.state.borrow());
            if !matches!(next, Move::Finish | Move::Finished)
                && self.engine.stop.urgency() != Urgency::GoOn
            {
                return Err(Interruption::Halt(halt::stopped(self)));
            }
            match next {
                Move::Start { step } => self.start(self.step(step)?)?,
                Move::Reguard { step } => self.reguard(self.step(step)?)?,
                Move::Repeat { step } => self.repeat(self.step(step)?)?,
                Move::Recover { step, datastore } => {
                    self.bring_back(self.step(step)?, &datastore)?;
                }
                Move::Finish => {
                    self.clean_up()?;
                    let downtime = milliseconds(self.down.borrow().total(self.elapsed()));
                    self.record(Event::RunFinished { downtime })?;
                    return Ok(downtime);
                }
                Move::Finished => {
                    return Ok(milliseconds(self.down.borrow().total(self.elapsed())));
                }
                Move::Halt { because } => {
                    return Err(Interruption::Halt(halt::broken_record(self, &because)));
                }
            }
        }
    }

    /// Records one event, and tells it once it is on disk.
    pub(crate) fn record(&self, event: Event) -> Result<(), JournalError> {
        let at = self.engine.clock.now();
        let stamped = self
            .journal
            .append(self.lease, self.order.run, at, &event)?;
        self.state
            .borrow_mut()
            .apply(&stamped)
            .map_err(|illegal| JournalError::Illegal {
                run: self.order.run.clone(),
                detail: illegal.to_string(),
            })?;
        self.heartbeat.tell(&stamped);
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
        self.engine.clock.elapsed()
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
            commands: self.commands,
            progress: self.heartbeat,
            stop: &self.engine.stop,
        })
    }

    /// The run whose backups the plan speaks of, where they are not its own.
    pub(crate) fn taken_back(&self) -> Option<&'a RunId> {
        match &self.plan().purpose {
            Purpose::Rollback { run } => Some(run),
            Purpose::Upgrade | Purpose::RollOver(_) => None,
        }
    }

    fn backups(&self, round: u32) -> PathBuf {
        self.engine.state.backups_of_round(&self.lease.key, round)
    }

    fn step(&self, number: StepNumber) -> Result<&'a Step, Interruption> {
        self.plan().step(number).ok_or_else(|| {
            Interruption::Halt(halt::broken_record(
                self,
                &format!("there is no step {number}"),
            ))
        })
    }

    /// The plan's own rounds, and those that a run before it has begun.
    fn rounds(&self) -> impl Iterator<Item = u32> {
        let stages = self.plan().stages.iter();
        let planned = stages.map(|stage: &Stage| stage.round).max().unwrap_or(1);
        let begun = (planned..)
            .take_while(|round| *round == planned || self.backups(*round).is_dir())
            .last();
        1..=begun.unwrap_or(planned)
    }

    fn end_children(&self, run: &RunId) -> Result<(), Interruption> {
        let directory = self.engine.state.children(run);
        end_leftovers(&directory).map(drop).map_err(|error| {
            Interruption::Halt(halt::simple(
                self,
                "leftovers-remain",
                "cannot end what a killed switchback left running".to_owned(),
                &[format!("{}: {error}", directory.display())],
            ))
        })
    }

    /// Ends what runs that this plan follows or takes back left: their processes died or they halted.
    fn tidy_runs_before(&self) -> Result<(), Interruption> {
        let mut before: Vec<&RunId> = self.plan().parent.iter().chain(self.taken_back()).collect();
        before.dedup();
        for run in before {
            self.end_children(run)?;
            self.clean_driver(run)
                .map_err(|failure| self.left_over(&failure))?;
            self.tidy_datastores(run);
        }
        Ok(())
    }

    /// Ends what a dead process left in the datastores. A server may be down just because that process
    /// died in the middle: then its step's guard says so, and the end of the run cleans again, for good.
    fn tidy_datastores(&self, run: &RunId) {
        for round in self.rounds() {
            self.with_context_of(run, StepNumber(0), round, |cx| {
                for datastore in self.site.datastores.values() {
                    let _ = datastore.clean(cx);
                }
            });
        }
    }

    /// Removes everything that must not outlive the run. Before its end is recorded: what a crash
    /// leaves here is cleaned by the next process, which finds the run still open.
    fn clean_up(&self) -> Result<(), Interruption> {
        let run = self.order.run;
        for round in self.rounds() {
            self.with_context_of(run, StepNumber(0), round, |cx| {
                self.site
                    .datastores
                    .values()
                    .try_for_each(|datastore| datastore.clean(cx))
            })
            .map_err(|failure| self.left_over(&failure))?;
        }
        self.clean_driver(run)
            .map_err(|failure| self.left_over(&failure))
    }

    /// In every round, for a driver keeps its own files beside the backups.
    fn clean_driver(&self, run: &RunId) -> Result<(), Failure> {
        self.rounds().try_for_each(|round| {
            self.with_context_of(run, StepNumber(0), round, |cx| self.site.driver.clean(cx))
        })
    }

    /// Cleans before halting. What is left of a migration that may have half run stays: it is the
    /// only witness of what happened.
    fn leave(&self, mut problem: Problem) -> Problem {
        self.tidy_datastores(self.order.run);
        if halt::has_open_migration(self.plan(), &self.state.borrow()) {
            return problem;
        }
        if let Err(failure) = self.clean_driver(self.order.run) {
            problem = problem.state("leftovers", failure.what);
        }
        problem
    }

    fn left_over(&self, failure: &Failure) -> Interruption {
        let mut causes = vec![failure.what.clone()];
        causes.extend(failure.causes.iter().cloned());
        Interruption::Halt(halt::simple(
            self,
            "leftovers-remain",
            "cannot remove what the run must not leave behind".to_owned(),
            &causes,
        ))
    }

    /// The journal could not be written: says what was not done for that reason.
    fn unrecorded(&self, error: &JournalError) -> Problem {
        let state = self.state.borrow();
        let open = self
            .plan()
            .steps()
            .find(|(_, step)| !matches!(state.step(step.number), StepStatus::Finished { .. }));
        let problem = error.problem();
        let problem = match open {
            Some((_, step)) => problem.state(
                "run",
                format!(
                    "`{}` is open at step {} ({})",
                    self.order.run,
                    step.number,
                    words::doing(self.plan(), &step.act)
                ),
            ),
            None => problem.state("run", format!("`{}` has every step done", self.order.run)),
        };
        problem.hint(format!("then: switchback resume {}", self.order.run))
    }
}
