//! The annotated configuration, read by the code that reads everybody's.

use std::collections::BTreeSet;

use switchback_model::Config;

use crate::{page, source};

/// The TOML of the page, all blocks in order: each is a file of its own.
fn examples() -> Vec<String> {
    let page = page::read("configuration.md");
    let blocks = page.split("```toml\n").skip(1);
    blocks
        .filter_map(|block| block.split("```").next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_example_of_a_configuration_is_one() {
    let examples = examples();
    assert!(!examples.is_empty());
    for example in examples {
        let read: Result<Config, _> = toml::from_str(&example);
        assert!(read.is_ok(), "{example}\n{}", read.expect_err("not read"));
    }
}

/// A key that nobody can look up is a key that nobody uses.
#[test]
fn the_examples_show_every_key() {
    let mut shown = BTreeSet::new();
    for example in examples() {
        let table: toml::Table = toml::from_str(&example).expect("the example is TOML");
        keys(&table, &mut shown);
    }
    let known = [
        "name",
        "product",
        "edition",
        "features",
        "files",
        "project",
        "releases",
        "current",
        "environment",
        "services",
        "binary",
        "service",
        "database",
        "user",
        "password",
        "address",
        "directory",
        "backup",
        "max-rate",
        "volatile",
        "options",
        "engine",
        "patience",
        "ssh",
        "config",
        "start",
        "url",
        "api-key",
        "stops",
        "pre-releases",
        "require-rehearsal",
        "repository",
        "keep-shadows",
        "keep-last",
        "keep-daily",
        "keep-weekly",
        "keep-monthly",
        "kind",
        "profile",
        "region",
        "role",
        "version",
        "endpoint",
        "templates",
        "bucket",
        "leave",
        "renew",
        "healthy",
        "warm-up",
        "objects-back",
        "domains",
        "custom-certificates",
        "currency",
        "servers",
        "storage",
        "snapshot",
        "disk-snapshot",
        "task-processor",
        "task-memory",
    ];
    let missing: Vec<&str> = known
        .into_iter()
        .filter(|key| !shown.contains(*key))
        .collect();
    assert!(missing.is_empty(), "not shown: {missing:?}");
    let sources =
        ["config.rs", "config/aws.rs", "config/prices.rs"].map(|name| source::of("model", name));
    let items = sources.iter().flat_map(|text| source::items(text));
    let fields = items
        .filter(|item| !item.is_enum)
        .flat_map(|item| item.parts);
    let structure = [
        "compose",
        "exec",
        "packages",
        "host",
        "aws",
        "stacks",
        "add",
        "parameters",
        "keep",
        "refresh",
        "certificates-used",
        "prices",
        "datastores",
        "verify",
        "policy",
        "names",
    ];
    let unknown: Vec<String> = fields
        .map(|field| field.key)
        .filter(|field| !known.contains(&field.as_str()) && !structure.contains(&field.as_str()))
        .collect();
    assert!(
        unknown.is_empty(),
        "keys that this test and the page do not know: {unknown:?}"
    );
}

fn keys(table: &toml::Table, into: &mut BTreeSet<String>) {
    for (key, value) in table {
        into.insert(key.clone());
        if let toml::Value::Table(inner) = value {
            keys(inner, into);
        }
    }
}

/// What the program asks its environment for, but for what its own tests set.
#[test]
fn every_variable_of_the_environment_is_on_the_page() {
    let page = page::read("configuration.md");
    let (_, table) = page
        .split_once("## Environment")
        .expect("the page tells of the environment");
    let crates = [
        "cli",
        "drivers",
        "datastores",
        "engine",
        "journal",
        "backup",
        "rollover",
    ];
    let mut asked = BTreeSet::new();
    for (_, text) in crates.iter().flat_map(|name| source::all(name, "")) {
        for before in ["env::var(\"", "env::var_os(\"", "env = \""] {
            let found = text.split(before).skip(1);
            asked.extend(found.filter_map(|after| Some(after.split_once('"')?.0.to_owned())));
        }
    }
    assert!(asked.contains("SWITCHBACK_STATE"), "{asked:?}");
    let of_tests =
        |name: &String| name.starts_with("SWITCHBACK_TEST_") || name == "SWITCHBACK_LIVE";
    let missing: Vec<&String> = asked
        .iter()
        .filter(|name| !of_tests(name) && !table.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "not told: {missing:?}");
}
