//! The loop of a run: opens it, walks from move to move, and leaves it finished or halted.

use switchback_journal::recover::{Move, next_move};
use switchback_journal::{JournalError, RunStatus, StepStatus};
use switchback_model::event::Event;
use switchback_model::plan::{Act, BackupMethod, BackupState, Expectation, Stage, Step};
use switchback_model::{DatastoreName, Problem, StepNumber};

use crate::clock::milliseconds;
use crate::downtime;
use crate::order::Ended;
use crate::ports::{Context, Failure, Finding, Hold};
use crate::run::{Interruption, Run};
use crate::signal::Urgency;
use crate::{halt, words};

impl<'a> Run<'a> {
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
        let took_over = self.means.lease.took_over.clone();
        let fresh = self.state.borrow().status == RunStatus::NotStarted;
        if fresh {
            let plan = self.plan();
            self.means.directory.save_plan(plan)?;
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
                lease: self.means.lease.number,
                took_over,
            })?;
            let before = self.means.journal.events(self.order.run)?;
            *self.down.borrow_mut() = downtime::Meter::resumed(
                downtime::recorded(self.plan(), &before),
                self.means.clock.elapsed(),
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
            self.means.heartbeat.begin(step.number, doing);
            let compared = self.was_compared(stage, datastore);
            let followed = self.with_context(step, |cx| self.follow(cx, datastore, compared));
            self.means.heartbeat.end();
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
        let mut held: Vec<Box<dyn Hold + '_>> = Vec::new();
        loop {
            let next = next_move(self.plan(), &self.state.borrow());
            if !self.leaves_servers_alone(&next) {
                held.clear();
            } else if held.is_empty() {
                let datastores = self.means.site.datastores.values();
                held.extend(datastores.map(|datastore| datastore.hold()));
            }
            if !matches!(next, Move::Finish | Move::Finished)
                && self.means.stop.urgency() != Urgency::GoOn
            {
                return Err(Interruption::Halt(halt::stopped(self)));
            }
            if let Move::Start { step } | Move::Reguard { step } | Move::Repeat { step } = &next
                && let step = self.step(*step)?
                && let Act::HandWork { work } = &step.act
            {
                self.by_hand(step, work)?;
                continue;
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

    /// Whether this is a step from the first copy to the last seal. Each asks the same servers and stops none, and
    /// users wait for the last of them.
    fn leaves_servers_alone(&self, next: &Move) -> bool {
        let Move::Start { step } = next else {
            return false;
        };
        let act = self.plan().step(*step).map(|step| &step.act);
        matches!(
            act,
            Some(Act::Prepare { .. } | Act::Prove { .. } | Act::Stop { .. } | Act::Seal { .. })
        )
    }

    fn step(&self, number: StepNumber) -> Result<&'a Step, Interruption> {
        self.plan().step(number).ok_or_else(|| {
            Interruption::Halt(halt::broken_record(
                self,
                &format!("there is no step {number}"),
            ))
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
