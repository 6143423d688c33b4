//! Rules of a plan for an account: every stack is expected as the step before left it, every parameter is said, no data
//! goes without a snapshot, nothing migrates before one. A way back takes from the snapshots of its run alone, looks for
//! them first, and migrates nothing.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::RunId;
use switchback_model::plan::{
    Act, Check, Expectation, Interrupted, Plan, Purpose, Stage, StageKind, Step, WayBack,
};
use switchback_model::stack::{
    ChangeAction, ExpectedChanges, ForeseenChange, History, KeepBy, ParameterWish, Replacement,
    Snapshot, StackIs, StackUpdate, StoreKind, UpdateMode,
};

use super::objection::Objections;

/// What the walk so far has left behind.
#[derive(Default)]
struct Known<'p> {
    stacks: BTreeMap<&'p str, &'p StackIs>,
    gone: BTreeSet<&'p str>,
    snapshots: BTreeMap<(&'p str, &'p str), KeepBy>,
    /// Snapshots that marks have become.
    recalled: BTreeSet<&'p str>,
    /// What has had a snapshot in any round.
    kept: BTreeSet<String>,
    changed: bool,
    /// The run that is taken back.
    run: Option<&'p RunId>,
}

pub(super) fn check(plan: &Plan, found: &mut Objections) {
    let run = match &plan.purpose {
        Purpose::Rollback { run } => Some(run),
        Purpose::Upgrade | Purpose::RollOver(_) | Purpose::Rehearsal { .. } => None,
    };
    if !plan.datastores.is_empty() || !plan.origin.services.is_empty() {
        found.plan("not-stacks", "it speaks of services or datastores");
    }
    let mut known = Known {
        run,
        ..Known::default()
    };
    for stage in &plan.stages {
        // Snapshots are of one round: writers were active between two of them.
        known.snapshots.clear();
        for step in &stage.steps {
            every(&known, step, found);
            one(&mut known, stage, step, found);
        }
        ending(stage, found);
    }
}

fn every(known: &Known<'_>, step: &Step, found: &mut Objections) {
    let mut object = |rule: &str, text: &str| found.step(step.number, rule, text);
    if step.after.is_empty() && !matches!(step.act, Act::Verify { .. }) {
        object("no-verification", "nothing tells when it is done");
    }
    if !matches!(step.act, Act::Migrate { .. }) && step.interrupted != Interrupted::Repeat {
        object("interrupted", "only a migration may not be repeatable");
    }
    if matches!(step.interrupted, Interrupted::RestoreFirst { .. }) {
        object(
            "interrupted",
            "there is no datastore that a run could bring back by itself",
        );
    }
    let changes = !matches!(
        step.act,
        Act::Snapshot { .. } | Act::Recall { .. } | Act::Verify { .. }
    );
    let honest = match (&step.way_back, known.run) {
        (WayBack::None { .. }, _) => true,
        (WayBack::NotNeeded, _) => !changes && !known.changed,
        (WayBack::Stacks { restored, by_hand }, None) => {
            let mut stores = restored.iter().chain(by_hand);
            stores.all(|store| known.kept.contains(store))
        }
        _ => false,
    };
    if !honest {
        object("way-back", "it promises a way back that nobody can walk");
    }
}

fn one<'p>(known: &mut Known<'p>, stage: &'p Stage, step: &'p Step, found: &mut Objections) {
    match &step.act {
        Act::Migrate { .. } | Act::Remove { .. } if known.run.is_some() => found.step(
            step.number,
            "migration-in-way-back",
            "a way back restores: it neither migrates nor takes a stack away",
        ),
        Act::Snapshot { store, by } => {
            needs_after(
                step,
                &Expectation::Snapshotted {
                    stack: store.stack.clone(),
                    logical: store.logical.clone(),
                },
                found,
            );
            let marked = *by == KeepBy::Mark;
            let moments = matches!(store.history, Some(History::Moments { .. }));
            if marked && !(moments && store.kind.can_be_marked()) {
                found.step(
                    step.number,
                    "mark",
                    format!("no automated backup can bring `{}` back", store.logical),
                );
            }
            known.snapshots.insert((&store.stack, &store.logical), *by);
            known.kept.insert(store.to_string());
            return;
        }
        Act::Recall { mark } => {
            needs_after(step, &Expectation::Recalled { mark: mark.clone() }, found);
            if known.run != Some(&mark.run) {
                found.step(step.number, "restore", "it takes what another run kept");
            }
            known.recalled.insert(&mark.handle);
            return;
        }
        Act::Update { update } => updated(known, step, update, found),
        Act::Remove { stack, .. } => {
            needs_after(
                step,
                &Expectation::NoStack {
                    stack: stack.clone(),
                },
                found,
            );
            known.gone.insert(stack);
        }
        Act::Terminate { machine } => {
            needs_after(
                step,
                &Expectation::Terminated {
                    machine: machine.id.clone(),
                },
                found,
            );
            if !known
                .snapshots
                .keys()
                .any(|(stack, _)| *stack == machine.stack)
            {
                found.step(
                    step.number,
                    "no-snapshot",
                    format!(
                        "`{}` is ended, and nothing of `{}` has a snapshot",
                        machine.id, machine.stack
                    ),
                );
            }
        }
        Act::Renew { group } => needs_after(
            step,
            &Expectation::Renewed {
                stack: group.stack.clone(),
                logical: group.logical.clone(),
            },
            found,
        ),
        Act::Migrate { .. } => migrated(known, stage, step, found),
        Act::Verify { checks } => {
            if checks.is_empty() {
                found.step(step.number, "empty-look", "it looks at nothing");
            }
            return;
        }
        _ => found.step(
            step.number,
            "not-stacks",
            "a plan for an account changes stacks and migrates, nothing else",
        ),
    }
    known.changed = true;
}

fn updated<'p>(
    known: &mut Known<'p>,
    step: &'p Step,
    update: &'p StackUpdate,
    found: &mut Objections,
) {
    let number = step.number;
    let name = update.stack.as_str();
    let of = |expectations: &'p [Expectation]| {
        expectations.iter().find_map(|expected| match expected {
            Expectation::Stack { is } if is.stack == name => Some(is),
            _ => None,
        })
    };
    let (before, after) = (of(&step.before), of(&step.after));
    let Some(after) = after else {
        found.step(
            number,
            "no-verification",
            format!("nothing tells how `{name}` is afterwards"),
        );
        return;
    };
    match (update.mode, before) {
        (UpdateMode::Update, None) => {
            found.step(
                number,
                "guard",
                format!("it does not look how `{name}` is before"),
            );
        }
        (UpdateMode::Update, Some(before)) => {
            let last = known.stacks.get(name);
            if last.is_some_and(|last| *last != before) || known.gone.contains(name) {
                found.step(
                    number,
                    "guard",
                    format!("it expects `{name}` as it will not be by then"),
                );
            }
            parameters(step, update, before, after, found);
        }
        (UpdateMode::Create, _) => {}
    }
    if let Some(template) = &update.template
        && template.digest != after.body
    {
        found.step(
            number,
            "template",
            format!("`{name}` would not have the template that it gets"),
        );
    }
    for wish in update.parameters.values() {
        if let ParameterWish::Snapshot { stack, logical } = wish
            && known.snapshots.get(&(stack.as_str(), logical.as_str())) != Some(&KeepBy::Snapshot)
        {
            found.step(
                number,
                "no-snapshot",
                format!("`{logical}` of `{stack}` has no snapshot in this round"),
            );
        }
    }
    for snapshot in kept_snapshots(step) {
        if known.run != Some(&snapshot.run) {
            found.step(number, "restore", "it takes what another run kept");
        }
        if snapshot.by == KeepBy::Mark && !known.recalled.contains(snapshot.handle.as_str()) {
            found.step(number, "mark", "nothing made a snapshot of the mark before");
        }
    }
    if let ExpectedChanges::Foreseen { changes } = &update.expected {
        for change in changes {
            kept(step, update, change, found);
        }
    }
    known.stacks.insert(name, after);
}

fn parameters(
    step: &Step,
    update: &StackUpdate,
    before: &StackIs,
    after: &StackIs,
    found: &mut Objections,
) {
    let number = step.number;
    if !update.parameters.keys().eq(after.parameters.keys()) {
        found.step(
            number,
            "parameters",
            format!("not every parameter of `{}` is said", update.stack),
        );
    }
    for (name, wish) in &update.parameters {
        let is = after.parameters.get(name).cloned().flatten();
        let right = match wish {
            ParameterWish::Previous => before.parameters.get(name).is_some_and(|was| *was == is),
            ParameterWish::Value { value } => is.as_ref().is_none_or(|is| is == value),
            ParameterWish::Snapshot { .. } | ParameterWish::Secret { .. } => is.is_none(),
        };
        if !right {
            found.step(
                number,
                "parameters",
                format!("`{name}` of `{}` would not be what is said", update.stack),
            );
        }
    }
    if update.template.is_none() && before.body != after.body {
        found.step(
            number,
            "template",
            format!("`{}` keeps its template and has another", update.stack),
        );
    }
}

/// What holds data is neither taken away nor, if it is a disk, touched, unless it is made from a snapshot.
fn kept(step: &Step, update: &StackUpdate, change: &ForeseenChange, found: &mut Objections) {
    let Some(kind) = StoreKind::of(&change.kind) else {
        return;
    };
    let touched = match change.action {
        ChangeAction::Add | ChangeAction::Import => false,
        ChangeAction::Remove | ChangeAction::Unknown => true,
        ChangeAction::Modify => {
            kind == StoreKind::Volume || change.replacement == Replacement::Always
        }
    };
    let from_snapshot = update.parameters.values().any(|wish| match wish {
        ParameterWish::Snapshot { logical, .. } => *logical == change.logical,
        // A snapshot that the operator names is one, too.
        ParameterWish::Value { value } => {
            value.starts_with("snap-")
                || value.contains("snapshot:")
                || kept_snapshots(step).any(|snapshot| {
                    let store = &snapshot.store;
                    snapshot.handle == *value
                        && store.stack == update.stack
                        && store.logical == change.logical
                })
        }
        _ => false,
    });
    // A server of a cluster holds nothing itself, and cannot be told from one that does here.
    if touched && !from_snapshot && kind != StoreKind::DatabaseInstance {
        found.step(
            step.number,
            "data-in-danger",
            format!(
                "the {} `{}` of `{}` is touched without a snapshot",
                kind.word(),
                change.logical,
                update.stack
            ),
        );
    }
}

/// Snapshots of the run that is taken back for which a step looks before it acts.
fn kept_snapshots(step: &Step) -> impl Iterator<Item = &Snapshot> {
    step.before.iter().filter_map(|expected| match expected {
        Expectation::Kept { snapshot } => Some(snapshot),
        _ => None,
    })
}

fn migrated(known: &Known<'_>, stage: &Stage, step: &Step, found: &mut Objections) {
    let Act::Migrate {
        migration,
        version,
        service,
        ..
    } = &step.act
    else {
        return;
    };
    let here = match &stage.kind {
        StageKind::Run { to } | StageKind::Migrate { to } => Some(to),
        _ => None,
    };
    if here != Some(version) {
        found.step(
            step.number,
            "stage-version",
            format!("{version} is not its stage's version"),
        );
    }
    if known.snapshots.is_empty() {
        found.step(
            step.number,
            "no-snapshot",
            format!("`{migration}` comes before any snapshot of its round"),
        );
    }
    let guarded = step.before.iter().any(|expected| {
        matches!(expected, Expectation::Stack { is }
            if is.stack == service.as_str()
                && known.stacks.get(is.stack.as_str()).is_none_or(|last| *last == is))
    });
    if !guarded {
        found.step(
            step.number,
            "guard",
            format!("it does not look how `{service}` is, which runs it"),
        );
    }
    needs_after(
        step,
        &Expectation::Migrated {
            migration: migration.clone(),
            version: version.clone(),
        },
        found,
    );
}

/// Whatever runs must be looked at, last of all.
fn ending(stage: &Stage, found: &mut Objections) {
    let (StageKind::Run { to } | StageKind::Return { to }) = &stage.kind else {
        return;
    };
    let looks = stage.steps.last().is_some_and(|step| match &step.act {
        Act::Verify { checks } => checks
            .iter()
            .any(|look| matches!(look, Check::Stable { .. } | Check::Machine { .. })),
        _ => false,
    });
    if !looks {
        found.plan(
            "not-verified",
            format!("nothing looks whether {to} stays up"),
        );
    }
}

pub(super) fn needs_after(step: &Step, wanted: &Expectation, found: &mut Objections) {
    if !step.after.contains(wanted) {
        found.step(
            step.number,
            "no-verification",
            "nothing tells when it is done",
        );
    }
}
