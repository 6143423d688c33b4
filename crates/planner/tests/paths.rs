//! What holds of every path, whichever definition and versions it is for.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use switchback_model::product::{Product, parse};
use switchback_planner::path::{Path, Query, Refusal, Report, find};

/// A definition of random releases `1.N.0`, stops and demands.
#[derive(Clone, Debug)]
struct Synthetic {
    releases: usize,
    /// First release of `at`, how many there are, and from how far above it applies to targets.
    stops: Vec<(usize, usize, usize)>,
    /// Release and migration.
    demands: Vec<(usize, usize)>,
}

impl Synthetic {
    fn candidates(&self, stop: usize) -> std::ops::Range<usize> {
        let (first, count, _) = self.stops[stop];
        let first = 1 + first % (self.releases - 1);
        first..(first + 1 + count).min(self.releases)
    }

    /// The lowest target that the stop applies to.
    fn target(&self, stop: usize) -> usize {
        let last = self.candidates(stop).end - 1;
        (last + self.stops[stop].2).min(self.releases - 1)
    }

    fn demands(&self) -> BTreeSet<(usize, usize)> {
        let place = |(release, migration): &(usize, usize)| (release % self.releases, *migration);
        self.demands.iter().map(place).collect()
    }

    fn product(&self) -> Product {
        let mut text = "[product]\nid = \"p\"\nname = \"P\"\nscheme = \"semver\"\n".to_owned();
        text.push_str("[[datastore]]\nname = \"d\"\nkind = \"postgres\"\nimages = []\n");
        for migration in 0..3 {
            let id = format!("[[migration]]\nid = \"m{migration}\"\ndatastore = \"d\"\n");
            text.push_str(&id);
            text.push_str("run = [\"m\"]\n");
        }
        let demands = self.demands();
        for release in 0..self.releases {
            let _ = writeln!(
                text,
                "[[release]]\nversion = \"1.{release}.0\"\nsource = \"s\""
            );
            for (_, migration) in demands.iter().filter(|demand| demand.0 == release) {
                let _ = writeln!(
                    text,
                    "[[release.demands]]\nmigration = \"m{migration}\"\nbecause = \"b\"\nsource = \"s\""
                );
            }
        }
        for stop in 0..self.stops.len() {
            let candidates = self.candidates(stop);
            let at: Vec<String> = candidates
                .clone()
                .rev()
                .map(|release| format!("\"1.{release}.0\""))
                .collect();
            let kind = if stop % 2 == 0 { "migrate" } else { "run" };
            let _ = writeln!(
                text,
                "[[stop]]\nid = \"s{stop}\"\nkind = \"{kind}\"\nfrom = \"<1.{}.0\"\nto = \">=1.{}.0\"\nat = [{}]\nrun = [\"m0\"]\nbecause = \"b\"\nsource = \"s\"",
                candidates.start,
                self.target(stop),
                at.join(", ")
            );
        }
        parse::parse(&[("p.toml", &text)])
            .expect("the definition is well-formed")
            .product
    }

    /// Stops that a path between two releases may not skip, by plain reading of the rules.
    fn required(&self, from: usize, to: usize) -> Vec<usize> {
        let applies =
            |stop: &usize| from < self.candidates(*stop).start && to >= self.target(*stop);
        (0..self.stops.len()).filter(applies).collect()
    }
}

fn synthetic() -> impl Strategy<Value = (Synthetic, usize, usize)> {
    let stops = prop::collection::vec((0..40_usize, 0..3_usize, 0..4_usize), 0..9);
    let demands = prop::collection::vec((0..40_usize, 0..3_usize), 0..12);
    (4..20_usize, stops, demands).prop_flat_map(|(releases, stops, demands)| {
        let definition = Synthetic {
            releases,
            stops,
            demands,
        };
        (Just(definition), 0..releases, 0..releases)
    })
}

fn ask(product: &Product, from: usize, to: usize) -> Result<Path, Refusal> {
    find(
        product,
        &Query::new(&format!("1.{from}.0"), &format!("1.{to}.0")),
    )
}

/// The release of each leg.
fn releases(path: &Path) -> Vec<usize> {
    let minor = |text: &str| text.split('.').nth(1).and_then(|minor| minor.parse().ok());
    path.legs
        .iter()
        .map(|leg| minor(leg.to.as_str()).expect("versions are 1.N.0"))
        .collect()
}

fn satisfied(definition: &Synthetic, stop: usize, legs: &[usize]) -> bool {
    legs.iter()
        .any(|leg| definition.candidates(stop).contains(leg))
}

proptest! {
    #[test]
    fn a_path_passes_every_required_stop_and_no_other_release((definition, from, to) in synthetic()) {
        prop_assume!(from < to);
        let path = ask(&definition.product(), from, to).expect("there is a way up");
        let legs = releases(&path);
        let required = definition.required(from, to);
        for stop in &required {
            prop_assert!(satisfied(&definition, *stop, &legs), "s{} skipped by {:?}", stop, legs);
        }
        let named: BTreeSet<String> = path.because.iter().map(|because| because.id.clone()).collect();
        let expected: BTreeSet<String> = required.iter().map(|stop| format!("s{stop}")).collect();
        prop_assert_eq!(named, expected);
        for (index, leg) in legs.iter().enumerate().filter(|(_, leg)| **leg != to) {
            let mut without = legs.clone();
            without.remove(index);
            let needed = required.iter().any(|stop| !satisfied(&definition, *stop, &without));
            prop_assert!(needed, "1.{}.0 is needless in {:?}", leg, legs);
        }
    }

    #[test]
    fn a_path_has_as_few_stages_as_any((definition, from, to) in synthetic()) {
        prop_assume!(from < to && to - from <= 12);
        let path = ask(&definition.product(), from, to).expect("there is a way up");
        let required = definition.required(from, to);
        let between: Vec<usize> = (from + 1..to).collect();
        let fewest = (0..1_u32 << between.len())
            .filter(|choice| {
                let chosen = between.iter().enumerate();
                let mut legs: Vec<usize> = chosen
                    .filter(|(place, _)| choice & (1 << place) != 0)
                    .map(|(_, release)| *release)
                    .collect();
                legs.push(to);
                required.iter().all(|stop| satisfied(&definition, *stop, &legs))
            })
            .map(u32::count_ones)
            .min()
            .expect("all releases together satisfy every stop");
        prop_assert_eq!(path.legs.len(), fewest as usize + 1);
    }

    #[test]
    fn a_path_only_climbs_and_ends_at_its_target((definition, from, to) in synthetic()) {
        match ask(&definition.product(), from, to) {
            Ok(path) if from == to => prop_assert!(path.is_nothing()),
            Ok(path) => {
                let legs = releases(&path);
                prop_assert!(from < legs[0]);
                prop_assert!(legs.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", legs);
                prop_assert_eq!(legs.last(), Some(&to));
            }
            Err(refusal) => {
                prop_assert!(from > to);
                prop_assert_eq!(refusal.id(), "downgrade");
            }
        }
    }

    #[test]
    fn every_demand_on_the_way_is_met_once_at_or_above_its_release((definition, from, to) in synthetic()) {
        prop_assume!(from < to);
        let path = ask(&definition.product(), from, to).expect("there is a way up");
        let mut met = Vec::new();
        for (leg, release) in path.legs.iter().zip(releases(&path)) {
            let ran: BTreeSet<&str> = leg.migrations.iter().map(|run| run.migration.as_str()).collect();
            prop_assert_eq!(ran.len(), leg.migrations.len(), "a migration runs twice in one stage");
            for run in &leg.migrations {
                for version in &run.demanded_by {
                    let minor: usize = version.as_str().split('.').nth(1).and_then(|it| it.parse().ok()).expect("1.N.0");
                    prop_assert!(minor <= release);
                    met.push((minor, run.migration.to_string()));
                }
            }
        }
        met.sort();
        let demanded: Vec<(usize, String)> = definition
            .demands()
            .into_iter()
            .filter(|(release, _)| from < *release && *release <= to)
            .map(|(release, migration)| (release, format!("m{migration}")))
            .collect();
        prop_assert_eq!(met, demanded);
    }

    #[test]
    fn the_same_question_has_the_same_answer_byte_for_byte((definition, from, to) in synthetic()) {
        let answer = || {
            let report = Report::of(&ask(&definition.product(), from, to));
            serde_json::to_string(&report).expect("a report is JSON")
        };
        prop_assert_eq!(answer(), answer());
    }
}

/// Every fifth pair of releases, both editions: all of them would only take longer.
#[test]
fn every_pair_of_the_things_stack_has_a_path_or_a_defined_refusal() {
    let product = switchback_catalog::load("the-things-stack")
        .expect("the product is built in")
        .expect("its definition is well-formed");
    let known = ["downgrade", "unknown-version:from", "unknown-version:to"];
    let mut asked = 0;
    for (row, from) in product.releases.iter().enumerate() {
        for (column, to) in product.releases.iter().enumerate() {
            if (row + column) % 5 != 0 {
                continue;
            }
            for edition in ["open-source", "enterprise"] {
                let query = Query::new(from.version.as_str(), to.version.as_str()).edition(edition);
                asked += 1;
                match find(&product, &query) {
                    Ok(path) => {
                        let last = path.legs.last().map(|leg| &leg.to);
                        assert!(last == Some(&to.version) || row == column, "{query:?}");
                    }
                    Err(refusal) => {
                        assert!(
                            known.contains(&refusal.id().as_str()),
                            "{query:?}: {}",
                            refusal.id()
                        );
                    }
                }
            }
        }
    }
    assert!(asked > 9_000, "only {asked} pairs were asked");
}

/// As long as a definition may grow to; the benches tell how fast.
#[test]
fn five_thousand_releases_and_five_hundred_stops_are_searched() {
    let definition = Synthetic {
        releases: 5_000,
        stops: (0..500).map(|stop| (stop * 10, 0, 0)).collect(),
        demands: (0..5_000).map(|release| (release, release % 3)).collect(),
    };
    let path = ask(&definition.product(), 0, 4_999).expect("there is a way up");
    assert_eq!(path.legs.len(), 501);
}
