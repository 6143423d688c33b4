//! Tasks of this repository: `cargo xtask check|test|demo|bench`, and the pieces they are made of.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal: stdout is the answer, stderr is progress"
)]

mod images;
mod paths;
mod setup;
mod tool;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
Tasks of this repository: cargo xtask TASK

  check             what CI runs first: formatting, lints, tidiness, licences, documentation
  test              all tests, those on real Docker, PostgreSQL and Redis included
  demo              a real upgrade: applied, killed, resumed, rolled back
  bench             measures, and compares with an Ansible playbook and a shell script
  setup             installs and starts what tests and demo need
  images [VERSION]  makes the container images that tests and demo use";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["setup"] => setup::all().map(drop),
        ["images"] => images::all(),
        ["images", "datastores"] => images::datastores(),
        ["images", versions @ ..] => images::releases(versions),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        [other, ..] => bail!("there is no task `{other}`\n\n{USAGE}"),
    }
}
