//! Rules of a rehearsal of stacks: it keeps what it copies, makes stacks of its own, and migrates there and nowhere
//! else. No other stack is so much as named, but as the one whose store is copied.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::plan::{Act, Expectation, Interrupted, Plan, StageKind, Step, WayBack};
use switchback_model::stack::{
    ChangeAction, ExpectedChanges, ParameterWish, REHEARSAL, StackIs, StackUpdate, UpdateMode,
};

use super::objection::Objections;
use super::stacks::needs_after;

/// What the walk so far has made.
#[derive(Default)]
struct Made<'p> {
    stacks: BTreeMap<&'p str, &'p StackIs>,
    snapshots: BTreeSet<(&'p str, &'p str)>,
}

pub(super) fn check(plan: &Plan, found: &mut Objections) {
    if plan.account.is_none() || !plan.datastores.is_empty() || !plan.origin.services.is_empty() {
        found.plan("not-stacks", "it is for no account, or speaks of services");
    }
    let mut made = Made::default();
    for (stage, step) in plan.steps() {
        let mut object = |rule: &str, text: &str| found.step(step.number, rule, text);
        let honest = matches!(step.way_back, WayBack::None { .. } | WayBack::NotNeeded);
        if !honest || step.downtime || matches!(step.interrupted, Interrupted::RestoreFirst { .. })
        {
            object("way-back", "a copy serves nobody and is not taken back");
        }
        match (&step.act, &stage.kind) {
            (Act::Snapshot { store, by }, _) => {
                if !by.is_snapshot() {
                    object("not-a-copy", "a copy is made from a snapshot");
                }
                made.snapshots.insert((&store.stack, &store.logical));
                let taken = Expectation::Snapshotted {
                    stack: store.stack.clone(),
                    logical: store.logical.clone(),
                };
                needs_after(step, &taken, found);
            }
            (Act::Update { update }, _) => updated(&mut made, step, update, found),
            (Act::Migrate { version, .. }, StageKind::Migrate { to }) if to == version => {
                migrated(&made, step, found);
            }
            (Act::Migrate { .. }, _) => object("stage-version", "its stage is another version's"),
            _ => object(
                "not-a-copy",
                "a rehearsal keeps, copies and migrates, nothing else",
            ),
        }
    }
}

fn updated<'p>(
    made: &mut Made<'p>,
    step: &'p Step,
    update: &'p StackUpdate,
    found: &mut Objections,
) {
    let number = step.number;
    let name = update.stack.as_str();
    if !name.starts_with(REHEARSAL) {
        found.step(
            number,
            "production",
            format!("`{name}` is no stack of a rehearsal"),
        );
    }
    let guarded = match (update.mode, made.stacks.get(name)) {
        (UpdateMode::Create, None) => step.before.contains(&Expectation::NoStack {
            stack: name.to_owned(),
        }),
        (UpdateMode::Update, Some(last)) => {
            let last = (*last).clone();
            step.before.contains(&Expectation::Stack { is: last })
        }
        _ => false,
    };
    if !guarded {
        found.step(
            number,
            "guard",
            format!("it does not look that `{name}` is its own"),
        );
    }
    let foreseen = match &update.expected {
        ExpectedChanges::Foreseen { changes } => changes.iter().all(|change| {
            change.action == ChangeAction::Add || change.kind == "AWS::ECS::TaskDefinition"
        }),
        ExpectedChanges::Reviewed { .. } => false,
    };
    if !foreseen {
        found.step(number, "not-a-copy", "it may change more than it makes");
    }
    for wish in update.parameters.values() {
        if let ParameterWish::Snapshot { stack, logical } = wish
            && !made.snapshots.contains(&(stack.as_str(), logical.as_str()))
        {
            found.step(
                number,
                "no-snapshot",
                format!("`{logical}` of `{stack}` has no snapshot"),
            );
        }
    }
    let after = step.after.iter().find_map(|expected| match expected {
        Expectation::Stack { is } if is.stack == name => Some(is),
        _ => None,
    });
    match after {
        Some(is) => {
            made.stacks.insert(name, is);
        }
        None => found.step(
            number,
            "no-verification",
            format!("nothing tells how `{name}` is afterwards"),
        ),
    }
}

/// The one rule that everything else is for: what migrates was made by this very plan.
fn migrated(made: &Made<'_>, step: &Step, found: &mut Objections) {
    let Act::Migrate {
        migration,
        version,
        service,
        ..
    } = &step.act
    else {
        return;
    };
    match made.stacks.get(service.as_str()) {
        None => found.step(
            step.number,
            "production",
            format!("`{migration}` would run from `{service}`, which this rehearsal does not make"),
        ),
        Some(last) => {
            let last = (*last).clone();
            if !step.before.contains(&Expectation::Stack { is: last }) {
                found.step(
                    step.number,
                    "guard",
                    format!("it does not look how `{service}` is, which runs it"),
                );
            }
        }
    }
    let ended = Expectation::Migrated {
        migration: migration.clone(),
        version: version.clone(),
    };
    needs_after(step, &ended, found);
}
