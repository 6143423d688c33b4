//! Rules of a plan for an account: every stack is expected as the step before left it, every parameter is said, no data
//! goes without a snapshot, nothing migrates before one. A way back takes from the snapshots of its run alone, looks for
//! them first, and migrates nothing.

mod updates;

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::RunId;
use switchback_model::plan::{
    Act, Check, Expectation, Interrupted, Plan, Purpose, Stage, StageKind, Step, WayBack,
};
use switchback_model::stack::{
    History, KeepBy, Machine, MachineGroup, ObjectsAt, RenewBy, Snapshot, StackIs, Store,
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
    /// What has to be accepted before the plan is carried out.
    consents: BTreeSet<&'p str>,
}

pub(super) fn check(plan: &Plan, found: &mut Objections) {
    let run = match &plan.purpose {
        Purpose::Rollback { run } => Some(run),
        Purpose::Upgrade
        | Purpose::RollOver(_)
        | Purpose::Rehearsal { .. }
        | Purpose::Recovery { .. } => None,
    };
    if !plan.datastores.is_empty() || !plan.origin.services.is_empty() {
        found.plan("not-stacks", "it speaks of services or datastores");
    }
    let mut known = Known {
        run,
        consents: plan
            .notices
            .iter()
            .filter_map(|notice| notice.accept.as_deref())
            .collect(),
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
        // These three change nothing.
        Act::Snapshot { store, by } => return snapshotted(known, step, store, *by, found),
        Act::Recall { mark } => return recalled(known, step, mark, found),
        Act::Verify { checks } => return looked(step, checks, found),
        Act::Migrate { .. } if known.run.is_some() => found.step(
            step.number,
            "migration-in-way-back",
            "a way back restores, and migrates nothing",
        ),
        Act::Update { update } => updates::updated(known, step, update, found),
        Act::Rewind { objects } => rewound(known, step, objects, found),
        Act::Remove { stack, .. } => removed(known, step, stack, found),
        Act::Terminate { machine } => terminated(known, step, machine, found),
        Act::Renew { group, by } => renewed(step, group, *by, found),
        Act::EndRefresh { group } => refresh_ended(known, step, group, found),
        Act::Migrate { .. } => migrated(known, stage, step, found),
        _ => found.step(
            step.number,
            "not-stacks",
            "a plan for an account changes stacks and migrates, nothing else",
        ),
    }
    known.changed = true;
}

fn snapshotted<'p>(
    known: &mut Known<'p>,
    step: &Step,
    store: &'p Store,
    by: KeepBy,
    found: &mut Objections,
) {
    let taken = Expectation::Snapshotted {
        stack: store.stack.clone(),
        logical: store.logical.clone(),
    };
    needs_after(step, &taken, found);
    let moments = matches!(store.history, Some(History::Moments { .. }));
    if by == KeepBy::Mark && !(moments && store.kind.can_be_marked()) {
        found.step(
            step.number,
            "mark",
            format!("no automated backup can bring `{}` back", store.logical),
        );
    }
    known.snapshots.insert((&store.stack, &store.logical), by);
    known.kept.insert(store.to_string());
}

fn recalled<'p>(known: &mut Known<'p>, step: &Step, mark: &'p Snapshot, found: &mut Objections) {
    needs_after(step, &Expectation::Recalled { mark: mark.clone() }, found);
    if known.run != Some(&mark.run) {
        found.step(step.number, "restore", "it takes what another run kept");
    }
    known.recalled.insert(&mark.handle);
}

fn rewound(known: &Known<'_>, step: &Step, objects: &ObjectsAt, found: &mut Objections) {
    let back = Expectation::Rewound {
        objects: objects.clone(),
    };
    needs_after(step, &back, found);
    if known.run.is_none() {
        found.step(step.number, "rewind", "only a way back brings objects back");
    }
    if objects.store.history != Some(History::Versions) {
        let name = &objects.store.physical;
        found.step(step.number, "rewind", format!("`{name}` keeps no versions"));
    }
}

fn looked(step: &Step, checks: &[Check], found: &mut Objections) {
    if checks.is_empty() {
        found.step(step.number, "empty-look", "it looks at nothing");
    }
}

fn removed<'p>(known: &mut Known<'p>, step: &Step, stack: &'p str, found: &mut Objections) {
    let gone = Expectation::NoStack {
        stack: stack.to_owned(),
    };
    needs_after(step, &gone, found);
    let looks = step.before.iter().any(|expected| {
        matches!(expected, Expectation::Stack { is }
            if is.stack == stack && known.stacks.get(stack).is_none_or(|last| *last == is))
    });
    if !looks {
        found.step(
            step.number,
            "guard",
            format!("it does not look how `{stack}` is, which it takes away"),
        );
    }
    // On the way back it goes for good, and a person has to have said so.
    let consent = format!("removed-{stack}");
    if known.run.is_some() && !known.consents.contains(consent.as_str()) {
        found.step(
            step.number,
            "consent",
            format!("nobody is asked whether `{stack}` may go"),
        );
    }
    known.gone.insert(stack);
}

fn terminated(known: &Known<'_>, step: &Step, machine: &Machine, found: &mut Objections) {
    let ended = Expectation::Terminated {
        machine: machine.id.clone(),
    };
    needs_after(step, &ended, found);
    let mut kept = known.snapshots.keys();
    if !kept.any(|(stack, _)| *stack == machine.stack) {
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

fn renewed(step: &Step, group: &MachineGroup, by: RenewBy, found: &mut Objections) {
    if matches!(by, RenewBy::Refresh { healthy, .. } if healthy > 100) {
        let text = "more than all of its machines cannot stay in service";
        found.step(step.number, "refresh", text);
    }
    let new = Expectation::Renewed {
        stack: group.stack.clone(),
        logical: group.logical.clone(),
    };
    needs_after(step, &new, found);
}

fn refresh_ended(known: &Known<'_>, step: &Step, group: &MachineGroup, found: &mut Objections) {
    let ended = Expectation::NoRefresh {
        stack: group.stack.clone(),
        logical: group.logical.clone(),
        group: group.name.clone(),
    };
    needs_after(step, &ended, found);
    if known.run.is_none() {
        let text = "only a way back ends what somebody began";
        found.step(step.number, "refresh", text);
    }
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
