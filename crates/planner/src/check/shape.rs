//! Rules about the plan as a document: identity, numbering, order of stages.

use std::collections::BTreeSet;

use switchback_model::Version;
use switchback_model::plan::{Act, BackupMethod, Check, FORMAT, Plan, Purpose, StageKind};

use super::objection::Objections;

pub(super) fn check(plan: &Plan, found: &mut Objections) {
    if plan.format > FORMAT {
        found.plan(
            "format-newer",
            format!("its format is {}, this program knows {FORMAT}", plan.format),
        );
    }
    if plan.id != plan.id_of_content() {
        found.plan(
            "content-changed",
            format!("its content is not that of `{}`: it was changed", plan.id),
        );
    }
    numbering(plan, found);
    if matches!(
        plan.purpose,
        Purpose::RollOver(_) | Purpose::Rehearsal { .. } | Purpose::Recovery { .. }
    ) {
        return;
    }
    stages(plan, found);
    // What stacks need at the end of a stage is told with their other rules.
    if plan.account.is_some() {
        return;
    }
    ending(plan, found);
    looks(plan, found);
    keeping(plan, found);
}

fn numbering(plan: &Plan, found: &mut Objections) {
    for (place, (_, step)) in (1..).zip(plan.steps()) {
        if step.number.0 != place {
            found.step(
                step.number,
                "numbering",
                format!("it stands at place {place}"),
            );
        }
    }
    if plan.steps().next().is_none() {
        found.plan("empty", "it has no steps");
    }
}

fn stages(plan: &Plan, found: &mut Objections) {
    let mut passed: BTreeSet<&Version> = BTreeSet::new();
    let mut round = 1;
    for (place, stage) in plan.stages.iter().enumerate() {
        let version = match (&stage.kind, &plan.purpose) {
            (StageKind::Preparation, _) => {
                if place > 0 {
                    found.plan("stage-order", "preparation comes after other stages");
                }
                None
            }
            (StageKind::Engines { to }, Purpose::Upgrade) => {
                if place > 1 || *to != plan.from {
                    found.plan("stage-order", "servers change elsewhere than first of all");
                }
                None
            }
            (StageKind::Migrate { to } | StageKind::Run { to }, Purpose::Upgrade) => Some(to),
            (StageKind::Return { to }, Purpose::Rollback { .. }) => Some(to),
            _ => {
                found.plan("stage-kind", "a stage does not fit the plan's purpose");
                None
            }
        };
        if let Some(version) = version
            && (!passed.insert(version)
                || (plan.purpose == Purpose::Upgrade && *version == plan.from))
        {
            found.plan("stage-order", format!("{version} is passed through twice"));
        }
        if plan.purpose == Purpose::Upgrade {
            if stage.round < round || stage.round > round + 1 {
                found.plan("rounds", "backups are not counted in order");
            }
            round = stage.round;
        }
    }
    let last = plan.stages.last().map(|stage| &stage.kind);
    let ends_well = match last {
        Some(StageKind::Engines { to } | StageKind::Run { to } | StageKind::Return { to }) => {
            *to == plan.to
        }
        _ => false,
    };
    if !ends_well {
        found.plan(
            "stage-order",
            format!("its last stage does not bring {} to run", plan.to),
        );
    }
}

/// Whatever runs must be looked at, and nothing but letting go comes after the last look.
fn ending(plan: &Plan, found: &mut Objections) {
    for stage in &plan.stages {
        if !matches!(
            stage.kind,
            StageKind::Engines { .. } | StageKind::Run { .. } | StageKind::Return { .. }
        ) {
            continue;
        }
        let last = stage
            .steps
            .iter()
            .rev()
            .find(|step| !matches!(step.act, Act::Release { .. }));
        match last {
            Some(step) if matches!(step.act, Act::Verify { .. }) => {}
            Some(step) => found.step(
                step.number,
                "not-verified",
                "its stage does not end with a look from outside",
            ),
            None => found.plan(
                "not-verified",
                "a stage has no step that looks from outside",
            ),
        }
    }
}

/// What is looked at once a version runs: that it stays up, and that no datastore lost anything.
fn looks(plan: &Plan, found: &mut Objections) {
    for stage in &plan.stages {
        let (StageKind::Engines { to } | StageKind::Run { to }) = &stage.kind else {
            continue;
        };
        let checks: Vec<&Check> = stage
            .steps
            .iter()
            .skip_while(|step| !matches!(step.act, Act::Start { .. }))
            .filter_map(|step| match &step.act {
                Act::Verify { checks } => Some(checks),
                _ => None,
            })
            .flatten()
            .collect();
        if !checks
            .iter()
            .any(|look| matches!(look, Check::Stable { .. }))
        {
            found.plan(
                "not-verified",
                format!("nothing looks whether {to} stays up"),
            );
        }
        for (name, datastore) in &plan.datastores {
            let counted = checks
                .iter()
                .any(|look| matches!(look, Check::Counts { datastore, .. } if datastore == name));
            if datastore.method != BackupMethod::None && !counted {
                found.plan(
                    "not-counted",
                    format!("nothing looks whether `{name}` lost anything on the way to {to}"),
                );
            }
        }
    }
}

fn keeping(plan: &Plan, found: &mut Objections) {
    for (name, datastore) in &plan.datastores {
        let Some(keeper) = &datastore.kept_with else {
            continue;
        };
        let kept = plan.datastores.get(keeper);
        if keeper == name || kept.is_none_or(|keeper| keeper.kept_with.is_some()) {
            found.plan(
                "kept-nowhere",
                format!("`{name}` is said to be kept with `{keeper}`, which keeps nothing"),
            );
        }
    }
}
