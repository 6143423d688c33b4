//! What is told where there is no way: each reason with its text, its source and its hints.

use switchback_model::product::{Product, parse};
use switchback_planner::path::{Policy, Query, Refusal, find, newest, next_goal};

fn the_things_stack() -> Product {
    switchback_catalog::load("the-things-stack")
        .expect("the product is built in")
        .expect("its definition is well-formed")
}

fn refused(product: &Product, query: &Query) -> Refusal {
    find(product, query).expect_err("the path is refused")
}

/// The refusal as an operator reads it.
fn told(query: &Query) -> String {
    let refusal = refused(&the_things_stack(), query);
    let mut lines = refusal.sentences();
    let problem = refusal.to_problem();
    lines.extend(problem.hints.iter().map(|hint| format!("hint: {hint}")));
    lines.join("\n")
}

fn open_source(from: &str, to: &str) -> Query {
    Query::new(from, to).edition("open-source")
}

#[test]
fn a_downgrade_names_what_cannot_be_taken_back() {
    assert_eq!(
        told(&open_source("3.32.1", "3.28.2")),
        "3.28.2 is older than 3.32.1, and no source describes how migrations are taken back \
         [definition of the-things-stack]
3.29.0: The migration deletes the rows of the table contact_infos and has no step back. \
         [CHANGELOG.md 3.29.0; code v3.29.0 pkg/identityserver/store/migrations/\
         20240100200000_contact_info_removal.up.sql]
hint: going back means restoring a backup: switchback rollback takes back a run"
    );
}

#[test]
fn a_release_that_never_was_is_told_with_its_neighbours() {
    assert_eq!(
        told(&open_source("3.9.1", "3.9.2")),
        "there is no release 3.9.2 of the-things-stack [definition of the-things-stack]
hint: known versions near it: 3.9.5, 3.9.4, 3.9.3"
    );
}

#[test]
fn a_release_of_another_edition_is_told_with_its_source() {
    assert_eq!(
        told(&open_source("3.32.1", "3.33.0")),
        "3.33.0 is a release of the enterprise edition, not of open-source [release notes]
hint: known versions near it: 3.32.2, 3.32.1, 3.32.0"
    );
}

#[test]
fn an_edition_that_does_not_come_for_a_kind_of_deployment_is_told() {
    assert_eq!(
        told(&open_source("3.24.2", "3.25.0").driver("ecs")),
        "the open-source edition does not come for cloudformation, only enterprise [definition of the-things-stack]
hint: use --edition with one of: enterprise"
    );
}

#[test]
fn a_version_above_all_known_ones_is_told() {
    assert_eq!(
        told(&Query::new("3.35.0", "3.40.0").edition("enterprise")),
        "3.40.0 is newer than the definition, which ends at 3.36.0 [definition of the-things-stack]
hint: a newer switchback may know it; see switchback catalog show
hint: known versions near it: 3.36.0, 3.35.2, 3.35.1"
    );
}

#[test]
fn a_moving_tag_is_told_with_the_releases_of_its_line() {
    assert_eq!(
        told(&open_source("3.23.2", "3.24")),
        "`3.24` is not a version: three numbers such as `1.2.3`, optionally `-rc1`, expected \
         [definition of the-things-stack]
hint: known versions near it: 3.24.2, 3.24.1, 3.24.0"
    );
    assert!(told(&open_source("3.x", "3.24.2")).contains("`3.x` is not a version"));
    assert_eq!(
        refused(&the_things_stack(), &open_source("latest", "3.24.2")).id(),
        "unknown-version:from"
    );
    assert_eq!(
        refused(&the_things_stack(), &open_source("3.23.2", "latest")).id(),
        "unknown-version:to"
    );
}

#[test]
fn editions_and_drivers_that_are_not_there_are_told() {
    assert_eq!(
        told(&Query::new("3.23.2", "3.24.2")),
        "the-things-stack has editions: open-source, enterprise [definition of the-things-stack]
hint: use --edition with one of: open-source, enterprise"
    );
    assert_eq!(
        told(&Query::new("3.23.2", "3.24.2").edition("cloud")),
        "`cloud` is no edition of the-things-stack [definition of the-things-stack]
hint: use --edition with one of: open-source, enterprise"
    );
    assert_eq!(
        told(&open_source("3.23.2", "3.24.2").driver("swarm")),
        "`swarm` is not described, only compose, exec, cloudformation, ami, kubernetes [definition of the-things-stack]
hint: use --driver with one of: compose, exec, cloudformation, ami, kubernetes"
    );
}

#[test]
fn a_policy_against_stops_refuses_paths_that_need_them() {
    let policy = Policy {
        stops: false,
        ..Policy::default()
    };
    assert_eq!(
        told(&open_source("3.22.2", "3.30.0").policy(policy)),
        "the policy forbids stops, and this path needs them [policy: stops]
3.25.0 removed the Network Server migrations from before 3.24, so they have to be run by a 3.24 release \
         [CHANGELOG.md 3.25.0; code v3.25.0 cmd/ttn-lw-stack/commands/ns_db.go]
hint: drop `stops = false` under [policy] in switchback.toml
hint: use --to 3.24.2"
    );
    let direct = open_source("3.22.2", "3.24.2").policy(policy);
    assert!(find(&the_things_stack(), &direct).is_ok());
}

#[test]
fn a_policy_against_pre_releases_refuses_them_as_targets_only() {
    let policy = Policy {
        pre_releases: false,
        ..Policy::default()
    };
    assert_eq!(
        told(&open_source("3.10.6", "3.11.0-rc2").policy(policy)),
        "3.11.0-rc2 is a pre-release, and the policy does not allow those [policy: pre-releases]
hint: set `pre-releases = true` under [policy] in switchback.toml"
    );
    let from_one = open_source("3.11.0-rc2", "3.11.0").policy(policy);
    assert!(find(&the_things_stack(), &from_one).is_ok());
}

const POISONED: &str = r#"
[product]
id = "demo"
name = "Demo"
scheme = "semver"

[[datastore]]
name = "main"
kind = "postgres"
images = []

[[migration]]
id = "old-db"
datastore = "main"
run = ["old"]
exists = "<1.3.0"

[[release]]
version = "1.0.0"
source = "notes"

[[release]]
version = "1.1.0"
demands = [{ migration = "old-db", because = "adds a key", source = "notes 1.1.0" }]
source = "notes"

[[release]]
version = "1.2.0"
source = "notes"

[[release]]
version = "1.3.0"
source = "notes"

[[release]]
version = "1.4.0-rc1"
source = "notes"
"#;

fn demo(more: &str) -> Product {
    let text = format!("{POISONED}{more}");
    parse::parse(&[("demo.toml", &text)])
        .expect("the definition is well-formed")
        .product
}

#[test]
fn a_stop_that_is_poisoned_without_substitute_leaves_no_way() {
    let product = demo(
        r#"
[[stop]]
id = "through-1.2"
kind = "run"
at = ["1.2.0"]
because = "1.3.0 removed the old format"
source = "notes 1.3.0"

[[poisoned]]
version = "1.2.0"
because = "it loses data"
source = "issue 7"
"#,
    );
    let refusal = refused(&product, &Query::new("1.1.0", "1.3.0"));
    assert_eq!(refusal.id(), "stop-unreachable:through-1.2");
    assert_eq!(
        refusal.sentences(),
        [
            "1.3.0 removed the old format; of 1.2.0 none can be run here [notes 1.3.0]",
            "1.2.0 must not be run: it loses data [issue 7]"
        ]
    );
}

#[test]
fn a_poisoned_target_is_refused_with_its_substitute() {
    let product = demo(
        r#"
[[poisoned]]
version = "1.1.0"
substitute = "1.2.0"
because = "it loses data"
source = "issue 7"
"#,
    );
    let refusal = refused(&product, &Query::new("1.0.0", "1.1.0"));
    assert_eq!(refusal.id(), "poisoned:1.1.0");
    assert_eq!(refusal.to_problem().hints, ["use --to 1.2.0"]);
}

#[test]
fn a_demand_that_no_release_on_the_path_can_meet_is_told() {
    let refusal = refused(&demo(""), &Query::new("1.0.0", "1.3.0"));
    assert_eq!(refusal.id(), "no-image:old-db");
    assert_eq!(
        refusal.sentences(),
        [
            "old-db is demanded, and 1.3.0 does not have it (releases <1.3.0 do) [definition of demo]",
            "1.1.0 demands old-db [notes 1.1.0]"
        ]
    );
}

#[test]
fn a_release_of_which_only_a_candidate_exists_is_told_with_it() {
    let refusal = refused(&demo(""), &Query::new("1.2.0", "1.4.0"));
    assert_eq!(
        refusal.to_problem().hints.last().map(String::as_str),
        Some("only a pre-release of it exists: --to 1.4.0-rc1")
    );
}

#[test]
fn the_newest_release_of_an_edition_is_finished_and_its_own() {
    let product = the_things_stack();
    let text = |edition| newest(&product, edition).map(|version| version.to_string());
    assert_eq!(text(Some("open-source")).as_deref(), Some("3.32.1"));
    assert_eq!(text(Some("enterprise")).as_deref(), Some("3.36.0"));
    assert_eq!(newest(&demo(""), None), Some("1.3.0".into()));
}

#[test]
fn whoever_is_ahead_of_every_goal_stays_there() {
    let product = the_things_stack();
    let goal = |from: &str| next_goal(&product, Some("open-source"), &from.into());
    assert_eq!(goal("3.23.2"), "3.32.1".into());
    assert_eq!(goal("3.32.1"), "3.32.1".into());
    for ahead in ["3.36.0", "99.0.0"] {
        assert_eq!(goal(ahead), ahead.into());
    }
    for ahead in ["3.36.0", "99.0.0"] {
        let path = find(&product, &open_source(ahead, ahead)).expect("there is nothing to refuse");
        assert!(path.is_nothing());
    }
    let refusal = refused(&product, &open_source("99.0.0", "99.1.0"));
    assert_eq!(refusal.id(), "unknown-version:from");
}
