//! Paths of the built-in definitions against cases that were derived by hand from the products' own texts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use switchback_model::product::Product;
use switchback_planner::path::{Query, Report, find};

fn product(id: &str) -> Product {
    switchback_catalog::load(id)
        .expect("the product is built in")
        .expect("its definition is well-formed")
}

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("the fixture is JSON")
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<&str> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect()
}

fn ids(value: &Value) -> BTreeSet<&str> {
    let all = value.as_array().into_iter().flatten();
    all.map(|entry| text(entry, "id")).collect()
}

fn report(product: &Product, query: &Query) -> Value {
    let report = Report::of(&find(product, query));
    serde_json::to_value(report).expect("a report is JSON")
}

#[test]
fn the_things_stack_cases_hold() {
    let product = product("the-things-stack");
    for case in cases(include_str!("fixtures/the-things-stack.json")) {
        let query = Query::new(text(&case, "from"), text(&case, "to"))
            .edition(text(&case, "edition"))
            .driver("compose");
        let report = report(&product, &query);
        assert_eq!(report["outcome"], case["outcome"], "{case:#}\n{report:#}");
        match text(&case, "outcome") {
            "path" => check_path(&case, &report),
            "refused" => {
                let first = text(&report["because"][0], "id");
                assert_eq!(first, text(&case, "because"), "{case:#}\n{report:#}");
            }
            _ => assert_eq!(report["stages"], Value::Array(Vec::new()), "{case:#}"),
        }
    }
}

fn check_path(case: &Value, report: &Value) {
    let told = || format!("case {case:#}\nreport {report:#}");
    let stages = report["stages"].as_array().expect("stages are a list");
    let expected = case["stages"].as_array().expect("stages are a list");
    assert_eq!(stages.len(), expected.len(), "{}", told());
    let mut demanded: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut required = BTreeSet::new();
    for (stage, expected) in stages.iter().zip(expected) {
        assert!(
            texts(&expected["to"]).contains(&text(stage, "to")),
            "{}",
            told()
        );
        let mut runs = Vec::new();
        for migration in stage["migrations"].as_array().into_iter().flatten() {
            let command = texts(&migration["run"]).join(" ");
            let by = demanded.entry(command.clone()).or_default();
            by.extend(texts(&migration["demanded_by"]));
            runs.push(command);
        }
        assert_eq!(runs, texts(&expected["run"]), "{}", told());
        required.extend(texts(&stage["required_by"]));
    }
    let expected_demands: BTreeMap<String, Vec<&str>> = case["demanded_by"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(command, versions)| (command.clone(), texts(versions)))
        .collect();
    assert_eq!(demanded, expected_demands, "{}", told());
    let stops: BTreeSet<&str> = texts(&case["required_by"]).into_iter().collect();
    assert_eq!(required, stops, "{}", told());
    assert_eq!(ids(&report["because"]), stops, "{}", told());
    let optional: Vec<(String, &str)> = report["optional_migrations"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| (texts(&entry["run"]).join(" "), text(entry, "version")))
        .collect();
    let expected_optional: Vec<(String, &str)> = case["optional"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| {
            let entry = texts(entry);
            (entry[0].to_owned(), entry[1])
        })
        .collect();
    assert_eq!(optional, expected_optional, "{}", told());
    for field in ["notices", "procedures", "optional_procedures"] {
        if case[field].is_array() {
            let expected: BTreeSet<&str> = texts(&case[field]).into_iter().collect();
            assert_eq!(ids(&report[field]), expected, "{field}\n{}", told());
        }
    }
}

#[test]
fn gitlab_cases_hold() {
    let product = product("gitlab");
    for case in cases(include_str!("fixtures/gitlab.json")) {
        let query = Query::new(text(&case, "from"), text(&case, "to"));
        let report = report(&product, &query);
        let stages = report["stages"].as_array().expect("stages are a list");
        let stages: Vec<&str> = stages.iter().map(|stage| text(stage, "to")).collect();
        assert_eq!(stages, texts(&case["stages"]), "{case:#}\n{report:#}");
    }
}

/// Versions of the stages of a path without edition, or the reason of its refusal.
fn stages(product: &Product, query: &Query) -> Vec<String> {
    match find(product, query) {
        Ok(path) => path.legs.iter().map(|leg| leg.to.to_string()).collect(),
        Err(refusal) => vec![refusal.id()],
    }
}

#[test]
fn gitlab_from_8_17_has_31_stages() {
    let gitlab = product("gitlab");
    assert_eq!(stages(&gitlab, &Query::new("8.17", "18.11")).len(), 31);
}

#[test]
fn a_conditional_stop_of_gitlab_is_on_the_path_until_a_probe_says_otherwise() {
    let gitlab = product("gitlab");
    let query = Query::new("16.11", "17.5");
    let path = find(&gitlab, &query).expect("there is a path");
    assert!(path.because[0].assumed && path.legs[0].assumed);
    assert!(!path.legs[1].assumed);
    let answered = query.clone().feature("long-pipeline-messages=0");
    assert_eq!(stages(&gitlab, &answered), ["17.3.latest", "17.5.latest"]);
    let answered = query.feature("long-pipeline-messages=12");
    let path = find(&gitlab, &answered).expect("there is a path");
    assert!(!path.because[0].assumed);
}

#[test]
fn what_was_said_and_asked_by_nobody_is_told() {
    let gitlab = product("gitlab");
    let told = |said: &str| {
        let query = Query::new("15.11.2", "16.3").feature(said);
        let path = find(&gitlab, &query).expect("there is a path");
        let mut remarks = path.remarks.into_iter();
        remarks.find(|remark| remark.contains("changed nothing"))
    };
    assert_eq!(
        told("npm-package").as_deref(),
        Some("`npm-package` is nothing that the definition asks about: it changed nothing")
    );
    assert_eq!(told("npm-packages"), None);
    assert_eq!(told("long-pipeline-messages=0"), None);
}

#[test]
fn stops_for_a_feature_of_gitlab_are_there_for_those_who_use_it() {
    let gitlab = product("gitlab");
    let query = Query::new("15.11.2", "16.3");
    assert_eq!(stages(&gitlab, &query), ["16.3.latest"]);
    let query = query.feature("npm-packages");
    assert_eq!(stages(&gitlab, &query), ["16.1.latest", "16.3.latest"]);
    let query = query.feature("many-users-or-pipeline-variables");
    assert_eq!(
        stages(&gitlab, &query),
        ["16.0.latest", "16.1.latest", "16.3.latest"]
    );
}

#[test]
fn any_patch_of_a_gitlab_line_can_be_a_start_or_a_target() {
    let gitlab = product("gitlab");
    let between = |from, to| stages(&gitlab, &Query::new(from, to));
    assert_eq!(between("14.0.3", "14.8"), ["14.3.latest", "14.8.latest"]);
    assert_eq!(between("17.1.8", "17.5.2"), ["17.3.latest", "17.5.2"]);
    assert_eq!(between("17.5.1", "17.5.2"), ["17.5.2"]);
    assert_eq!(between("17.5.1", "17.5"), ["17.5.latest"]);
    assert!(between("17.5", "17.5").is_empty());
    assert_eq!(between("17.5.2", "17.5.1"), ["downgrade"]);
    assert_eq!(between("12.11", "13.0"), ["unknown-version:from"]);
    assert_eq!(between("18.11", "19.0"), ["unknown-version:to"]);
}

#[test]
fn sentry_passes_its_hard_stops_and_the_substitute_of_the_poisoned_one() {
    let sentry = product("sentry");
    let between = |from, to| stages(&sentry, &Query::new(from, to));
    assert_eq!(
        between("9.0.0", "26.10.0"),
        [
            "9.1.2", "21.5.0", "21.6.3", "23.6.2", "23.11.0", "24.8.0", "25.5.2", "26.5.1",
            "26.10.0"
        ]
    );
    assert_eq!(between("24.8.0", "25.5.2"), ["25.5.2"]);
    assert_eq!(between("24.9.0", "25.5.0"), ["25.5.0"]);
    assert_eq!(between("25.5.0", "25.6.0"), ["25.5.2", "25.6.0"]);
    assert_eq!(between("25.5.1", "25.6.0"), ["25.5.2", "25.6.0"]);
    assert_eq!(between("25.5.2", "26.5.1"), ["26.5.1"]);
    assert_eq!(between("24.8.0", "25.5.1"), ["poisoned:25.5.1"]);
    assert_eq!(between("23.6.2", "23.7.0"), ["poisoned:23.7.0"]);
    assert_eq!(between("23.6.2", "26.12.0"), ["unknown-version:to"]);
    assert_eq!(between("23.11.0", "24.08"), ["24.8.0"]);
    assert_eq!(between("24.8.0", "25.05.1"), ["poisoned:25.5.1"]);
}

#[test]
fn sentry_speaks_for_releases_that_it_does_not_list_and_says_so() {
    let sentry = product("sentry");
    let path = find(&sentry, &Query::new("24.8.0", "26.10.0")).expect("there is a path");
    assert_eq!(
        path.remarks,
        [
            "25.5.2 takes the place of 25.5.1: its migration 0878_backfill_open_periods fails on real data \
             [getsentry/self-hosted#3751]",
            "26.10.0 is not listed by the definition, which speaks for it all the same: \
             whether it exists was not checked"
        ]
    );
    let refusal = find(&sentry, &Query::new("24.8.0", "27.1.0")).expect_err("too new");
    assert_eq!(
        refusal.because()[0].text,
        "27.1.0 is newer than the definition, which covers >=9.0.0, <26.12.0"
    );
}

#[test]
fn sentry_tells_about_the_renamed_compose_project_when_it_is_crossed() {
    let sentry = product("sentry");
    let procedures = |from, to| {
        let path = find(&sentry, &Query::new(from, to)).expect("there is a path");
        path.procedures.len()
    };
    assert_eq!(procedures("21.6.3", "23.6.2"), 1);
    assert_eq!(procedures("21.12.0", "23.6.2"), 0);
}

#[test]
fn the_things_stack_cases_of_other_deployments_hold() {
    let product = product("the-things-stack");
    for case in cases(include_str!("fixtures/the-things-stack-aws.json")) {
        let query = Query::new(text(&case, "from"), text(&case, "to"))
            .edition(text(&case, "edition"))
            .driver(text(&case, "driver"));
        let report = report(&product, &query);
        let told = || format!("case {case:#}\nreport {report:#}");
        assert_eq!(report["outcome"], case["outcome"], "{}", told());
        if text(&case, "outcome") != "path" {
            continue;
        }
        let stages = report["stages"].as_array().expect("stages are a list");
        let expected = case["stages"].as_array().expect("stages are a list");
        assert_eq!(stages.len(), expected.len(), "{}", told());
        for (stage, expected) in stages.iter().zip(expected) {
            let to = text(stage, "to");
            assert!(texts(&expected["to"]).contains(&to), "{}", told());
            let runs: BTreeSet<String> = stage["migrations"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|migration| texts(&migration["run"]).join(" "))
                .collect();
            let wanted = texts(&expected["run"]).into_iter().map(str::to_owned);
            assert_eq!(runs, wanted.collect(), "{}", told());
        }
        let wanted = |field: &str| texts(&case[field]).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(ids(&report["because"]), wanted("required_by"), "{}", told());
        for field in ["notices", "procedures", "optional_procedures"] {
            if case[field].is_array() {
                assert_eq!(ids(&report[field]), wanted(field), "{field}\n{}", told());
            }
        }
        assert_eq!(
            texts(&report["templates"]),
            texts(&case["templates"]),
            "{}",
            told()
        );
        for (template, versions) in case["template_versions"].as_object().into_iter().flatten() {
            let changes = report["template_changes"].as_array().into_iter().flatten();
            let found = changes.filter(|change| text(change, "id") == template);
            let found: BTreeSet<&str> = found
                .flat_map(|change| change["changes"].as_array().into_iter().flatten())
                .map(|change| text(change, "version"))
                .collect();
            assert_eq!(found, texts(versions).into_iter().collect(), "{}", told());
        }
    }
}
