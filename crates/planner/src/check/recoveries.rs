//! Rules of a plan that brings stacks to rest: it keeps, goes on with what is half way back, and looks. What it leaves out
//! is named one by one, accepted one by one, and looked at in the end.

use std::collections::BTreeSet;

use switchback_model::plan::{
    Act, Check, Expectation, Interrupted, Plan, StageKind, Step, WayBack,
};
use switchback_model::stack::{HalfWay, StoreKind};

use super::objection::Objections;
use super::stacks::needs_after;

/// Names of resources, each with its stack's.
type Resources<'p> = BTreeSet<(&'p str, &'p str)>;

pub(super) fn check(plan: &Plan, found: &mut Objections) {
    if plan.account.is_none() || !plan.datastores.is_empty() || !plan.origin.services.is_empty() {
        found.plan("not-stacks", "it is for no account, or speaks of services");
    }
    let mut left = Resources::new();
    for (stage, step) in plan.steps() {
        let mut object = |rule: &str, text: &str| found.step(step.number, rule, text);
        if !matches!(stage.kind, StageKind::Recovery { .. }) {
            object("stage-kind", "its stage does not fit the plan's purpose");
        }
        if step.interrupted != Interrupted::Repeat {
            object("interrupted", "each of its steps may be repeated");
        }
        let changes = matches!(step.act, Act::TakeBack { .. });
        if changes != matches!(step.way_back, WayBack::None { .. })
            && !matches!(step.act, Act::Verify { .. })
        {
            object("way-back", "it promises a way back that nobody can walk");
        }
        match &step.act {
            Act::Snapshot { store, .. } => {
                let taken = Expectation::Snapshotted {
                    stack: store.stack.clone(),
                    logical: store.logical.clone(),
                };
                needs_after(step, &taken, found);
            }
            Act::TakeBack { update } => taken_back(plan, step, update, &mut left, found),
            Act::Verify { checks } => looked(step, checks, &mut left, found),
            _ => object(
                "not-a-recovery",
                "a recovery keeps, takes back and looks, nothing else",
            ),
        }
    }
    for (stack, logical) in left {
        found.plan(
            "not-verified",
            format!("nothing looks how `{logical}` of `{stack}` is, which it leaves out"),
        );
    }
}

fn taken_back<'p>(
    plan: &Plan,
    step: &Step,
    update: &'p HalfWay,
    left: &mut Resources<'p>,
    found: &mut Objections,
) {
    let HalfWay {
        stack,
        id,
        stuck,
        skip,
    } = update;
    let names = stuck.iter().map(|it| it.logical.clone()).collect();
    let before = Expectation::HalfWay {
        stack: stack.clone(),
        id: id.clone(),
        stuck: names,
    };
    if !step.before.contains(&before) {
        let text = format!("it does not look whether `{stack}` is still half way");
        found.step(step.number, "guard", text);
    }
    let after = Expectation::TakenBack {
        stack: stack.clone(),
        id: id.clone(),
    };
    needs_after(step, &after, found);
    for logical in skip {
        left.insert((stack, logical));
        let Some(it) = stuck.iter().find(|it| it.logical == *logical) else {
            let text = format!("it leaves out `{logical}` of `{stack}`, which is not stuck");
            found.step(step.number, "skip", text);
            continue;
        };
        // Whoever gives up data says another word than for the rest.
        let word = match StoreKind::of(&it.kind) {
            Some(_) => format!("skip-data-{stack}-{logical}"),
            None => format!("skip-{stack}-{logical}"),
        };
        let mut words = plan.notices.iter().filter_map(|it| it.accept.as_ref());
        if !words.any(|it| *it == word) {
            let text = format!("`{logical}` of `{stack}` is left out, and nobody has to accept it");
            found.step(step.number, "skip", text);
        }
    }
}

fn looked<'p>(step: &Step, checks: &'p [Check], left: &mut Resources<'p>, found: &mut Objections) {
    if checks.is_empty() {
        found.step(step.number, "empty-look", "it looks at nothing");
    }
    for check in checks {
        let Check::AsTemplate { stack, logical } = check else {
            found.step(step.number, "not-a-recovery", "it looks at something else");
            continue;
        };
        for name in logical {
            left.remove(&(stack.as_str(), name.as_str()));
        }
    }
}
