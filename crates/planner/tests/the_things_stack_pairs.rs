//! What holds of every pair of releases of The Things Stack, by plain reading of what its makers wrote.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use switchback_model::Version;
use switchback_model::product::Product;
use switchback_planner::path::{Path, Query, find};

/// In the order in which they run.
const COMMANDS: [&str; 9] = [
    "is-db migrate",
    "ns-db migrate",
    "dcs-db migrate",
    "as-db migrate",
    "js-db migrate",
    "storage-db init",
    "storage-db migrate",
    "noc-db init",
    "noc-db migrate",
];

/// Only the Enterprise edition comes as anything but containers.
const DEPLOYMENTS: [(&str, &str); 5] = [
    ("open-source", "compose"),
    ("enterprise", "compose"),
    ("enterprise", "cloudformation"),
    ("enterprise", "ami"),
    ("enterprise", "kubernetes"),
];

/// Where hand-work is told.
#[derive(Clone, Copy, PartialEq)]
enum List {
    Demanded,
    Optional,
    Possible,
}

/// The release that changes every template there is.
const ALL_CHANGE: &str = "3.16.2";

/// Stages by version, with what runs at each.
type Stages = Vec<(String, Vec<String>)>;

struct World {
    product: Product,
    facts: Vec<Value>,
}

/// A question, and the facts to read.
struct Reading<'w> {
    world: &'w World,
    edition: &'static str,
    driver: &'static str,
    from: &'w str,
    to: &'w str,
}

fn text<'a>(fact: &'a Value, field: &str) -> &'a str {
    fact[field].as_str().unwrap_or_default()
}

fn texts<'a>(fact: &'a Value, field: &str) -> Vec<&'a str> {
    let all = fact[field].as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect()
}

impl World {
    fn new() -> Self {
        let product = switchback_catalog::load("the-things-stack");
        let facts = include_str!("fixtures/the-things-stack-facts.json");
        Self {
            product: product.expect("built in").expect("well-formed"),
            facts: serde_json::from_str(facts).expect("the fixture is JSON"),
        }
    }

    fn of<'w>(&'w self, fact: &'static str) -> impl Iterator<Item = &'w Value> {
        let all = self.facts.iter();
        all.filter(move |row| text(row, "fact") == fact)
    }

    fn below(&self, left: &str, right: &str) -> bool {
        let (left, right) = (Version::from(left), Version::from(right));
        let order = self.product.scheme.compare(&left, &right);
        order.expect("both are versions").is_lt()
    }
}

impl<'w> Reading<'w> {
    fn crosses(&self, version: &str) -> bool {
        self.world.below(self.from, version) && !self.world.below(self.to, version)
    }

    fn concerns(&self, fact: &Value) -> bool {
        let drivers = texts(fact, "drivers");
        texts(fact, "editions").contains(&self.edition)
            && (drivers.is_empty() || drivers.contains(&self.driver))
    }

    fn exists(&self, version: &str) -> bool {
        let mut releases = self.world.of("release");
        releases.any(|it| text(it, "version") == version && self.concerns(it))
    }

    /// What releases on the way demand, by command, oldest first.
    fn demands(&self) -> BTreeMap<&'w str, Vec<&'w str>> {
        let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for demand in self.world.of("demand") {
            let version = text(demand, "version");
            let until = demand["to_lt"].as_str();
            let counts = until.is_none_or(|until| self.world.below(self.to, until));
            if counts && self.concerns(demand) && self.crosses(version) {
                let by = found.entry(text(demand, "run")).or_default();
                if !by.contains(&version) {
                    by.push(version);
                }
            }
        }
        for by in found.values_mut() {
            by.sort_by(|one, other| {
                self.world
                    .below(other, one)
                    .cmp(&self.world.below(one, other))
            });
        }
        found
    }

    fn passes(&self, below: &str, from: &str) -> bool {
        self.world.below(self.from, below) && !self.world.below(self.to, from)
    }

    /// The stages: smallest documented path, at a stop only what the stop is for.
    fn stages(&self) -> Stages {
        let mut stages = Vec::new();
        let demands = self.demands();
        let identity = self.passes("3.19.2", "3.20.0");
        let network = self.passes("3.24.0", "3.25.0");
        let claims = demands.contains_key("dcs-db migrate") && !self.world.below(self.to, "3.26.0");
        if identity {
            stages.push(("3.19.2".to_owned(), vec!["is-db migrate".to_owned()]));
        }
        if network {
            let mut runs = vec!["ns-db migrate".to_owned()];
            runs.extend(claims.then(|| "dcs-db migrate".to_owned()));
            stages.push(("3.24.2".to_owned(), runs));
        }
        let at_target = |command: &&str| match *command {
            "is-db migrate" => identity || demands.contains_key(*command),
            "ns-db migrate" => !network && demands.contains_key(*command),
            "dcs-db migrate" => !claims && demands.contains_key(*command),
            _ => demands.contains_key(*command),
        };
        let last = COMMANDS.iter().filter(|it| at_target(it));
        stages.push((
            self.to.to_owned(),
            last.map(|it| (*it).to_owned()).collect(),
        ));
        stages
    }

    /// Templates that change, with the releases that change them.
    fn templates(&self) -> BTreeMap<&'w str, BTreeSet<&'w str>> {
        let all = self.world.of("template");
        let all = all.filter(|it| text(it, "driver") == self.driver);
        all.map(|template| {
            let versions = texts(template, "versions").into_iter();
            let versions = versions.filter(|version| self.crosses(version)).collect();
            (text(template, "id"), versions)
        })
        .filter(|(_, versions): &(&str, BTreeSet<&str>)| !versions.is_empty())
        .collect()
    }

    fn notices(&self) -> BTreeSet<&'w str> {
        let all = self.world.of("notice").filter(|it| self.concerns(it));
        let all = all.filter(|it| self.crosses(text(it, "version")));
        all.map(|it| text(it, "id")).collect()
    }

    fn procedures(&self, list: List) -> BTreeSet<&'w str> {
        let templates = self.templates();
        let all_change = self.crosses(ALL_CHANGE);
        let list_of = |it: &Value| match (it["possible"] == true, it["optional"] == true) {
            (true, _) => List::Possible,
            (false, true) => List::Optional,
            (false, false) => List::Demanded,
        };
        let all = self.world.of("procedure").filter(|it| self.concerns(it));
        let all = all.filter(|it| list_of(it) == list);
        let met = |it: &&Value| {
            let crosses = texts(it, "crosses");
            let bound = |field, holds: &dyn Fn(&str) -> bool| it[field].as_str().is_none_or(holds);
            (crosses.is_empty() || crosses.into_iter().any(|version| self.crosses(version)))
                && bound("to_lt", &|version| self.world.below(self.to, version))
                && bound("to_gte", &|version| !self.world.below(self.to, version))
                && bound("from_gte", &|version| !self.world.below(self.from, version))
                && bound("from_lte", &|version| !self.world.below(version, self.from))
                && bound("template", &|id| all_change || templates.contains_key(id))
                && (it["at_stops"] != true || self.stages().len() > 1)
        };
        all.filter(met).map(|it| text(it, "id")).collect()
    }
}

fn stages(path: &Path) -> Stages {
    let line = |leg: &switchback_planner::path::Leg| {
        let runs = leg.migrations.iter().map(|run| run.run.join(" "));
        (leg.to.to_string(), runs.collect())
    };
    path.legs.iter().map(line).collect()
}

fn check(reading: &Reading<'_>) -> Result<(), TestCaseError> {
    let query = Query::new(reading.from, reading.to)
        .edition(reading.edition)
        .driver(reading.driver);
    let path = match find(&reading.world.product, &query) {
        Ok(path) => path,
        Err(refusal) => {
            let wanted = if reading.from != reading.to && !reading.exists(reading.from) {
                "unknown-version:from"
            } else if !reading.exists(reading.to) {
                "unknown-version:to"
            } else {
                prop_assert!(reading.world.below(reading.to, reading.from));
                "downgrade"
            };
            prop_assert_eq!(refusal.id(), wanted);
            return Ok(());
        }
    };
    if reading.from == reading.to {
        prop_assert!(path.is_nothing());
        return Ok(());
    }
    prop_assert_eq!(stages(&path), reading.stages());
    let mut demanded: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for run in path.legs.iter().flat_map(|leg| &leg.migrations) {
        let by = demanded.entry(run.run.join(" ")).or_default();
        by.extend(run.demanded_by.iter().map(Version::as_str));
    }
    demanded.retain(|_, by| !by.is_empty());
    let wanted = reading.demands().into_iter();
    prop_assert_eq!(
        demanded,
        wanted.map(|(run, by)| (run.to_owned(), by)).collect()
    );
    let notices = path.notices.iter().map(|it| it.id.as_str());
    prop_assert_eq!(notices.collect::<BTreeSet<_>>(), reading.notices());
    for (found, list) in [
        (&path.procedures, List::Demanded),
        (&path.optional_procedures, List::Optional),
        (&path.possibilities, List::Possible),
    ] {
        let found = found.iter().map(|it| it.id.as_str());
        prop_assert_eq!(found.collect::<BTreeSet<_>>(), reading.procedures(list));
    }
    templates(&path, reading)
}

/// Those that a release on the way names, and no others.
fn templates(path: &Path, reading: &Reading<'_>) -> Result<(), TestCaseError> {
    let all = path.templates.iter().filter(|it| it.role.is_template());
    let mut found: BTreeMap<&str, BTreeSet<&str>> = all
        .map(|it| {
            (
                it.id.as_str(),
                it.versions().into_iter().map(Version::as_str).collect(),
            )
        })
        .collect();
    let mut wanted = reading.templates();
    if reading.driver == "cloudformation" && reading.crosses(ALL_CHANGE) {
        prop_assert!(found.len() > 20, "{:?}", found);
        for versions in found.values_mut().chain(wanted.values_mut()) {
            versions.remove(ALL_CHANGE);
        }
        found.retain(|_, versions| !versions.is_empty());
        wanted.retain(|_, versions| !versions.is_empty());
    }
    prop_assert_eq!(found, wanted);
    let order: Vec<&str> = path.templates.iter().map(|it| it.id.as_str()).collect();
    let mut numbers: Vec<&str> = order
        .iter()
        .copied()
        .filter(|id| id.starts_with(char::is_numeric))
        .collect();
    numbers.retain(|id| !id.starts_with("200") && !id.starts_with("5-3d") && !id.starts_with('6'));
    prop_assert!(numbers.is_sorted(), "{:?}", numbers);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn every_path_is_what_the_texts_say(
        (edition, driver) in select(DEPLOYMENTS.to_vec()),
        (one, other) in (0usize..153, 0usize..153),
        turned in prop::bool::weighted(0.05),
    ) {
        thread_local!(static WORLD: World = World::new());
        WORLD.with(|world| {
            let releases: Vec<&str> = world.of("release").map(|it| text(it, "version")).collect();
            prop_assert_eq!(releases.len(), 153);
            // Downgrades are all alike: few of them will do.
            let (low, high) = (one.min(other), one.max(other));
            let (from, to) = if turned { (high, low) } else { (low, high) };
            check(&Reading { world, edition, driver, from: releases[from], to: releases[to] })
        })?;
    }
}
