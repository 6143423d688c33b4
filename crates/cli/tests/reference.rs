//! Keeps `docs/reference` true: the commands' page is generated from the program, and the
//! annotated configuration is read by the code that reads everybody's.
//!
//! `UPDATE_REFERENCE=1 cargo test --package switchback --test reference` writes the page anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use switchback_model::Config;

/// Every command, in the order in which one meets them.
const COMMANDS: &[&[&str]] = &[
    &["init"],
    &["plan"],
    &["rehearse"],
    &["apply"],
    &["resume"],
    &["rollback"],
    &["rollover"],
    &["status"],
    &["history"],
    &["log"],
    &["doctor"],
    &["path"],
    &["backup"],
    &["backup", "list"],
    &["backup", "create"],
    &["backup", "prove"],
    &["backup", "restore"],
    &["backup", "prune"],
    &["catalog"],
    &["catalog", "list"],
    &["catalog", "show"],
    &["catalog", "lint"],
    &["catalog", "test"],
    &["completions"],
    &["man"],
];

fn document(name: &str) -> PathBuf {
    let documents = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference");
    PathBuf::from(documents).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(document(name)).expect("the document is there")
}

/// What `help` prints about a command, up to the options that every command has.
fn help(command: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_switchback"))
        .arg("help")
        .args(command)
        .env("COLUMNS", "100")
        .env_remove("SWITCHBACK_CATALOG")
        .env_remove("SWITCHBACK_STATE")
        .env_remove("SWITCHBACK_DEPLOYMENT")
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "help {command:?}");
    let text = String::from_utf8(output.stdout).expect("help is UTF-8");
    let own = text.split("\nEverywhere:\n").next().unwrap_or(&text);
    own.trim_end().to_owned()
}

fn everywhere() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_switchback"))
        .arg("--help")
        .env("COLUMNS", "100")
        .env_remove("SWITCHBACK_CATALOG")
        .env_remove("SWITCHBACK_STATE")
        .env_remove("SWITCHBACK_DEPLOYMENT")
        .output()
        .expect("the program starts");
    let text = String::from_utf8(output.stdout).expect("help is UTF-8");
    let (_, after) = text
        .split_once("\nEverywhere:\n")
        .expect("options for every command");
    after.trim_end().to_owned()
}

#[test]
fn the_page_of_commands_is_what_the_program_says() {
    let mut page = String::from(
        "# Commands\n\nGenerated from the program: `switchback help COMMAND` prints the same.\n",
    );
    for command in COMMANDS {
        let _ = write!(
            page,
            "\n## switchback {}\n\n```text\n{}\n```\n",
            command.join(" "),
            help(command)
        );
    }
    let _ = write!(page, "\n## Everywhere\n\n```text\n{}\n```\n", everywhere());
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(document("commands.md"), &page).expect("the page can be written");
    }
    assert!(
        read("commands.md") == page,
        "docs/reference/commands.md is not what the program says: run UPDATE_REFERENCE=1 cargo test --package switchback --test reference"
    );
}

#[test]
fn no_command_is_missing_from_the_page() {
    let described: BTreeSet<&str> = COMMANDS.iter().map(|command| command[0]).collect();
    let output = Command::new(env!("CARGO_BIN_EXE_switchback"))
        .arg("--help")
        .output()
        .expect("the program starts");
    let text = String::from_utf8(output.stdout).expect("help is UTF-8");
    let (_, commands) = text.split_once("Commands:\n").expect("a list of commands");
    let listed: BTreeSet<&str> = commands
        .lines()
        .take_while(|line| !line.trim().is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert_eq!(listed, described);
}

/// The TOML of the page, all blocks in order: each is a file of its own.
fn examples() -> Vec<String> {
    let page = read("configuration.md");
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
    let mut whole = read_source("config.rs");
    whole.extend(read_source("config/aws.rs"));
    whole.extend(read_source("config/prices.rs"));
    whole.retain(|line| {
        line.starts_with("    pub ") && line.contains(':') && !line.contains(" fn ")
    });
    let fields = whole
        .iter()
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next());
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
        "certificates-used",
        "prices",
        "datastores",
        "verify",
        "policy",
        "names",
    ];
    let unknown: Vec<String> = fields
        .map(|field| field.replace('_', "-"))
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

fn read_source(name: &str) -> Vec<String> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../model/src")).join(name);
    let text = std::fs::read_to_string(path).expect("the source is there");
    text.lines().map(str::to_owned).collect()
}
