//! Rules of a roll-over: the old instance is only read, nothing is brought twice, and all of it is compared.

use std::collections::BTreeSet;

use switchback_model::plan::{
    Act, Check, Expectation, Interrupted, Plan, StageKind, Step, WayBack,
};
use switchback_model::rollover::{Parcel, RollOver};

use super::objection::Objections;

pub(super) fn check(plan: &Plan, content: &RollOver, found: &mut Objections) {
    if content.from.api == content.into.api {
        found.plan("same-instance", "it leads from an instance to itself");
    }
    if !plan.datastores.is_empty() || !plan.origin.services.is_empty() {
        found.plan("not-content", "it speaks of services or datastores");
    }
    let mut known = BTreeSet::new();
    for (stage, step) in plan.steps() {
        if !matches!(&stage.kind, StageKind::RollOver { to } if *to == plan.to) {
            found.step(
                step.number,
                "stage-kind",
                "its stage does not fit the plan's purpose",
            );
        }
        match &step.act {
            Act::Bring { parcel } => {
                if !known.insert(&parcel.id) {
                    found.step(
                        step.number,
                        "brought-twice",
                        format!("`{}` is brought twice", parcel.id),
                    );
                }
                brought(step, parcel, found);
            }
            Act::Verify { checks } if checks.as_slice() == [Check::Content] => {}
            _ => found.step(
                step.number,
                "not-content",
                "a roll-over brings and compares, nothing else",
            ),
        }
    }
    let last = plan.steps().next_back();
    if !last.is_some_and(|(_, step)| matches!(step.act, Act::Verify { .. })) {
        found.plan(
            "not-verified",
            "it does not end with a comparison of everything",
        );
    }
}

fn brought(step: &Step, parcel: &Parcel, found: &mut Objections) {
    let id = || parcel.id.clone();
    let guarded = [
        Expectation::Original { parcel: id() },
        Expectation::Room { parcel: id() },
    ];
    if step.before != guarded {
        found.step(step.number, "guard", "it does not look at both sides first");
    }
    if step.after != [Expectation::Arrived { parcel: id() }] {
        found.step(
            step.number,
            "no-verification",
            "nothing tells when it is done",
        );
    }
    if step.interrupted != Interrupted::Repeat {
        found.step(
            step.number,
            "interrupted",
            "bringing content can always be repeated",
        );
    }
    if step.way_back != WayBack::NotNeeded || step.downtime {
        found.step(
            step.number,
            "way-back",
            "the old instance goes on: there is no downtime, and nothing to go back from",
        );
    }
}
