//! Bad input, named: each has the three-part error and its exit code, and changes nothing.

use switchback_testkit::Scenario;

use crate::bench::{Bench, Said};

fn refused(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!(said.code, code, "{said:?}");
    for part in parts {
        assert!(
            said.stderr.contains(part),
            "`{part}` is missing:\n{}",
            said.stderr
        );
    }
}

#[test]
fn a_directory_without_a_deployment() {
    let said = Bench::new().switchback(&["plan"]);
    insta::assert_snapshot!(said.all(), @r"
    --- stderr
    error: no `switchback.toml` in `/tmp/bench-000000/lab` or above it
      hint: where the compose file is, type `switchback init`
            or name the deployment: --deployment NAME|DIR
    --- exit 2
    ");
}

#[test]
fn init_without_a_compose_file() {
    let bench = Bench::new();
    let said = bench.switchback(&["init"]);
    insta::assert_snapshot!(said.all());
    assert!(!bench.lab().join("switchback.toml").exists());
}

#[test]
fn init_never_overwrites() {
    let bench = Bench::new();
    bench.file("switchback.toml", "product = \"the-things-stack\"\n");
    let said = bench.switchback(&["init"]);
    insta::assert_snapshot!(said.all());
}

#[test]
fn a_misspelt_key_is_pointed_at() {
    let bench = Bench::new();
    bench.file(
        "switchback.toml",
        "product = \"the-things-stack\"\n\n[compose]\nfile = [\"docker-compose.yml\"]\n",
    );
    insta::assert_snapshot!(bench.switchback(&["plan"]).all());
}

#[test]
fn a_rate_that_is_none_is_pointed_at() {
    let bench = Bench::new();
    let told = |rate: &str| {
        let text = format!(
            "product = \"the-things-stack\"\n\n[datastores.identity]\nmax-rate = \"{rate}\"\n"
        );
        bench.file("switchback.toml", &text);
        bench.switchback(&["plan"]).all()
    };
    insta::assert_snapshot!("no_rate", told("50 Mbit"));
    insta::assert_snapshot!("slow_rate", told("10kB"));
}

#[test]
fn a_period_that_is_none_is_said_before_anything_is_removed() {
    let bench = Bench::new();
    bench.file(
        "switchback.toml",
        "product = \"the-things-stack\"\n\n[backup]\nkeep-shadows = \"a day\"\n",
    );
    let said = bench.switchback(&["backup", "prune", "--yes"]);
    assert_eq!(said.code, 2, "{said:?}");
    insta::assert_snapshot!(said.stderr);
}

#[test]
fn an_unknown_product() {
    let bench = Bench::new();
    bench.file("switchback.toml", "product = \"the-thing-stack\"\n");
    insta::assert_snapshot!(bench.switchback(&["plan"]).all());
}

#[test]
fn a_plan_file_that_was_altered_by_a_byte() {
    let bench = Bench::new();
    let (plan, ended) = bench.simulate(&Scenario::one_leg(), "r-7c1d0000");
    ended.expect("the simulated deployment is sound");
    let text = plan.to_json().replacen("3.32.1", "3.32.2", 1);
    bench.file("plan.json", &text);
    bench.file("switchback.toml", "product = \"the-things-stack\"\n");
    let said = bench.switchback(&["apply", "plan.json", "--yes"]);
    refused(
        &said,
        3,
        &[
            "was altered after it was made",
            "state: deployment not touched",
            "hint: plan again",
        ],
    );
}

#[test]
fn a_plan_of_a_newer_format() {
    let bench = Bench::new();
    bench.file("plan.json", "{\"format\": 99}\n");
    let said = bench.switchback(&["apply", "plan.json", "--yes"]);
    refused(
        &said,
        3,
        &["has format 99", "hint: use the newer switchback"],
    );
}

#[test]
fn a_journal_of_a_newer_version() {
    let bench = Bench::new();
    bench.file("switchback.toml", "product = \"the-things-stack\"\n");
    bench
        .simulate(&Scenario::one_leg(), "r-7c1d0000")
        .1
        .expect("it is sound");
    let journal = bench.state().root().join("journal.db");
    newer(&journal);
    let said = bench.switchback(&["history"]);
    refused(&said, 3, &["has format", "hint: use the newer switchback"]);
}

/// SQLite keeps the application's version as a big-endian number at byte 60 of the first page.
fn newer(journal: &std::path::Path) {
    let mut bytes = std::fs::read(journal).expect("it was written");
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(journal, bytes).expect("it is ours");
    for beside in ["journal.db-wal", "journal.db-shm"] {
        let _ = std::fs::remove_file(journal.with_file_name(beside));
    }
}

#[test]
fn a_journal_that_is_no_database() {
    let bench = Bench::new();
    bench.file("switchback.toml", "product = \"the-things-stack\"\n");
    std::fs::write(
        bench.state().root().join("journal.db"),
        "not a database, but long enough to be looked at as one",
    )
    .expect("it is ours");
    let said = bench.switchback(&["history"]);
    refused(
        &said,
        3,
        &["is damaged", "state: deployment not touched", "hint:"],
    );
}

#[test]
fn ids_that_are_unknown_or_ambiguous() {
    let bench = Bench::new();
    bench
        .simulate(&Scenario::one_leg(), "r-7c1d0000")
        .1
        .expect("it is sound");
    refused(
        &bench.switchback(&["log", "r-9"]),
        2,
        &["no run is called `r-9`", "switchback history"],
    );
    refused(
        &bench.switchback(&["log", "--output", "1", "7c"]),
        2,
        &["step 1 of run", "hint:"],
    );
    refused(
        &bench.switchback(&["apply", "p-zz"]),
        2,
        &["no plan is called `p-zz`"],
    );
}

#[test]
fn a_run_that_is_done_is_not_run_again() {
    let bench = Bench::new();
    bench.file("switchback.toml", "product = \"the-things-stack\"\n");
    bench
        .simulate(&Scenario::one_leg(), "r-7c1d0000")
        .1
        .expect("it is sound");
    let said = bench.switchback(&["resume"]);
    insta::assert_snapshot!(said.all());
}

#[test]
fn definitions_with_mistakes_are_pointed_at() {
    let bench = Bench::new();
    let folder = bench.lab().join("catalog/widget");
    std::fs::create_dir_all(&folder).expect("it is ours");
    std::fs::write(
        folder.join("product.toml"),
        "[product]\nid = \"widget\"\nname = \"Widget\"\nscheme = \"semver\"\ndrivers = [\"compose\"]\ncolour = \"red\"\n",
    )
    .expect("it is ours");
    let said = bench.switchback(&["--catalog", "catalog", "catalog", "lint"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.stdout.contains("product.toml:6"), "{said:?}");
}

#[test]
fn a_state_directory_that_cannot_be_one() {
    let bench = Bench::new();
    bench.file("state", "a file");
    let said = bench.switchback(&["--state", "state", "history"]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.stderr.contains("cannot use"), "{said:?}");
}

#[test]
fn errors_are_documents_where_json_was_asked_for() {
    let said = Bench::new().switchback(&["plan", "--format", "json"]);
    let document: serde_json::Value =
        serde_json::from_str(&said.stdout).expect("the answer is JSON");
    assert_eq!(document["problem"]["code"], "no-deployment");
    assert_eq!(document["problem"]["exit"], "usage");
    assert_eq!(said.stderr, "");
}
