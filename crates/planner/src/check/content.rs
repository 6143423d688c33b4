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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use switchback_model::observed::Deployment;
    use switchback_model::plan::{FORMAT, Forecast, Origin, Purpose, Stage};
    use switchback_model::rollover::Instance;
    use switchback_model::{Digest, PlanId, ProductId, SecretRef, ServiceName, StepNumber};

    use super::*;
    use crate::check;

    fn step(number: u32, act: Act) -> Step {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        if let Act::Bring { parcel } = &act {
            let id = || parcel.id.clone();
            before = vec![
                Expectation::Original { parcel: id() },
                Expectation::Room { parcel: id() },
            ];
            after = vec![Expectation::Arrived { parcel: id() }];
        }
        Step {
            number: StepNumber(number),
            act,
            before,
            after,
            interrupted: Interrupted::Repeat,
            way_back: WayBack::NotNeeded,
            downtime: false,
            because: None,
        }
    }

    fn keys() -> Act {
        let parcel = Parcel {
            id: "keys/all".to_owned(),
            what: "65 keys".to_owned(),
            original: Digest::of(""),
            facts: BTreeMap::new(),
        };
        Act::Bring { parcel }
    }

    fn plan() -> Plan {
        let instance = |api: &str| Instance {
            api: api.to_owned(),
            key: SecretRef::Env("KEY".to_owned()),
            files: None,
        };
        let compare = Act::Verify {
            checks: vec![Check::Content],
        };
        Plan {
            format: FORMAT,
            id: PlanId::new(""),
            purpose: Purpose::RollOver(RollOver {
                from: instance("http://old"),
                into: instance("http://new"),
                keep: "/keep".to_owned(),
                repositories: None,
                users: Vec::new(),
            }),
            parent: None,
            account: None,
            deployment: Deployment {
                name: "keep".to_owned(),
                directory: "/keep".to_owned(),
                driver: "rollover".to_owned(),
                project: "old to new".to_owned(),
            },
            product: ProductId::new("stackstorm"),
            product_name: "StackStorm".to_owned(),
            edition: None,
            definition: Digest::of(""),
            from: "2.10.4".into(),
            to: "3.9.0".into(),
            because: Vec::new(),
            notices: Vec::new(),
            procedures: Vec::new(),
            origin: Origin::default(),
            datastores: BTreeMap::new(),
            stages: vec![Stage {
                kind: StageKind::RollOver { to: "3.9.0".into() },
                required_by: Vec::new(),
                round: 1,
                steps: vec![step(1, keys()), step(2, compare)],
            }],
            forecast: Forecast::default(),
            advice: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// What is objected to once the plan was changed and sealed again.
    fn objections(change: impl FnOnce(&mut Plan)) -> Vec<String> {
        let mut plan = plan();
        change(&mut plan);
        let found = check(&plan.seal());
        found
            .iter()
            .map(|objection| objection.rule.clone())
            .collect()
    }

    #[test]
    fn a_plan_that_brings_and_compares_is_good() {
        assert_eq!(objections(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn whatever_is_not_safe_is_objected_to() {
        let first = |plan: &mut Plan, change: fn(&mut Step)| change(&mut plan.stages[0].steps[0]);
        let wrong: [(&str, Vec<String>); 8] = [
            (
                "guard",
                objections(|plan| first(plan, |step| step.before.clear())),
            ),
            (
                "no-verification",
                objections(|plan| first(plan, |step| step.after.clear())),
            ),
            (
                "interrupted",
                objections(|plan| {
                    first(plan, |step| {
                        step.interrupted = Interrupted::Halt {
                            because: String::new(),
                        };
                    });
                }),
            ),
            (
                "way-back",
                objections(|plan| first(plan, |step| step.downtime = true)),
            ),
            (
                "not-content",
                objections(|plan| {
                    first(plan, |step| {
                        step.act = Act::Stop {
                            services: vec![ServiceName::new("st2api")],
                        };
                    });
                }),
            ),
            (
                "brought-twice",
                objections(|plan| plan.stages[0].steps.insert(1, step(2, keys()))),
            ),
            (
                "not-verified",
                objections(|plan| drop(plan.stages[0].steps.pop())),
            ),
            (
                "same-instance",
                objections(|plan| {
                    if let Purpose::RollOver(content) = &mut plan.purpose {
                        content.into.api = content.from.api.clone();
                    }
                }),
            ),
        ];
        for (rule, found) in wrong {
            assert!(found.iter().any(|other| other == rule), "{rule}: {found:?}");
        }
    }

    #[test]
    fn an_upgrade_brings_no_content() {
        assert!(objections(|plan| plan.purpose = Purpose::Upgrade).contains(&"content".to_owned()));
    }
}
