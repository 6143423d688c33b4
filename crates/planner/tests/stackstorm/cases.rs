//! Cases that were derived by hand.

use std::collections::BTreeSet;

use crate::queries::{ids, stackstorm, text, texts};
use serde_json::Value;
use switchback_planner::path::{Query, Report, find};

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
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/stackstorm.json"))
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
