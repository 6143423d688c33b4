//! Every pair of StackStorm's release lines on every distribution that has packages of both: there is one plan, or
//! a refusal from a short list that says what to do instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use switchback_model::Version;
use switchback_model::plan::{Act, Plan};
use switchback_model::product::{Distribution, Product};
use switchback_planner::check_against;
use switchback_planner::path::{Path, Reason};

use super::climbs;
use super::site::Site;
use super::stackstorm::{by_the_book, definition};

/// What became of the pairs of one distribution.
#[derive(Default)]
struct Row {
    pairs: usize,
    outcomes: BTreeMap<String, usize>,
    /// Works for people that any of the plans waits for.
    waits: BTreeSet<String>,
}

/// The newest release of every line that a distribution has packages of, oldest first.
fn lines(product: &Product, on: Option<&Distribution>) -> Vec<Version> {
    let mut newest: BTreeMap<(u32, u32), (u32, Version)> = BTreeMap::new();
    for release in &product.releases {
        let held = |it: &Distribution| product.scheme.contains(&it.releases, &release.version);
        if on.is_some_and(|it| held(it) != Ok(true)) {
            continue;
        }
        let numbers: Vec<u32> = release
            .version
            .as_str()
            .split('.')
            .filter_map(|it| it.parse().ok())
            .collect();
        // What came before the packages has two.
        let [major, minor, patch] = numbers[..] else {
            continue;
        };
        let best = newest
            .entry((major, minor))
            .or_insert((patch, release.version.clone()));
        if best.0 <= patch {
            *best = (patch, release.version.clone());
        }
    }
    newest.into_values().map(|(_, version)| version).collect()
}

/// Lines of MongoDB that an installation of this release on this distribution usually has.
fn mongodbs(product: &Product, distribution: &str, version: &Version) -> Vec<String> {
    let engine = product
        .engines
        .iter()
        .find(|it| it.id.as_str() == "mongodb");
    let usual = engine.into_iter().flat_map(|it| &it.usual);
    usual
        .filter(|it| product.scheme.contains(&it.releases, version) == Ok(true))
        .filter(|it| {
            let named = |name: &String| name == distribution;
            it.distributions.is_empty() || it.distributions.iter().any(named)
        })
        .map(|it| it.line.clone())
        .collect()
}

/// An installation by the book, with everything that is usual.
fn site(product: &Product, distribution: &str, from: &Version, mongodb: &str) -> Site {
    let server = format!("{mongodb}.1");
    let mut site = by_the_book(product.clone(), from.as_str(), distribution, &server);
    let has = |feature: &str| {
        let known = product.features.iter().find(|it| it.id == feature);
        known.is_some_and(|it| {
            let on = it.distributions.is_empty()
                || it.distributions.iter().any(|name| name == distribution);
            on && product.scheme.contains(&it.from, from) == Ok(true)
        })
    };
    for feature in ["mistral_installed", "no_coordination_backend"] {
        if has(feature) {
            site.config.features.push(feature.to_owned());
        }
    }
    if has("mistral_installed") {
        let kind = switchback_model::product::DatastoreKind::Postgres;
        site.add_component("mistral", "stackstorm");
        site.add_neighbour("mistral", kind, "9.5.25");
        site.write_files();
    }
    site.answer("mistral-early-tables", "0")
        .answer("mistral-early-rows", "0")
}

/// Nothing of a path is left out in silence: a step does it, a person is asked, or it is told.
fn assert_whole(plan: &Plan, path: &Path) {
    let mut told: BTreeSet<&str> = plan.procedures.iter().map(|it| it.id.as_str()).collect();
    for (_, step) in plan.steps() {
        match &step.act {
            Act::Migrate { migration, .. } => told.insert(migration.as_str()),
            Act::HandWork { work } => told.insert(work.id.as_str()),
            _ => false,
        };
    }
    for act in path.legs.iter().flat_map(|leg| &leg.actions) {
        let mut rungs = act.rungs.iter();
        let climbed = !act.rungs.is_empty()
            && rungs.all(|line| told.contains(format!("mongodb-{line}").as_str()));
        let done = act.role.is_some() || climbed || told.contains(act.id.as_str());
        assert!(
            done,
            "{} → {}: nobody does `{}`",
            plan.from, plan.to, act.id
        );
    }
}

/// What becomes of one pair.
fn outcome(site: &Site, to: &Version, row: &mut Row) -> String {
    let path = match site.way(to.as_str()) {
        Ok(path) => path,
        Err(refusal) => return format!("refused: {}", refusal.id()),
    };
    let plan = match site.plan(to.as_str()) {
        Ok(planned) => planned.plan,
        Err(problem) => {
            let told = !problem.hints.is_empty() && !problem.facts.is_empty();
            assert!(told, "{} → {to}: {problem:#?}", site.observed.version);
            return format!("refused: {}", problem.code);
        }
    };
    let objections = check_against(&plan, &site.product);
    assert!(
        objections.is_empty(),
        "{} → {to}: {objections:#?}",
        site.observed.version
    );
    assert_whole(&plan, &path);
    let climbs = climbs::rungs(&plan);
    climbs::assert_climbs(&plan, &site.product);
    climbs::assert_ways_back(site, &plan);
    let works = plan.steps().filter_map(|(_, step)| match &step.act {
        Act::HandWork { work } => Some(work.id.clone()),
        _ => None,
    });
    let mut waits = 0;
    for work in works {
        waits += 1;
        row.waits.insert(work);
    }
    let waits = if waits > 0 { ", waits for people" } else { "" };
    let climbs = match climbs.len() {
        0 => String::new(),
        rungs => format!(", MongoDB climbs {rungs}"),
    };
    format!("one plan{waits}{climbs}")
}

#[test]
fn every_pair_on_one_distribution_has_a_plan_or_a_reason() {
    let product = definition();
    let mut table = String::new();
    for distribution in &product.distributions {
        let mut row = Row::default();
        let releases = lines(&product, Some(distribution));
        for (place, from) in releases.iter().enumerate() {
            for mongodb in mongodbs(&product, &distribution.id, from) {
                let site = site(&product, &distribution.id, from, &mongodb);
                for to in &releases[place + 1..] {
                    row.pairs += 1;
                    let outcome = outcome(&site, to, &mut row);
                    *row.outcomes.entry(outcome).or_default() += 1;
                }
            }
        }
        let _ = writeln!(table, "{}: {} pairs", distribution.name, row.pairs);
        for (outcome, count) in &row.outcomes {
            let _ = writeln!(table, "  {count} {outcome}");
        }
        if !row.waits.is_empty() {
            let waits: Vec<&str> = row.waits.iter().map(String::as_str).collect();
            let _ = writeln!(table, "  people: {}", waits.join(", "));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn where_a_distribution_ends_a_roll_over_is_offered() {
    let product = definition();
    let all = lines(&product, None);
    let mut offered = 0;
    for distribution in &product.distributions {
        let carried = lines(&product, Some(distribution));
        let Some(last) = carried.last() else { continue };
        let newer = all.iter().skip_while(|it| *it != last).skip(1);
        for from in &carried {
            let usual = mongodbs(&product, &distribution.id, from);
            let site = site(&product, &distribution.id, from, &usual[0]);
            for to in newer.clone() {
                let refusal = site.way(to.as_str()).expect_err("it is refused");
                let Reason::RollOver {
                    in_place_to,
                    distributions,
                    ..
                } = &refusal.reason
                else {
                    panic!("{from} → {to}: {refusal:#?}");
                };
                assert!(!distributions.is_empty(), "{from} → {to}");
                assert!(in_place_to.as_ref().is_none_or(|it| carried.contains(it)));
                offered += 1;
            }
        }
    }
    assert!(offered > 100, "{offered}");
}
