//! The page of commands, as the program describes them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;

use crate::page;

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
    page::is("commands.md", &page);
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
