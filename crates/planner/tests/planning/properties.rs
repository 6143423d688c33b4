//! What holds of every plan, whatever deployment and target.

use proptest::prelude::*;
use switchback_catalog as catalog;
use switchback_model::Plan;
use switchback_model::plan::{Act, StageKind, WayBack};
use switchback_planner::{check_against, outline};

use super::site::{GB, Site, proven_until};

/// The released versions of The Things Stack that a plan can begin or end at.
fn versions() -> Vec<String> {
    let product = catalog::load("the-things-stack")
        .expect("the catalog has it")
        .expect("it is well-formed");
    let usable = |version: &switchback_model::Version| {
        !product.poisoned.iter().any(|bad| bad.version == *version)
            && !version.as_str().contains('-')
    };
    product
        .releases
        .iter()
        .filter(|release| release.editions.is_empty())
        .map(|release| &release.version)
        .filter(|version| usable(version))
        .map(|version| version.as_str().to_owned())
        .collect()
}

/// A deployment with a version, and a later one to go to; small, so that a failure can be read.
#[derive(Clone, Debug)]
struct Journey {
    edition: &'static str,
    from: String,
    to: String,
    ns_schema: Option<&'static str>,
    no_backup_of: Option<&'static str>,
    size: u64,
}

impl Journey {
    fn site(&self) -> Site {
        let mut site = Site::things_stack(self.edition, &self.from);
        if let Some(answer) = self.ns_schema {
            site = site.answer("ns-schema", answer);
        }
        if let Some(name) = self.no_backup_of {
            site = site.backup(name, "none");
        }
        site.datastore("identity").size = Some(self.size);
        site
    }
}

fn journeys() -> impl Strategy<Value = Journey> {
    let versions = versions();
    let count = versions.len();
    let edition = prop_oneof![Just("open-source"), Just("enterprise")];
    let answers = prop_oneof![Just(None), Just(Some("0")), Just(Some("1"))];
    let without = prop_oneof![Just(None), Just(Some("blobs")), Just(Some("redis"))];
    (edition, 0..count - 1, 1..count, answers, without, 0..5 * GB).prop_map(
        move |(edition, from, further, ns_schema, no_backup_of, size)| Journey {
            edition,
            from: versions[from].clone(),
            to: versions[(from + further).min(count - 1)].clone(),
            ns_schema,
            no_backup_of,
            size,
        },
    )
}

/// Reading the definition takes most of the time of a case.
const CASES: u32 = 48;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equal_inputs_make_equal_bytes(journey in journeys()) {
        let site = journey.site();
        let one = site.plan(&journey.to).expect("there is a plan").plan;
        let other = site.clone().plan(&journey.to).expect("there is a plan").plan;
        prop_assert_eq!(one.to_json(), other.to_json());
        prop_assert_eq!(&one.id, &one.id_of_content());
        let read: Plan = serde_json::from_str(&one.to_json()).expect("it can be read");
        prop_assert_eq!(read, one);
    }

    #[test]
    fn the_checker_accepts_every_plan_and_every_way_back(journey in journeys(), cut in 0.0..1.0f64) {
        let site = journey.site();
        let plan = site.plan(&journey.to).expect("there is a plan").plan;
        let objections = check_against(&plan, &site.product);
        prop_assert!(objections.is_empty(), "{:#?}\n{}", objections, outline(&plan));

        let last = plan.steps().count() as u32;
        let number = 1 + (f64::from(last) * cut) as u32;
        let mut left = site.clone();
        for (_, step) in plan.steps().filter(|(_, step)| step.number.0 < number) {
            left.execute(&step.act);
        }
        match left.way_back(&plan, &proven_until(&plan, number, number <= last)) {
            Ok(back) => {
                let objections = check_against(&back, &site.product);
                prop_assert!(objections.is_empty(), "{:#?}\n{}", objections, outline(&back));
            }
            // Only where the operator declined the backup of what was migrated.
            Err(problem) => prop_assert_eq!(problem.code, "no-way-back"),
        }
    }

    #[test]
    fn downtime_is_one_stretch_and_every_step_shows_its_way_back(journey in journeys()) {
        let site = journey.site();
        let plan = site.plan(&journey.to).expect("there is a plan").plan;
        let down: Vec<bool> = plan.steps().map(|(_, step)| step.downtime).collect();
        let changes = down.windows(2).filter(|pair| pair[0] != pair[1]).count();
        prop_assert_eq!(changes, 2, "up, down, up again\n{}", outline(&plan));

        let mut point_of_no_return = false;
        for (stage, step) in plan.steps() {
            point_of_no_return |= matches!(step.act, Act::Migrate { .. } | Act::Start { .. });
            let instant = matches!(step.way_back, WayBack::NotNeeded | WayBack::Instant);
            prop_assert_eq!(instant, !point_of_no_return, "step {}", step.number);
            if stage.kind == StageKind::Preparation {
                prop_assert_eq!(&step.way_back, &WayBack::NotNeeded);
            }
        }
    }
}
