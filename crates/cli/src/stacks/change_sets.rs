//! What AWS says of the updates of a plan before anything is changed.

use std::collections::{BTreeMap, BTreeSet};

use switchback_aws::preview;
use switchback_engine::ports::{Failure, Progress};
use switchback_engine::signal::StopSignal;
use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::plan::{Act, Plan};
use switchback_model::stack::{ChangeSet, ChangeSetState, ParameterWish, StackUpdate, UpdateMode};
use switchback_planner::{Note, Place, Weight};

use super::opened::Stacks;
use crate::failure::told;

/// What the provider says of the first update of each stack.
#[derive(Debug, Default)]
pub(super) struct Computed {
    pub(super) sets: BTreeMap<String, ChangeSet>,
    /// What could not be computed yet.
    pub(super) notes: Vec<Note>,
}

/// Has change sets computed, and removed again. What only an earlier step makes possible is computed when its turn
/// comes; what fails without such a step is refused now.
pub(super) fn computed(
    stacks: &Stacks,
    plan: &Plan,
    progress: &dyn Progress,
) -> Result<Computed, Problem> {
    let mut computed = Computed::default();
    let updates: Vec<&StackUpdate> = first_updates(plan);
    let of = u64::try_from(updates.len()).ok();
    let stop = StopSignal::default();
    for (done, update) in (0_u64..).zip(updates) {
        progress.report("change sets", Some(done), of, None);
        let set = preview(&stacks.account, &stacks.conduct, update, &stop);
        let later = done > 0;
        match set {
            Ok(set) => match &set.state {
                ChangeSetState::Failed { reason } if later && is_about_exports(reason) => {
                    computed.notes.push(not_yet(update, reason));
                }
                ChangeSetState::Failed { reason } => return Err(failed(update, reason)),
                ChangeSetState::Ready | ChangeSetState::Empty => {
                    computed.sets.insert(update.stack.clone(), set);
                }
            },
            Err(failure) => {
                let reason = reason(&failure);
                if !(later && is_about_exports(&reason)) {
                    return Err(told(&failure));
                }
                computed.notes.push(not_yet(update, &reason));
            }
        }
    }
    Ok(computed)
}

/// The first update of each stack, without those that wait for a snapshot of the same run. A stack that is made has none:
/// its change set would leave a stack with nothing in it behind, and a plan leaves nothing.
fn first_updates(plan: &Plan) -> Vec<&StackUpdate> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut updates = Vec::new();
    for (_, step) in plan.steps() {
        let Act::Update { update } = &step.act else {
            continue;
        };
        let mut wishes = update.parameters.values();
        let waits = wishes.any(|wish| matches!(wish, ParameterWish::Snapshot { .. }));
        let made = update.mode == UpdateMode::Create;
        if known.insert(&update.stack) && !waits && !made {
            updates.push(update);
        }
    }
    updates
}

/// Exports that do not exist yet, or are in use still: an earlier update changes that.
fn is_about_exports(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    reason.contains("export") || reason.contains("importvalue")
}

fn reason(failure: &Failure) -> String {
    match failure.causes.first() {
        Some(cause) => cause.clone(),
        None => failure.what.clone(),
    }
}

fn not_yet(update: &StackUpdate, reason: &str) -> Note {
    Note {
        place: Place::Plan,
        text: format!(
            "what the update of stack `{}` changes is computed when its turn comes, and held against our prediction then: {reason}",
            update.stack
        ),
        weight: Weight::Warning,
    }
}

fn failed(update: &StackUpdate, reason: &str) -> Problem {
    let stack = &update.stack;
    Problem::new(
        Exit::Refused,
        "change-set-failed",
        format!("CloudFormation refuses the update of stack `{stack}` to {}", update.version),
    )
    .cause(reason)
    .state(format!("stack {stack}"), "unchanged; the change set was removed")
    .hint("correct what it names, in the template or under [aws.parameters] in switchback.toml, then plan again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exports_can_wait_for_an_earlier_step() {
        assert!(is_about_exports("No export named tts-prod-eu1-vpc found"));
        assert!(is_about_exports(
            "Export x cannot be deleted as it is in use by y"
        ));
        assert!(!is_about_exports("Parameters: [X] must have values"));
    }
}
