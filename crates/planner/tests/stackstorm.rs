//! Paths of StackStorm: cases that were derived by hand from its documentation and code, and what holds of
//! every pair of releases on every distribution.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::Value;
use switchback_model::Version;
use switchback_model::product::Product;
use switchback_planner::path::{Path, Query, Refusal, Report, find};

fn stackstorm() -> Product {
    switchback_catalog::load("stackstorm")
        .expect("the product is built in")
        .expect("its definition is well-formed")
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<&str> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect()
}

fn ids(value: &Value) -> Vec<&str> {
    let all = value.as_array().into_iter().flatten();
    all.map(|entry| text(entry, "id")).collect()
}

/// The question of a case, as the flags of `switchback path` say it.
fn asked(case: &Value) -> Query {
    let mut query = Query::new(text(case, "from"), text(case, "to"))
        .edition(text(case, "edition"))
        .driver("packages");
    for fact in ["mongodb", "vendor"] {
        if let Some(answer) = case[fact].as_str() {
            query = query.feature(&format!("{fact}={answer}"));
        }
    }
    query = query.feature(&format!("distribution={}", text(case, "distro")));
    for feature in texts(&case["features"]) {
        query = query.feature(feature);
    }
    query
}

#[test]
fn cases_hold() {
    let product = stackstorm();
    let fixture: Value = serde_json::from_str(include_str!("fixtures/stackstorm.json"))
        .expect("the fixture is JSON");
    let cases = fixture["cases"].as_array().expect("there are cases");
    assert_eq!(cases.len(), 15);
    for case in cases {
        let report = Report::of(&find(&product, &asked(case)));
        let report = serde_json::to_value(report).expect("a report is JSON");
        match text(case, "outcome") {
            "in_place" => check_path(case, &report),
            "rollover_required" => check_roll_over(case, &report),
            other => panic!("{other} is no outcome of a case"),
        }
    }
}

fn check_path(case: &Value, report: &Value) {
    let told = || format!("case {case:#}\nreport {report:#}");
    assert_eq!(report["outcome"], "path", "{}", told());
    let stages = report["stages"].as_array().expect("stages are a list");
    let hops = case["hops"].as_array().expect("hops are a list");
    assert_eq!(stages.len(), hops.len(), "{}", told());
    let stops = case["required_stops"].as_array().expect("stops are a list");
    let because = report["because"].as_array().expect("reasons are a list");
    assert_eq!(because.len(), stops.len(), "{}", told());
    let mut offered = ids(&report["optional_migrations"]);
    offered.extend(ids(&report["optional_procedures"]));
    let mut by_hand: Vec<&str> = ids(&report["procedures"]);
    by_hand.extend(ids(&report["optional_procedures"]));
    let notices = ids(&report["notices"]);
    let mut wanted_offers = Vec::new();
    let mut wanted_by_hand = BTreeSet::new();
    for (stage, hop) in stages.iter().zip(hops) {
        assert_eq!(stage["to"], hop["to"], "{}", told());
        assert_eq!(stage["packages"], hop["packages"], "{}", told());
        let optional = texts(&hop["optional"]);
        let actions = texts(&hop["actions"]).into_iter();
        let wanted: Vec<&str> = actions.filter(|id| !optional.contains(id)).collect();
        assert_eq!(ids(&stage["migrations"]), wanted, "{}", told());
        wanted_offers.extend(optional);
        wanted_by_hand.extend(texts(&hop["manual"]));
        for id in texts(&hop["warn_only"]) {
            assert!(notices.contains(&id), "{id}\n{}", told());
        }
    }
    let sorted = |mut ids: Vec<&'_ str>| {
        ids.sort_unstable();
        ids.join(" ")
    };
    assert_eq!(sorted(offered), sorted(wanted_offers), "{}", told());
    assert_eq!(
        by_hand.into_iter().collect::<BTreeSet<_>>(),
        wanted_by_hand,
        "{}",
        told()
    );
    let assumed = serde_json::to_string(report).is_ok_and(|text| text.contains("\"assumed\""));
    assert!(!assumed, "everything was said\n{}", told());
}

fn check_roll_over(case: &Value, report: &Value) {
    let told = || format!("case {case:#}\nreport {report:#}");
    assert_eq!(report["outcome"], "refused", "{}", told());
    assert_eq!(
        report["because"][0]["id"],
        "rollover-required",
        "{}",
        told()
    );
    assert_eq!(
        report["rollover"]["max_in_place"],
        case["max_in_place"],
        "{}",
        told()
    );
    let places = texts(&report["rollover"]["distributions"]);
    assert!(!places.is_empty(), "{}", told());
    assert!(!places.contains(&text(case, "distro")), "{}", told());
}

fn on(distribution: &str, from: &str, to: &str) -> Query {
    Query::new(from, to)
        .driver("packages")
        .feature(&format!("distribution={distribution}"))
}

fn refused(query: &Query) -> Refusal {
    find(&stackstorm(), query).expect_err("the path is refused")
}

fn path(query: &Query) -> Path {
    find(&stackstorm(), query).expect("there is a path")
}

/// Ids of what is done in each stage.
fn done(path: &Path) -> Vec<Vec<&str>> {
    let legs = path.legs.iter();
    legs.map(|leg| leg.actions.iter().map(|act| act.id.as_str()).collect())
        .collect()
}

#[test]
fn versions_that_lead_nowhere_are_refused_with_what_was_probably_meant() {
    let told = |from, to| {
        let refusal = refused(&on("ubuntu20", from, to));
        let hints: Vec<String> = refusal.hints.iter().map(|hint| hint.text()).collect();
        format!("{} {}", refusal.id(), hints.join("; "))
    };
    assert_eq!(
        told("3.8.1", "3.8.0"),
        "downgrade going back means restoring a backup: switchback rollback takes back a run"
    );
    assert_eq!(
        told("3.8.0", "3.8.2"),
        "unknown-version:to known versions near it: 3.8.1, 3.8.0"
    );
    assert_eq!(
        told("3.8.0", "3.10.0"),
        "unknown-version:to a newer switchback may know it; see switchback catalog show; \
         known versions near it: 3.9.0, 3.8.1, 3.8.0"
    );
    assert_eq!(
        told("3.8.0", "3.9.0-rc1"),
        "unknown-version:to known versions near it: 3.9.0"
    );
    assert_eq!(
        told("3.8dev", "3.9.0"),
        "unknown-version:from known versions near it: 3.9.0, 3.8.1, 3.8.0"
    );
    assert_eq!(
        told("3.4.1", "3.5.0"),
        "not-on-distribution:from 3.4.1 runs on ubuntu16, ubuntu18, el7 or el8: name it with --fact distribution=NAME"
    );
}

#[test]
fn a_package_version_is_read_as_its_release_and_two_numbers_as_three() {
    let path = path(&on("Ubuntu 20.04", "3.6.0-3", "3.8"));
    assert_eq!(path.legs[0].to.as_str(), "3.8.0");
    assert_eq!(
        path.remarks[..2],
        ["3.6.0-3 is read as 3.6.0", "3.8 is read as 3.8.0"]
    );
    assert!(self::path(&on("ubuntu20", "3.8.1-1", "3.8.1")).is_nothing());
}

#[test]
fn a_fix_of_an_old_line_is_later_than_the_first_of_the_next() {
    let remarks = path(&on("ubuntu16", "2.9.3", "2.10.2")).remarks;
    assert!(
        remarks.contains(
            &"2.9.3 was released on 2019-03-06, after 2.10.2 on 2019-02-21: what it fixed may be missing there"
                .to_owned()
        ),
        "{remarks:?}"
    );
    assert!(
        !path(&on("ubuntu16", "2.9.3", "2.10.3"))
            .remarks
            .iter()
            .any(|remark| remark.contains("was released"))
    );
}

#[test]
fn what_was_installed_without_packages_rolls_over_to_where_the_target_can_be() {
    let refusal = refused(&on("ubuntu14", "1.3.2", "2.2.1"));
    assert_eq!(refusal.id(), "rollover-required");
    assert!(
        refusal.because()[0]
            .text
            .starts_with("releases before 1.4.0")
    );
    assert_eq!(
        refusal.hints[0].text(),
        "roll the content over to a new instance of 2.2.1 on ubuntu14, ubuntu16, el6 or el7: \
         switchback rollover --from OLD --to NEW"
    );
    assert_eq!(refusal.hints.len(), 1);
}

#[test]
fn without_a_distribution_those_that_both_versions_are_on_count() {
    let query = |from, to| Query::new(from, to).driver("packages");
    // Only RHEL 7 had 2.0.1 and has 3.8.1: nothing is left open.
    let found = path(&query("2.0.1", "3.8.1"));
    let acts: Vec<_> = found.legs.iter().flat_map(|leg| &leg.actions).collect();
    let yum = acts
        .iter()
        .find(|act| act.id.as_str() == "packages-yum")
        .expect("it is there");
    assert!(!yum.assumed && acts.iter().all(|act| act.id.as_str() != "packages-apt"));
    // No distribution has both: that much is known without its name.
    let refusal = refused(&query("2.0.1", "3.9.0"));
    assert_eq!(refusal.id(), "rollover-required");
    assert_eq!(
        refusal.because()[0].text,
        "no distribution has packages of both 2.0.1 and 3.9.0"
    );
    assert_eq!(
        refusal.hints[1].text(),
        "in place it goes up to 3.8.1: --to 3.8.1"
    );
}

#[test]
fn usual_features_are_assumed_until_one_is_named() {
    let acts = |query: Query| {
        let found = path(&query);
        let acts = found.legs[0].actions.iter();
        acts.map(|act| (act.id.to_string(), act.assumed))
            .collect::<Vec<_>>()
    };
    let has =
        |acts: &[(String, bool)], id: &str| acts.iter().find(|act| act.0 == id).map(|act| act.1);
    let none = on("ubuntu16", "2.2.1", "2.4.1").feature("mongodb=3.2");
    let said = acts(none.clone());
    assert_eq!(has(&said, "mistral-db-upgrade"), Some(true));
    assert_eq!(has(&said, "node6-deb"), Some(true));
    assert_eq!(has(&said, "packages-apt"), Some(false));
    let said = acts(none.clone().feature("chatops"));
    assert_eq!(has(&said, "mistral-db-upgrade"), None);
    assert_eq!(has(&said, "node6-deb"), Some(false));
    // Saying what is not there leaves the rest open; workflows for Mistral say that Mistral is there.
    let said = acts(none.clone().feature("chatops=no"));
    assert_eq!(has(&said, "mistral-db-upgrade"), Some(true));
    assert_eq!(has(&said, "node6-deb"), None);
    let said = acts(none.feature("mistral-workflows"));
    assert_eq!(has(&said, "mistral-db-upgrade"), Some(false));
    // What packages tell of some features says nothing of those that no package tells of.
    let product = stackstorm();
    let answers = product.features_of(|package| matches!(package, "st2" | "st2web"));
    let found = find(
        &product,
        &on("ubuntu16", "3.1.0", "3.4.1").answers(&answers),
    );
    let remarks = found.expect("there is a path").remarks;
    assert!(
        remarks.contains(
            &"assumed to be there: no_coordination_backend; say --feature NAME or --feature NAME=no".to_owned()
        ),
        "{remarks:?}"
    );
    // There never was a package of Mistral for Ubuntu 18.04.
    let said = acts(on("ubuntu18", "3.1.0", "3.2.0").feature("mistral_installed"));
    assert_eq!(has(&said, "mistral-db-upgrade"), None);
    assert_eq!(has(&said, "mistral-stop"), None);
}

#[test]
fn mongodb_climbs_the_rungs_that_are_left_and_none_before_its_release() {
    let rungs = |query: Query| {
        let found = path(&query);
        let climbs = found.legs.iter().flat_map(|leg| {
            let acts = leg.actions.iter().filter(|act| !act.rungs.is_empty());
            acts.map(|act| format!("{} {}", leg.to, act.rungs.join(" ")))
                .collect::<Vec<_>>()
        });
        climbs.collect::<Vec<_>>()
    };
    let el7 = |mongodb: &str, from, to| on("el7", from, to).feature(&format!("mongodb={mongodb}"));
    assert_eq!(
        rungs(el7("2.6.12", "1.5.1", "3.8.1")),
        ["3.0.1 3.0 3.2", "3.0.1 3.4", "3.8.1 3.6 4.0"]
    );
    assert_eq!(rungs(el7("2.x", "1.5.1", "2.3.2")), [""; 0]);
    assert_eq!(
        rungs(el7("3.2", "2.4.0", "3.4.1")),
        ["3.4.1 3.4", "3.4.1 3.6 4.0"]
    );
    assert_eq!(rungs(el7("3.6", "3.2.0", "3.3.0")), ["3.3.0 4.0"]);
    assert_eq!(rungs(el7("4.0", "3.2.0", "3.3.0")), [""; 0]);
    // Left behind by an earlier upgrade.
    assert_eq!(rungs(el7("3.4", "3.3.0", "3.4.1")), ["3.4.1 3.6 4.0"]);
}

#[test]
fn a_server_that_the_release_does_not_run_with_is_told() {
    let notices = |query: Query| {
        let found = path(&query).notices.into_iter();
        let of = found.filter(|notice| notice.id == "mongodb-unsupported");
        of.map(|notice| notice.text).collect::<Vec<_>>()
    };
    assert_eq!(
        notices(on("ubuntu16", "2.9.1", "2.10.4").feature("mongodb=3.6")),
        ["MongoDB 3.6 is not what 2.10.4 runs with: MongoDB 2.4, 2.6, 3.0, 3.2, 3.4"]
    );
    assert_eq!(
        notices(on("ubuntu20", "3.7.0", "3.8.1").feature("mongodb=8.0")),
        ["MongoDB 8.0 is not what 3.8.1 runs with: MongoDB 3.6, 4.0, 4.4"]
    );
    // What an installation by the book has is what its release runs with, and stays so on the way.
    let product = stackstorm();
    for (distribution, _, first, last) in DISTRIBUTIONS {
        let found = find(&product, &on(distribution, first, last)).expect("there is a path");
        let unsupported = found
            .notices
            .iter()
            .find(|it| it.id == "mongodb-unsupported");
        assert_eq!(unsupported, None, "{distribution}");
    }
}

#[test]
fn what_cannot_be_taken_back_is_told_and_asks_for_its_word() {
    let accepts = |query: &Query| {
        let notices = path(query).notices.into_iter();
        notices
            .filter_map(|notice| notice.accept)
            .collect::<Vec<_>>()
    };
    let query = on("el7", "2.1.1", "3.4.1")
        .edition("enterprise")
        .feature("mistral_installed");
    assert_eq!(
        accepts(&query),
        [
            "mistral-executions",
            "mistral-removed",
            "enterprise-removed"
        ]
    );
    assert_eq!(
        accepts(&on("el7", "2.1.1", "2.2.0").feature("chatops")),
        [""; 0]
    );
    let refusal = refused(&on("el7", "3.4.1", "2.1.1").feature("mistral_installed"));
    let facts: Vec<String> = refusal.because().into_iter().map(|fact| fact.id).collect();
    assert_eq!(
        facts,
        [
            "downgrade",
            "mistral-executions-split",
            "mistral-removed",
            "with-items-cannot-go-on"
        ]
    );
}

#[test]
fn a_mistral_that_was_started_too_early_is_recovered_before_its_migration_and_never_silently() {
    let query = on("ubuntu16", "2.1.1", "2.2.1").feature("mistral_installed");
    let recovers = |query: &Query| {
        let found = path(query);
        let ids = done(&found).concat().into_iter().map(str::to_owned);
        let ids: Vec<String> = ids.filter(|id| id.starts_with("mistral-")).collect();
        let accepts = found.notices.into_iter().filter_map(|notice| notice.accept);
        (ids.join(" "), accepts.collect::<Vec<_>>().join(" "))
    };
    let usual = "mistral-stop mistral-db-upgrade mistral-db-populate";
    let said = |query: &Query| recovers(query).0 == usual;
    assert!(said(&query), "nobody looked");
    assert!(said(&query.clone().feature("mistral-early-tables=0")));
    assert_eq!(
        recovers(&query.clone().feature("mistral-early-tables=5")),
        (
            "mistral-stop mistral-recover-already-exists mistral-db-upgrade mistral-db-populate"
                .to_owned(),
            "mistral-executions mistral-recovery".to_owned()
        )
    );
    // Also where the packages are new already and only the database is left behind.
    let later = on("ubuntu16", "2.2.1", "2.3.2")
        .feature("mistral_installed")
        .feature("mistral-early-tables=5");
    assert_eq!(recovers(&later).1, "mistral-recovery");
}

#[test]
fn stops_that_one_release_satisfies_share_a_stage() {
    let query = on("ubuntu14", "2.0.1", "3.0.1");
    assert_eq!(done(&path(&query)).len(), 1);
    let workflows = on("el7", "2.0.1", "3.4.1").feature("mistral_workflows");
    let found = path(&workflows);
    assert_eq!(
        found.legs[0].required_by,
        ["old-migrations-not-shipped", "convert-mistral-workflows"]
    );
    assert_eq!(found.legs[0].to.as_str(), "3.0.1");
    let ids = done(&found);
    assert!(ids[0].contains(&"datastore-scopes") && !ids[1].contains(&"datastore-scopes"));
    assert!(ids[1].contains(&"convert-mistral-workflows"));
    let later = on("el7", "2.2.1", "3.4.1").feature("mistral_workflows");
    assert_eq!(path(&later).legs[0].to.as_str(), "3.2.0");
}

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

/// Which releases there are packages of, as the installation pages say it.
const DISTRIBUTIONS: [(&str, &str, &str, &str); 9] = [
    ("ubuntu14", "debian", "1.4.0", "3.0.1"),
    ("ubuntu16", "debian", "2.1.0", "3.4.1"),
    ("ubuntu18", "debian", "3.1.0", "3.8.1"),
    ("ubuntu20", "debian", "3.5.0", "3.9.0"),
    ("ubuntu22", "debian", "3.9.0", "3.9.0"),
    ("el6", "rhel", "1.4.0", "3.2.0"),
    ("el7", "rhel", "1.4.0", "3.8.1"),
    ("el8", "rhel", "3.2.0", "3.9.0"),
    ("el9", "rhel", "3.9.0", "3.9.0"),
];

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
        let facts = include_str!("fixtures/stackstorm-actions.json");
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
