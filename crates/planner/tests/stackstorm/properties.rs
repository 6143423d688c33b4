//! What holds of every pair of releases on every distribution.

use std::collections::BTreeSet;

use crate::queries::{DISTRIBUTIONS, stackstorm, text, texts};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::Value;
use switchback_model::Version;
use switchback_model::product::Product;
use switchback_planner::path::{Path, Query, Refusal, find};

/// A deployment and where it shall go.
#[derive(Clone, Debug)]
struct Deployment {
    from: usize,
    to: usize,
    distribution: &'static str,
    edition: &'static str,
    features: Vec<&'static str>,
    mongodb: &'static str,
    vendor: Option<&'static str>,
}

const FEATURES: [&str; 26] = [
    "chatops",
    "st2web",
    "mistral_installed",
    "no_coordination_backend",
    "mistral_workflows",
    "orquesta",
    "community_or_private_packs",
    "dcfabric_1.1",
    "custom_python_actions",
    "old_runner_names",
    "custom_runners",
    "rbac",
    "cloudslang_or_winexe_runner",
    "external_inquiries_client",
    "community_ldap",
    "file_writen_trigger",
    "percent_interpolation",
    "custom_listen_address",
    "pack_named__global",
    "no_https",
    "output_schema",
    "st2exporter",
    "mongo_tls",
    "yaql_format",
    "python_minor_changed",
    "chatops_yammer",
];

fn deployment() -> impl Strategy<Value = Deployment> {
    let releases = stackstorm().releases.len();
    let distributions: Vec<&str> = DISTRIBUTIONS.iter().map(|it| it.0).collect();
    (
        0..releases,
        0..releases,
        select(distributions),
        select(vec!["community", "enterprise"]),
        subsequence(FEATURES.to_vec(), 0..=FEATURES.len()),
        select(vec!["2.6", "3.2", "3.4", "4.0", "4.4", "7.0"]),
        select(vec![None, Some("rhel"), Some("centos")]),
    )
        .prop_map(
            |(from, to, distribution, edition, features, mongodb, vendor)| Deployment {
                from,
                to,
                distribution,
                edition,
                features,
                mongodb,
                vendor,
            },
        )
}

/// Releases of the product, read once: building it takes longer than most paths.
struct World {
    product: Product,
    facts: Vec<Value>,
}

impl World {
    fn new() -> Self {
        let facts = include_str!("../fixtures/stackstorm-actions.json");
        Self {
            product: stackstorm(),
            facts: serde_json::from_str(facts).expect("the fixture is JSON"),
        }
    }

    fn release(&self, index: usize) -> &str {
        self.product.releases[index].version.as_str()
    }

    fn ask(&self, deployment: &Deployment) -> Result<Path, Refusal> {
        let mut query = Query::new(self.release(deployment.from), self.release(deployment.to))
            .edition(deployment.edition)
            .feature(&format!("distribution={}", deployment.distribution))
            .feature(&format!("mongodb={}", deployment.mongodb));
        if let Some(vendor) = deployment.vendor {
            query = query.feature(&format!("vendor={vendor}"));
        }
        for feature in FEATURES {
            // Who names a part has looked at all.
            let said = deployment.features.contains(&feature);
            query = query.feature(&format!("{feature}={}", if said { "yes" } else { "no" }));
        }
        find(&self.product, &query)
    }

    fn below(&self, left: &str, right: &str) -> bool {
        let (left, right) = (Version::from(left), Version::from(right));
        let order = self.product.scheme.compare(&left, &right);
        order.expect("both are versions").is_lt()
    }

    /// Where a path has to stop, by plain reading of the facts.
    fn stops(&self, deployment: &Deployment) -> Vec<&'static str> {
        let (from, to) = (self.release(deployment.from), self.release(deployment.to));
        let scripts = self.below(from, "2.1.0") && !self.below(to, "3.1.0");
        let workflows = deployment.features.contains(&"mistral_workflows")
            && self.below(from, "2.8.0")
            && !self.below(to, "3.3.0");
        match (scripts, workflows) {
            // 3.0.1 has the scripts, and runs both Mistral and Orquesta.
            (true, _) => vec!["3.0.1"],
            (false, true) => vec!["3.2.0"],
            (false, false) => Vec::new(),
        }
    }

    /// What a stage does, in order, by plain reading of the facts. The MongoDB server climbs on the way.
    fn stage<'w>(
        &'w self,
        deployment: &Deployment,
        (from, to): (&str, &str),
        mongodb: &mut String,
    ) -> Vec<&'w str> {
        let last = self.release(deployment.to);
        let mut left: Vec<&Value> = Vec::new();
        let mut all: Vec<&Value> = self.facts.iter().collect();
        all.sort_by_key(|fact| fact["order"].as_u64());
        for fact in all {
            let version = text(fact, "version");
            let crossed = version == "*" || (self.below(from, version) && !self.below(to, version));
            let needed = fact["needed_from"].as_str();
            let needed = needed.is_some_and(|needed| !self.below(last, needed));
            let reached = version == "*" || !self.below(to, version);
            let climbs = fact["mongo_after"].is_string();
            // A server that has to climb, and did not when its release was crossed, does it now.
            let is_due = crossed || (reached && climbs && (needed || fact["optional"].is_null()));
            let is_offer = fact["optional"] == true && !needed;
            if !is_due || is_offer || fact["told_only"] == true {
                continue;
            }
            if !self.holds(deployment, &fact["when"], (from, to), mongodb) {
                continue;
            }
            if let Some(after) = fact["mongo_after"].as_str() {
                after.clone_into(mongodb);
            }
            left.push(fact);
        }
        let rank = |fact: &Value| fact["rank"].as_u64();
        let newest = left.iter().filter_map(|fact| rank(fact)).max();
        left.retain(|fact| rank(fact).is_none() || rank(fact) == newest);
        let mut once = BTreeSet::new();
        left.retain(|fact| fact["once"].is_null() || once.insert(text(fact, "once")));
        left.into_iter().map(|fact| text(fact, "id")).collect()
    }

    fn holds(
        &self,
        deployment: &Deployment,
        when: &Value,
        (from, to): (&str, &str),
        mongodb: &str,
    ) -> bool {
        let conditions = when.as_object().expect("conditions are a table");
        let id = deployment.distribution;
        let family = DISTRIBUTIONS.iter().find(|it| it.0 == id).expect("known").1;
        conditions.iter().all(|(name, wanted)| {
            let wanted_text = wanted.as_str().unwrap_or_default();
            match name.as_str() {
                "distro_family" => wanted_text == family,
                "distro" => texts(wanted).contains(&id),
                "distro_not" => !texts(wanted).contains(&id),
                "feature" => self.has(deployment, wanted_text),
                "edition" => wanted_text == deployment.edition,
                "target_lt" => self.below(to, wanted_text),
                "target_gte" => !self.below(to, wanted_text),
                "from_lt" => self.below(from, wanted_text),
                "vendor" => deployment.vendor == Some(wanted_text),
                "mongo" if wanted_text == "2.x" => mongodb.starts_with("2."),
                "mongo" => wanted_text == mongodb,
                "mongo_lt" => mongodb.split('.').next() < wanted_text.split('.').next(),
                other => panic!("{other} is no condition of the facts"),
            }
        })
    }

    fn has(&self, deployment: &Deployment, feature: &str) -> bool {
        let with_mistral = ["ubuntu14", "ubuntu16", "el6", "el7"];
        deployment.features.contains(&feature)
            && (feature != "mistral_installed" || with_mistral.contains(&deployment.distribution))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn every_path_does_what_the_facts_say_and_in_their_order(deployment in deployment()) {
        thread_local!(static WORLD: World = World::new());
        WORLD.with(|world| check(world, &deployment))?;
    }
}

fn check(world: &World, deployment: &Deployment) -> Result<(), TestCaseError> {
    let (from, to) = (world.release(deployment.from), world.release(deployment.to));
    let (_, _, first, last) = DISTRIBUTIONS
        .into_iter()
        .find(|it| it.0 == deployment.distribution)
        .expect("known");
    let path = match world.ask(deployment) {
        Ok(path) => path,
        Err(refusal) => {
            let wanted = if world.below(to, from) {
                "downgrade"
            } else if world.below(from, "1.4.0") {
                "rollover-required"
            } else if world.below(from, first) || world.below(last, from) {
                "not-on-distribution:from"
            } else {
                prop_assert!(
                    world.below(last, to),
                    "{:?} is refused: {}",
                    deployment,
                    refusal.id()
                );
                "rollover-required"
            };
            prop_assert_eq!(refusal.id(), wanted);
            return Ok(());
        }
    };
    if from == to {
        prop_assert!(path.is_nothing());
        return Ok(());
    }
    let legs: Vec<&str> = path.legs.iter().map(|leg| leg.to.as_str()).collect();
    let mut wanted = world.stops(deployment);
    wanted.push(to);
    prop_assert_eq!(&legs, &wanted);
    let mut mongodb = deployment.mongodb.to_owned();
    let mut below = from;
    for leg in &path.legs {
        let here = leg.to.as_str();
        prop_assert!(
            !world.below(here, first) && !world.below(last, here),
            "{} on {}",
            here,
            deployment.distribution
        );
        let did: Vec<&str> = leg.actions.iter().map(|act| act.id.as_str()).collect();
        let wanted = world.stage(deployment, (below, here), &mut mongodb);
        prop_assert_eq!(did, wanted, "{} to {} of {:?}", below, here, deployment);
        for fact in world.facts.iter().filter(|fact| {
            leg.actions
                .iter()
                .any(|act| act.id.as_str() == text(fact, "id"))
        }) {
            let shipped = &fact["shipped_in"];
            let since = shipped["gte"]
                .as_str()
                .is_none_or(|first| !world.below(here, first));
            let until = shipped["lt"]
                .as_str()
                .is_none_or(|end| world.below(here, end));
            prop_assert!(since && until, "{} has no {}", here, fact["id"]);
            let act = leg
                .actions
                .iter()
                .find(|act| act.id.as_str() == text(fact, "id"))
                .expect("it is there");
            prop_assert_eq!(act.is_hand_work(), fact["manual"] == true, "{}", act.id);
            prop_assert!(!act.assumed, "{} was assumed", act.id);
        }
        below = here;
    }
    Ok(())
}
