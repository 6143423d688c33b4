//! The state of a run: a pure fold over its events through one table of legal moves.
//!
//! ```text
//! run    NotStarted ─RunStarted─► Running ─RunHalted─► Halted
//!                                   │  ▲ ▲──RunResumed───┘
//!                                   │  └─RunResumed (its process had died)
//!                                   └─RunFinished─► Finished
//!
//! step   NotStarted ─StepStarted─► Started ─StepFinished─► Finished
//!                     ▲  ▲           │ │ ▲                    │
//!                     │  │ (again) ──┘ │ └── StepStarted ─────┤  only after a datastore
//!                     │  │             AttemptFailed          │  was brought back since
//!                     │  └───────── Failed
//!                     │               │ RecoveryStarted (also from Started)
//!                     │               ▼
//!                     └─ Recovered ◄─RecoveryFinished─ Recovering
//! ```
//!
//! The same table guards live runs: [`crate::Journal::append`] refuses what it does not list.

use std::collections::BTreeMap;

use switchback_model::event::{Event, Outcome, Stamped};
use switchback_model::{DatastoreName, Digest, PlanId, Problem, StepNumber};

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RunStatus {
    /// Nothing is recorded.
    #[default]
    NotStarted,
    /// It goes on, or its process died.
    Running,
    /// It stopped at a safe place.
    Halted(Problem),
    /// Every step is done.
    Finished {
        /// Milliseconds without service.
        downtime: u64,
    },
}

/// Where a step stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum StepStatus {
    /// Nothing was done.
    #[default]
    NotStarted,
    /// It may have acted.
    Started {
        /// Which try.
        attempt: u32,
    },
    /// It acted and failed.
    Failed {
        /// Which try.
        attempt: u32,
        /// The problem's code.
        code: String,
    },
    /// A datastore is being brought back, so that it may act again.
    Recovering {
        /// The last try.
        attempt: u32,
        /// Which datastore.
        datastore: DatastoreName,
    },
    /// The datastore was brought back: it may act again.
    Recovered {
        /// The last try.
        attempt: u32,
    },
    /// It is done.
    Finished {
        /// The last try.
        attempt: u32,
        /// How.
        outcome: Outcome,
        /// Place of the event in the run.
        sequence: u64,
    },
}

/// What the events of one run add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunState {
    /// Where the run stands.
    pub status: RunStatus,
    /// The plan, once started.
    pub plan: Option<PlanId>,
    /// Digest of the plan file, once started.
    pub digest: Option<Digest>,
    /// Name of the deployment, once started.
    pub deployment: Option<String>,
    /// Acceptances given at the start.
    pub accepted: Vec<String>,
    /// Steps of which something is recorded.
    pub steps: BTreeMap<StepNumber, StepStatus>,
    /// Steps whose recovery is done, with the place of the last event that says so.
    pub recovered: BTreeMap<StepNumber, u64>,
    /// Place of the last event; 0 where there is none.
    pub sequence: u64,
    /// When the last event was recorded, in milliseconds since the Unix epoch; 0 where there is none.
    pub last_at: u64,
}

/// A move that the table does not list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event} while {state}")]
pub struct IllegalMove {
    /// The event.
    pub event: String,
    /// The state it met.
    pub state: String,
}

impl RunState {
    /// Folds all events of one run, from the first.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Stamped>) -> Result<Self, IllegalMove> {
        let mut state = Self::default();
        for stamped in events {
            state.apply(stamped)?;
        }
        Ok(state)
    }

    /// The state of one step.
    pub fn step(&self, number: StepNumber) -> &StepStatus {
        self.steps.get(&number).unwrap_or(&StepStatus::NotStarted)
    }

    /// True where something may have been changed: at least one step was begun.
    pub fn has_acted(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Makes one legal move; anything else is an error and changes nothing.
    pub fn apply(&mut self, stamped: &Stamped) -> Result<(), IllegalMove> {
        if stamped.sequence != self.sequence + 1 {
            return Err(IllegalMove {
                event: format!("event {}", stamped.sequence),
                state: format!("the last one is {}", self.sequence),
            });
        }
        let (status, step) = self.moved(&stamped.event, stamped.sequence)?;
        self.status = status;
        if let Some((number, step)) = step {
            self.steps.insert(number, step);
        }
        match &stamped.event {
            Event::RunStarted {
                plan,
                digest,
                deployment,
                accepted,
                ..
            } => {
                self.plan = Some(plan.clone());
                self.digest = Some(digest.clone());
                self.deployment = Some(deployment.clone());
                self.accepted.clone_from(accepted);
            }
            Event::RecoveryFinished { step, .. } => {
                self.recovered.insert(*step, stamped.sequence);
            }
            _ => {}
        }
        self.sequence = stamped.sequence;
        self.last_at = stamped.at;
        Ok(())
    }

    /// The table for runs, and for what an event says about a step.
    fn moved(
        &self,
        event: &Event,
        sequence: u64,
    ) -> Result<(RunStatus, Option<(StepNumber, StepStatus)>), IllegalMove> {
        use RunStatus as R;
        let step_event = match event {
            Event::StepStarted { step, .. }
            | Event::AttemptFailed { step, .. }
            | Event::RecoveryStarted { step, .. }
            | Event::RecoveryFinished { step, .. }
            | Event::StepFinished { step, .. } => Some(*step),
            _ => None,
        };
        let status = match (&self.status, event, step_event) {
            (R::NotStarted, Event::RunStarted { .. }, None) => R::Running,
            (R::Running | R::Halted(_), Event::RunResumed { .. }, None) => R::Running,
            (R::Running, Event::RunHalted { problem }, None) => R::Halted(problem.clone()),
            (R::Running, Event::RunFinished { downtime }, None) if self.nothing_open() => {
                R::Finished {
                    downtime: *downtime,
                }
            }
            (R::Running, _, Some(number)) => {
                let next = self.step_moved(number, event, sequence)?;
                return Ok((R::Running, Some((number, next))));
            }
            (status, event, _) => {
                return Err(illegal(event, format!("the run is {}", word(status))));
            }
        };
        Ok((status, None))
    }

    /// The table for steps.
    fn step_moved(
        &self,
        number: StepNumber,
        event: &Event,
        sequence: u64,
    ) -> Result<StepStatus, IllegalMove> {
        use StepStatus as S;
        let now = self.step(number);
        let next = match (now, event) {
            (S::NotStarted, Event::StepStarted { attempt: 1, .. }) => S::Started { attempt: 1 },
            (
                S::Started { attempt: last }
                | S::Failed { attempt: last, .. }
                | S::Recovered { attempt: last },
                Event::StepStarted { attempt, .. },
            ) if *attempt == last + 1 => S::Started { attempt: *attempt },
            (
                S::Finished {
                    attempt: last,
                    sequence: finished,
                    ..
                },
                Event::StepStarted { attempt, .. },
            ) if *attempt == last + 1 && self.recovered.values().any(|back| back > finished) => {
                S::Started { attempt: *attempt }
            }
            (
                S::Started { attempt: last },
                Event::AttemptFailed {
                    attempt, problem, ..
                },
            ) if attempt == last => S::Failed {
                attempt: *attempt,
                code: problem.code.clone(),
            },
            (
                S::Started { attempt } | S::Failed { attempt, .. } | S::Recovering { attempt, .. },
                Event::RecoveryStarted { datastore, .. },
            ) => S::Recovering {
                attempt: *attempt,
                datastore: datastore.clone(),
            },
            (
                S::Recovering { attempt, datastore },
                Event::RecoveryFinished {
                    datastore: brought_back,
                    ..
                },
            ) if datastore == brought_back => S::Recovered { attempt: *attempt },
            (S::Started { attempt }, Event::StepFinished { outcome, .. }) => S::Finished {
                attempt: *attempt,
                outcome: outcome.clone(),
                sequence,
            },
            (now, event) => {
                return Err(illegal(
                    event,
                    format!("step {number} is {}", step_word(now)),
                ));
            }
        };
        Ok(next)
    }

    fn nothing_open(&self) -> bool {
        self.steps
            .values()
            .all(|step| matches!(step, StepStatus::Finished { .. }))
    }
}

fn illegal(event: &Event, state: String) -> IllegalMove {
    IllegalMove {
        event: kind(event).to_owned(),
        state,
    }
}

/// The event's tag, as it is stored.
pub fn kind(event: &Event) -> &'static str {
    match event {
        Event::RunStarted { .. } => "run-started",
        Event::RunResumed { .. } => "run-resumed",
        Event::StepStarted { .. } => "step-started",
        Event::RecoveryStarted { .. } => "recovery-started",
        Event::RecoveryFinished { .. } => "recovery-finished",
        Event::Progress { .. } => "progress",
        Event::AttemptFailed { .. } => "attempt-failed",
        Event::StepFinished { .. } => "step-finished",
        Event::RunHalted { .. } => "run-halted",
        Event::RunFinished { .. } => "run-finished",
    }
}

fn word(status: &RunStatus) -> &'static str {
    match status {
        RunStatus::NotStarted => "not started",
        RunStatus::Running => "running",
        RunStatus::Halted(_) => "halted",
        RunStatus::Finished { .. } => "finished",
    }
}

fn step_word(status: &StepStatus) -> String {
    match status {
        StepStatus::NotStarted => "not started".to_owned(),
        StepStatus::Started { attempt } => format!("started (try {attempt})"),
        StepStatus::Failed { attempt, .. } => format!("failed (try {attempt})"),
        StepStatus::Recovering { .. } => "being recovered".to_owned(),
        StepStatus::Recovered { .. } => "recovered".to_owned(),
        StepStatus::Finished { .. } => "finished".to_owned(),
    }
}

#[cfg(test)]
mod tests;
