//! `path`: offline questions, and the document that scripts rely on.

use crate::bench::Bench;

const OPEN_SOURCE: [&str; 6] = [
    "path",
    "the-things-stack",
    "--edition",
    "open-source",
    "--driver",
    "compose",
];

fn asked(more: &[&str]) -> Vec<&'static str> {
    // Leaked on purpose: a few words of a test.
    OPEN_SOURCE
        .iter()
        .copied()
        .chain(more.iter().map(|word| &*word.to_string().leak()))
        .collect()
}

#[test]
fn a_path_shows_its_stops_with_reasons() {
    let said = Bench::new().switchback(&asked(&["--from", "3.23.2", "--to", "3.32.1"]));
    insta::assert_snapshot!(said.all());
}

#[test]
fn an_answered_probe_takes_a_stop_away() {
    let arguments = asked(&[
        "--from",
        "3.23.2",
        "--to",
        "3.32.1",
        "--fact",
        "ns-schema=1",
    ]);
    let without = Bench::new().switchback(&asked(&["--from", "3.23.2", "--to", "3.32.1"]));
    let said = Bench::new().switchback(&arguments);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(without.stdout.contains("assumed"));
}

#[test]
fn the_same_version_is_nothing_to_do() {
    let said = Bench::new().switchback(&asked(&["--from", "3.32.1", "--to", "3.32.1"]));
    insta::assert_snapshot!(said.all(), @r"
    the-things-stack open-source 3.32.1: nothing to do
    --- exit 0
    ");
}

#[test]
fn a_downgrade_is_refused_with_its_facts() {
    let said = Bench::new().switchback(&asked(&["--from", "3.32.1", "--to", "3.31.0"]));
    insta::assert_snapshot!(said.all());
}

#[test]
fn the_document_is_stable() {
    let arguments = asked(&["--from", "3.23.2", "--to", "3.32.1", "--format", "json"]);
    let said = Bench::new().switchback(&arguments);
    let document: serde_json::Value =
        serde_json::from_str(&said.stdout).expect("the answer is JSON");
    assert_eq!(document["format"], 1);
    assert_eq!(document["outcome"], "path");
    assert_eq!(document["because"][0]["assumed"], true);
    assert_eq!(document["stages"][0]["to"], "3.24.2");
    assert_eq!(document["stages"][0]["required_by"][0], "ns-through-3.24");
    assert_eq!(document["stages"][1]["migrations"][0]["id"], "is-db");
    assert_eq!(
        document["stages"][1]["migrations"][0]["run"],
        serde_json::json!(["is-db", "migrate"])
    );
    assert!(document["templates"].is_array());
}

#[test]
fn a_refusal_is_a_document_too() {
    let arguments = asked(&["--from", "3.32.1", "--to", "3.31.0", "--format", "json"]);
    let said = Bench::new().switchback(&arguments);
    let document: serde_json::Value =
        serde_json::from_str(&said.stdout).expect("the answer is JSON");
    assert_eq!(document["outcome"], "refused");
    assert_eq!(said.code, 3);
    assert_eq!(said.stderr, "");
}

#[test]
fn the_catalog_is_listed_and_sound() {
    let bench = Bench::new();
    let listed = bench.switchback(&["catalog", "list"]);
    assert!(listed.stdout.contains("the-things-stack"), "{listed:?}");
    let linted = bench.switchback(&["catalog", "lint"]);
    assert_eq!(linted.code, 0, "{linted:?}");
    let shown = bench.switchback(&["catalog", "show", "sentry"]);
    assert!(shown.stdout.contains("never run 25.5.1"), "{shown:?}");
}
