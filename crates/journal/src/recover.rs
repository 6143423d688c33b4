//! The next move of a run: a pure function of its plan and its state. Fresh
//! runs and runs after a crash take the same way through it.

use switchback_model::plan::{Interrupted, Plan, Step};
use switchback_model::{DatastoreName, StepNumber};

use crate::state::{RunState, RunStatus, StepStatus};

/// What the engine does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Move {
    /// Begin this step, of which nothing was done.
    Start {
        /// Which.
        step: StepNumber,
    },
    /// Ask this step's guard again: it was begun and not finished.
    Reguard {
        /// Which.
        step: StepNumber,
    },
    /// Go on bringing this datastore back, so that the step may act again.
    Recover {
        /// Which step.
        step: StepNumber,
        /// Which datastore.
        datastore: DatastoreName,
    },
    /// Do this step again: it is not done, or what it did was undone by bringing its datastore back.
    Repeat {
        /// Which.
        step: StepNumber,
    },
    /// Every step is done: record the end.
    Finish,
    /// The run is over.
    Finished,
    /// The record speaks of steps that the plan does not have.
    Halt {
        /// Why.
        because: String,
    },
}

/// The next move of a run of `plan` that stands at `state`.
pub fn next_move(plan: &Plan, state: &RunState) -> Move {
    if matches!(state.status, RunStatus::Finished { .. }) {
        return Move::Finished;
    }
    if let Some(unknown) = state
        .steps
        .keys()
        .find(|number| plan.step(**number).is_none())
    {
        return Move::Halt {
            because: format!(
                "the journal speaks of step {unknown}, plan `{}` has none",
                plan.id
            ),
        };
    }
    // A recovery comes before everything else: it takes earlier steps back that are then done again.
    for (_, step) in plan.steps() {
        if let StepStatus::Recovering { datastore, .. } = state.step(step.number) {
            return Move::Recover {
                step: step.number,
                datastore: datastore.clone(),
            };
        }
    }
    for (_, step) in plan.steps() {
        let number = step.number;
        match state.step(number) {
            StepStatus::NotStarted => return Move::Start { step: number },
            StepStatus::Started { .. } | StepStatus::Failed { .. } => {
                return Move::Reguard { step: number };
            }
            StepStatus::Recovered { .. } => return Move::Repeat { step: number },
            StepStatus::Finished { sequence, .. } if was_undone(plan, step, *sequence, state) => {
                return Move::Repeat { step: number };
            }
            StepStatus::Recovering { .. } | StepStatus::Finished { .. } => {}
        }
    }
    Move::Finish
}

/// Whether a later step's recovery took back what `step` had done by event number `finished`.
fn was_undone(plan: &Plan, step: &Step, finished: u64, state: &RunState) -> bool {
    plan.steps().any(|(_, later)| {
        let recovered = state.recovered.get(&later.number);
        recovered.is_some_and(|recovered| *recovered > finished)
            && matches!(&later.interrupted, Interrupted::RestoreFirst { redo, .. } if redo.contains(&step.number))
    })
}

#[cfg(test)]
mod tests;
