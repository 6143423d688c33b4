//! The Things Stack at its boundaries: one release before, on and after each rule.

use switchback_model::product::Product;
use switchback_planner::path::{Path, Query, find};

fn product() -> Product {
    switchback_catalog::load("the-things-stack")
        .expect("the product is built in")
        .expect("its definition is well-formed")
}

fn path(query: &Query) -> Path {
    find(&product(), query).expect("there is a path")
}

/// `3.24.2 [ns-through-3.24] ns-db 3.11.0` per leg: release, stops, migrations with what demands them.
fn legs(query: &Query) -> Vec<String> {
    let line = |leg: &switchback_planner::path::Leg| {
        let mut line = leg.to.to_string();
        if !leg.required_by.is_empty() {
            line.push_str(&format!(" [{}]", leg.required_by.join(" ")));
        }
        for run in &leg.migrations {
            line.push_str(&format!("; {}", run.migration));
            for version in &run.demanded_by {
                line.push_str(&format!(" {version}"));
            }
        }
        line
    };
    path(query).legs.iter().map(line).collect()
}

fn open_source(from: &str, to: &str) -> Vec<String> {
    legs(&Query::new(from, to).edition("open-source"))
}

fn enterprise(from: &str, to: &str) -> Vec<String> {
    legs(&Query::new(from, to).edition("enterprise"))
}

#[test]
fn the_whole_way_of_the_enterprise_edition() {
    assert_eq!(
        enterprise("3.0.0", "3.36.0"),
        [
            "3.19.2 [is-through-3.19.2]; is-db 3.3.0 3.5.0 3.7.0 3.8.2 3.9.0 3.10.0 3.11.0 3.12.0 3.13.0 \
             3.14.0 3.16.0 3.16.2 3.17.0 3.19.0",
            "3.24.2 [ns-through-3.24 dcs-before-3.26]; ns-db 3.11.0; dcs-db 3.11.0",
            "3.36.0; is-db 3.21.0 3.23.0 3.24.0 3.28.0 3.29.0 3.30.0 3.32.0 3.33.0; as-db 3.12.0 3.16.0; \
             js-db 3.18.0; storage-db-init 3.10.0; storage-db 3.20.0 3.21.0 3.26.0; \
             noc-db-init 3.19.2 3.21.0; noc-db 3.20.0 3.21.0 3.23.0 3.24.0 3.25.0 3.25.2 3.27.0 3.28.0 \
             3.30.0 3.32.0 3.33.0 3.35.0 3.36.0",
        ]
    );
}

#[test]
fn the_stop_at_3_19_2_is_for_starts_below_it_and_targets_above_it() {
    assert_eq!(open_source("3.19.1", "3.19.2"), ["3.19.2"]);
    assert_eq!(open_source("3.19.2", "3.20.0"), ["3.20.0"]);
    assert_eq!(
        open_source("3.19.1", "3.20.0"),
        ["3.19.2 [is-through-3.19.2]; is-db", "3.20.0; is-db"]
    );
    assert_eq!(open_source("3.18.2", "3.19.2"), ["3.19.2; is-db 3.19.0"]);
}

#[test]
fn the_stop_at_3_24_is_for_starts_below_it_and_targets_from_3_25_on() {
    assert_eq!(open_source("3.23.2", "3.24.0"), ["3.24.0; is-db 3.24.0"]);
    assert_eq!(
        open_source("3.23.2", "3.25.0"),
        ["3.24.2 [ns-through-3.24]; ns-db", "3.25.0; is-db 3.24.0"]
    );
    assert_eq!(open_source("3.24.0", "3.25.0"), ["3.25.0"]);
    assert_eq!(
        open_source("3.23.2", "3.32.1"),
        [
            "3.24.2 [ns-through-3.24]; ns-db",
            "3.32.1; is-db 3.24.0 3.29.0 3.30.0 3.32.0"
        ]
    );
}

#[test]
fn a_network_server_schema_that_was_read_waives_the_stop_at_3_24() {
    let query = Query::new("3.23.2", "3.25.0").edition("open-source");
    assert!(path(&query).because[0].assumed);
    let migrated = query.clone().feature("ns-schema=1");
    assert_eq!(legs(&migrated), ["3.25.0; is-db 3.24.0"]);
    let fresh = path(&query.feature("ns-schema=0"));
    assert!(!fresh.because[0].assumed);
    assert_eq!(fresh.legs.len(), 2);
}

#[test]
fn claims_are_migrated_by_the_last_releases_that_can() {
    // Up to 3.25.2 the target itself has the command.
    let to_3_25 = enterprise("3.10.6", "3.25.2");
    assert_eq!(to_3_25[1], "3.24.2 [ns-through-3.24]; ns-db 3.11.0");
    assert!(to_3_25[2].contains("; dcs-db 3.11.0;"), "{}", to_3_25[2]);
    // From 3.26.0 on a stop has to; it shares the stage that is there anyway.
    let to_3_26 = enterprise("3.10.6", "3.26.0");
    assert_eq!(
        to_3_26[1],
        "3.24.2 [ns-through-3.24 dcs-before-3.26]; ns-db 3.11.0; dcs-db 3.11.0"
    );
    // Without the stop at 3.24, 3.19.2 is there anyway and has the command as well.
    let waived = Query::new("3.10.6", "3.26.0")
        .edition("enterprise")
        .feature("ns-schema=1");
    let waived = legs(&waived);
    assert_eq!(waived.len(), 2);
    assert!(
        waived[0].starts_with("3.19.2 [is-through-3.19.2 dcs-before-3.26]; is-db"),
        "{}",
        waived[0]
    );
    assert!(waived[0].ends_with("; dcs-db 3.11.0"), "{}", waived[0]);
    // Who started at 3.11 or does not claim devices needs nothing.
    let later = enterprise("3.11.0", "3.26.0");
    assert_eq!(later[1], "3.24.2 [ns-through-3.24]; ns-db");
    let unused = Query::new("3.10.6", "3.26.0")
        .edition("enterprise")
        .feature("dcs-in-use=no");
    assert!(!legs(&unused).concat().contains("dcs-db"));
}

#[test]
fn demands_that_moved_between_headings_are_counted_once() {
    assert_eq!(open_source("3.7.0", "3.7.1"), ["3.7.1; is-db 3.7.1"]);
    assert_eq!(open_source("3.7.0", "3.7.2"), ["3.7.2"]);
    assert_eq!(enterprise("3.7.0", "3.7.1"), ["3.7.1"]);
    assert_eq!(open_source("3.7.2", "3.8.1"), ["3.8.1; is-db 3.8.0"]);
    assert_eq!(open_source("3.7.2", "3.8.2"), ["3.8.2; is-db 3.8.2"]);
    assert_eq!(open_source("3.8.1", "3.8.2"), ["3.8.2; is-db 3.8.2"]);
    assert_eq!(open_source("3.8.2", "3.8.7"), ["3.8.7"]);
}

#[test]
fn what_is_only_for_some_waits_until_it_is_known() {
    let query = Query::new("3.20.0", "3.21.2").edition("enterprise");
    let assumed = path(&query);
    let flags: Vec<(String, bool)> = assumed.legs[0]
        .migrations
        .iter()
        .map(|run| (run.migration.to_string(), run.assumed))
        .collect();
    assert_eq!(
        flags,
        [
            ("is-db".to_owned(), false),
            ("storage-db".to_owned(), true),
            ("noc-db-init".to_owned(), true),
            ("noc-db".to_owned(), true),
        ]
    );
    assert!(assumed.procedures.iter().all(|procedure| procedure.assumed));
    let known = query
        .feature("noc-in-use=0")
        .feature("noc-wanted=0")
        .feature("storage-in-use=0")
        .feature("claim-codes=0");
    assert_eq!(legs(&known), ["3.21.2; is-db 3.21.0"]);
    assert!(path(&known).procedures.is_empty());
}

#[test]
fn optional_migrations_are_offered_and_not_planned() {
    let offered = |from: &str, to: &str, edition: &str| -> Vec<String> {
        let path = path(&Query::new(from, to).edition(edition));
        let line = |offered: &switchback_planner::path::OptionalMigration| {
            format!("{} {}", offered.version, offered.run.join(" "))
        };
        path.optional_migrations.iter().map(line).collect()
    };
    assert_eq!(
        offered("3.11.0", "3.11.1", "enterprise"),
        ["3.11.1 as-db migrate"]
    );
    assert_eq!(enterprise("3.11.0", "3.11.1"), ["3.11.1"]);
    assert_eq!(
        offered("3.11.0", "3.12.0", "enterprise"),
        ["3.11.1 as-db migrate", "3.12.0 storage-db migrate"]
    );
    assert!(offered("3.11.0", "3.12.0", "open-source").is_empty());
    assert_eq!(
        offered("3.24.2", "3.25.0", "open-source"),
        ["3.25.0 ns-db migrate"]
    );
}

#[test]
fn deprecations_are_told_when_announced_and_when_gone() {
    let told = |from: &str, to: &str| -> Vec<String> {
        let path = path(&Query::new(from, to).edition("open-source"));
        path.deprecations.iter().map(|it| it.id.clone()).collect()
    };
    assert_eq!(told("3.13.1", "3.13.2"), ["old-log-format"]);
    assert_eq!(told("3.13.2", "3.14.0"), ["old-log-format"]);
    assert_eq!(told("3.14.0", "3.14.1"), [""; 0]);
}

#[test]
fn a_leading_v_and_the_word_docker_are_understood() {
    let query = Query::new("v3.23.2", "v3.24.0")
        .edition("open-source")
        .driver("docker");
    let path = path(&query);
    assert_eq!(
        (path.from.as_str(), path.driver.as_str()),
        ("3.23.2", "compose")
    );
}

#[test]
fn stacks_of_ecs_are_of_the_edition_that_has_templates() {
    let path = path(&Query::new("3.24.2", "3.25.0").driver("ecs"));
    assert_eq!(path.driver, "cloudformation");
    assert_eq!(path.edition.as_deref(), Some("enterprise"));
    let assumed = path
        .remarks
        .iter()
        .any(|it| it.contains("the edition is assumed"));
    assert!(!assumed, "{:?}", path.remarks);
}

fn on_ecs(from: &str, to: &str) -> Path {
    path(&Query::new(from, to).driver("cloudformation"))
}

#[test]
fn a_template_is_called_what_it_is_called_in_both_versions() {
    let names = |from, to, id: &str| {
        let path = on_ecs(from, to);
        let mut all = path.templates.into_iter();
        let found = all.find(|it| it.id == id).expect("it changes");
        (found.name_before, found.name_after)
    };
    let monitoring = Some("5-5-ecs-monitoring".to_owned());
    assert_eq!(
        names("3.25.2", "3.26.0", "5-6-ecs-monitoring"),
        (monitoring.clone(), monitoring.clone())
    );
    assert_eq!(
        names("3.29.2", "3.30.0", "5-6-ecs-monitoring"),
        (monitoring, None)
    );
    assert_eq!(
        names("3.30.1", "3.30.2", "2-5-db-timescale-master"),
        (Some("2-5-db-timescale".to_owned()), None)
    );
    assert_eq!(names("3.35.2", "3.36.0", "5-7-ecs-proxy"), (None, None));
}

#[test]
fn what_breaks_the_order_of_the_numbers_is_on_the_path() {
    let orders = |query: Query| -> Vec<(String, bool)> {
        let found = path(&query).orders.into_iter();
        found.map(|it| (it.id, it.assumed)).collect()
    };
    let ecs = |from, to| Query::new(from, to).driver("cloudformation");
    assert_eq!(
        orders(ecs("3.23.2", "3.30.2")),
        [
            ("order-3.24.0".to_owned(), false),
            ("order-3.26.0".to_owned(), false),
            ("order-3.30.2".to_owned(), true),
        ]
    );
    let without = ecs("3.23.2", "3.30.2").feature("timescale-in-use=0");
    assert_eq!(orders(without).len(), 2);
    let below = orders(ecs("3.13.0", "3.14.2"));
    assert_eq!(below, [("timescale-target-below-3.15".to_owned(), true)]);
    assert!(orders(ecs("3.30.2", "3.36.0")).is_empty());
    let compose = Query::new("3.23.2", "3.30.2").edition("enterprise");
    assert!(orders(compose).is_empty());
}

#[test]
fn questions_are_those_that_something_on_the_path_rests_on() {
    let asked = |query: &Query| -> Vec<String> {
        let found = path(query).questions.into_iter();
        found.map(|it| it.probe).collect()
    };
    let query = Query::new("3.22.2", "3.25.0").edition("enterprise");
    assert_eq!(asked(&query), ["noc-in-use", "ns-schema", "tbs-in-use"]);
    let told = query.feature("noc-in-use=1").feature("ns-schema=0");
    assert_eq!(asked(&told), ["tbs-in-use"]);
    let told = told.feature("tbs-in-use=no");
    assert!(asked(&told).is_empty());
    assert!(!path(&told).is_assumed());
    let question = path(&Query::new("3.23.2", "3.25.0").edition("open-source"));
    assert_eq!(
        question.questions[0].question,
        "which schema version the Network Server's devices have"
    );
}

#[test]
fn targets_and_deployments_that_take_a_word_have_one() {
    let said = |query: Query| path(&query).remarks.join("\n");
    let open_source = |from, to| Query::new(from, to).edition("open-source");
    let ecs = |from, to| Query::new(from, to).driver("ecs");
    let kubernetes = |from, to| Query::new(from, to).driver("kubernetes");
    assert!(said(open_source("3.7.0", "3.7.1")).contains("go to 3.7.2 instead"));
    assert!(said(open_source("3.7.0", "3.7.2")).is_empty());
    // Code that no text speaks of: only where nothing else runs is-db.
    assert!(said(open_source("3.17.2", "3.18.2")).contains("eui_block_index"));
    assert!(said(open_source("3.16.3", "3.18.2")).is_empty());
    assert!(said(open_source("3.19.2", "3.20.0")).contains("four old indexes"));
    assert!(said(open_source("3.19.1", "3.20.0")).is_empty());
    assert!(said(ecs("3.34.0", "3.34.1")).contains("go to 3.35.1 or newer"));
    // What a plan does by itself is said to those who go the path by hand, and not of the plan.
    let stable = ecs("3.34.0", "3.34.1").feature("timescale-in-use=0");
    assert!(path(&stable).done_by_plan[0].contains("5-x template"));
    assert!(!said(stable).contains("5-x template"));
    assert!(!said(ecs("3.34.1", "3.35.1")).contains("Amazon Linux 2023"));
    assert!(said(kubernetes("3.23.2", "3.25.0")).contains("no job for ns-db"));
    assert!(!said(kubernetes("3.24.2", "3.27.2")).contains("no job for ns-db"));
    assert!(said(Query::new("3.17.2", "3.18.0").driver("ami")).contains("only with 3.18.1"));
}

#[test]
fn pre_releases_are_below_their_release_and_say_so() {
    let to_one = path(&Query::new("3.10.6", "3.11.0-rc2").edition("open-source"));
    assert!(to_one.legs[0].migrations.is_empty());
    assert!(to_one.remarks[0].starts_with("3.11.0-rc2 is a pre-release"));
    let from_one = path(&Query::new("3.11.0-rc2", "3.11.0").edition("open-source"));
    assert_eq!(from_one.legs[0].migrations.len(), 2);
    assert!(from_one.remarks[0].starts_with("3.11.0-rc2 is a pre-release"));
}

#[test]
fn a_release_that_nobody_has_seen_is_a_target_by_name_and_says_so() {
    let path = path(&Query::new("3.32.1", "3.32.2").edition("open-source"));
    assert!(
        path.remarks[0].contains("no tag or image of it was found"),
        "{:?}",
        path.remarks
    );
}

#[test]
fn data_that_goes_on_purpose_is_named() {
    let gone = |from: &str, to: &str| -> Vec<String> {
        let path = path(&Query::new(from, to).edition("open-source"));
        let collections = path.deletions.into_iter().flat_map(|it| it.collections);
        collections.collect()
    };
    assert_eq!(
        gone("3.28.2", "3.29.0"),
        ["public.contact_infos", "public.contact_info_validations"]
    );
    assert!(gone("3.29.0", "3.32.1").is_empty());
}
