//! Saved plans: shown, handed over as files, refused without a yes.

use switchback_model::plan::{Notice, Plan};
use switchback_model::product::NoticeKind;
use switchback_testkit::Scenario;

use crate::bench::Bench;

/// A plan for the bench's deployment that was not run yet.
fn saved(bench: &Bench, notices: Vec<Notice>) -> Plan {
    let mut plan = Scenario::one_leg().plan;
    plan.deployment.directory = bench.lab().display().to_string();
    plan.notices = notices;
    let plan = plan.seal();
    bench
        .state()
        .save_plan(&plan)
        .expect("the directory is ours");
    bench.file("switchback.toml", "product = \"the-things-stack\"\n");
    plan
}

fn to_accept() -> Notice {
    Notice {
        id: "contact-infos-deleted".to_owned(),
        kind: NoticeKind::OneWay,
        version: "3.29.0".into(),
        text: "The migration deletes the table contact_infos.".to_owned(),
        found: Some("1,204 rows here".to_owned()),
        source: "CHANGELOG.md 3.29.0".to_owned(),
        accept: Some("contact-infos".to_owned()),
    }
}

#[test]
fn without_a_terminal_a_yes_has_to_be_said() {
    let bench = Bench::new();
    saved(&bench, Vec::new());
    insta::assert_snapshot!(bench.switchback(&["apply"]).all());
}

#[test]
fn what_has_to_be_accepted_is_told_with_the_command_to_type() {
    let bench = Bench::new();
    saved(&bench, vec![to_accept()]);
    insta::assert_snapshot!(bench.switchback(&["apply", "--yes"]).all());
}

#[test]
fn a_plan_names_what_has_to_be_accepted() {
    let bench = Bench::new();
    let plan = saved(&bench, vec![to_accept()]);
    insta::assert_snapshot!(
        bench
            .switchback(&["plan", "--show", plan.id.as_str()])
            .all()
    );
}

#[test]
fn a_plan_is_written_for_a_change_request() {
    let bench = Bench::new();
    let plan = saved(&bench, vec![to_accept()]);
    let arguments = ["plan", "--show", plan.id.as_str(), "--format", "markdown"];
    insta::assert_snapshot!(bench.switchback(&arguments).all());
}

#[test]
fn a_plan_as_a_document_names_the_next_command() {
    let bench = Bench::new();
    let plan = saved(&bench, Vec::new());
    let said = bench.switchback(&["plan", "--show", plan.id.as_str(), "--format", "json"]);
    let document: serde_json::Value =
        serde_json::from_str(&said.stdout).expect("the answer is JSON");
    assert_eq!(document["format"], 1);
    assert_eq!(document["plan"]["deployment"]["name"], "lab");
    assert_eq!(document["next"], "switchback apply p-000000000000");
}

#[test]
fn without_a_plan_apply_says_how_to_make_one() {
    let bench = Bench::new();
    bench.file("switchback.toml", "product = \"the-things-stack\"\n");
    insta::assert_snapshot!(bench.switchback(&["apply", "--yes"]).all());
}
