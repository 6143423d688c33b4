//! Rules of one update: it is expected as the step before left the stack, says every parameter, and touches no data that
//! has no snapshot.

use std::collections::BTreeMap;

use switchback_model::plan::{Expectation, Step};
use switchback_model::stack::{
    ChangeAction, ExpectedChanges, ForeseenChange, KeepBy, ParameterWish, Replacement, Snapshot,
    StackIs, StackUpdate, StoreKind, UpdateMode,
};

use super::super::objection::Objections;
use super::Known;

pub(super) fn updated<'p>(
    known: &mut Known<'p>,
    step: &'p Step,
    update: &'p StackUpdate,
    found: &mut Objections,
) {
    let name = update.stack.as_str();
    let Some(after) = of_stack(&step.after, name) else {
        return found.step(
            step.number,
            "no-verification",
            format!("nothing tells how `{name}` is afterwards"),
        );
    };
    match update.mode {
        UpdateMode::Update => guarded(known, step, update, after, found),
        UpdateMode::Create => made(known, step, update, after, found),
    }
    if let Some(template) = &update.template
        && template.digest != after.body
    {
        found.step(
            step.number,
            "template",
            format!("`{name}` would not have the template that it gets"),
        );
    }
    from_snapshots(known, step, update, found);
    if let ExpectedChanges::Foreseen { changes } = &update.expected {
        for change in changes {
            kept(step, update, change, found);
        }
    }
    known.stacks.insert(name, after);
}

fn of_stack<'p>(expectations: &'p [Expectation], name: &str) -> Option<&'p StackIs> {
    expectations.iter().find_map(|expected| match expected {
        Expectation::Stack { is } if is.stack == name => Some(is),
        _ => None,
    })
}

/// The stack is looked at before, and expected as the last step that changed it left it.
fn guarded(
    known: &Known<'_>,
    step: &Step,
    update: &StackUpdate,
    after: &StackIs,
    found: &mut Objections,
) {
    let name = update.stack.as_str();
    let Some(before) = of_stack(&step.before, name) else {
        return found.step(
            step.number,
            "guard",
            format!("it does not look how `{name}` is before"),
        );
    };
    let last = known.stacks.get(name);
    if last.is_some_and(|last| *last != before) || known.gone.contains(name) {
        found.step(
            step.number,
            "guard",
            format!("it expects `{name}` as it will not be by then"),
        );
    }
    parameters(step, update, before, after, found);
}

/// A stack is made where there is none, from a template, with every parameter said.
fn made(
    known: &Known<'_>,
    step: &Step,
    update: &StackUpdate,
    after: &StackIs,
    found: &mut Objections,
) {
    let name = update.stack.as_str();
    let none = Expectation::NoStack {
        stack: name.to_owned(),
    };
    let there = known.stacks.contains_key(name) && !known.gone.contains(name);
    if !step.before.contains(&none) || there {
        found.step(
            step.number,
            "guard",
            format!("it makes `{name}` without looking whether it is there"),
        );
    }
    if update.template.is_none() {
        found.step(
            step.number,
            "template",
            format!("`{name}` would be made from nothing"),
        );
    }
    let before = StackIs {
        parameters: BTreeMap::new(),
        ..after.clone()
    };
    parameters(step, update, &before, after, found);
}

/// What a store is made from was taken in this round, or kept by the run that is taken back.
fn from_snapshots(known: &Known<'_>, step: &Step, update: &StackUpdate, found: &mut Objections) {
    for wish in update.parameters.values() {
        if let ParameterWish::Snapshot { stack, logical } = wish
            && known.snapshots.get(&(stack.as_str(), logical.as_str())) != Some(&KeepBy::Snapshot)
        {
            found.step(
                step.number,
                "no-snapshot",
                format!("`{logical}` of `{stack}` has no snapshot in this round"),
            );
        }
    }
    for snapshot in kept_snapshots(step) {
        if known.run != Some(&snapshot.run) {
            found.step(step.number, "restore", "it takes what another run kept");
        }
        if snapshot.by == KeepBy::Mark && !known.recalled.contains(snapshot.handle.as_str()) {
            found.step(
                step.number,
                "mark",
                "nothing made a snapshot of the mark before",
            );
        }
    }
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
