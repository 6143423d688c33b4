//! Tasks of this repository: `cargo xtask check|test|demo|bench`, and the pieces they are made of.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal: stdout is the answer, stderr is progress"
)]

mod bench;
mod check;
mod demo;
mod deployment;
mod images;
mod live;
mod outage;
mod paths;
mod setup;
mod test;
mod tidy;
mod tool;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::deployment::{Contents, Deployment};
use crate::images::Edition;

const USAGE: &str = "\
Tasks of this repository: cargo xtask TASK

  check             what CI runs first: formatting, lints, tidiness, licences, documentation
  test              all tests, those on real Docker, PostgreSQL and Redis included
  demo [--local]    a real upgrade: planned, rehearsed, applied, rolled back; killed in the middle; --local without
                    containers
  demo --picture    draws the terminal of the front page anew: docs/images/demo.svg
  bench             measures, and compares with an Ansible playbook and a shell script
  bench shadows [--size 1G] [--redis 1G] [--times N] [--no-dump] [--program PATH]
                    the same upgrade by the documented runbook, by dumps and by shadows
  bench files [COUNT]
                    a shadow of very many small files
  bench stacks      thirty stacks at a stand-in for AWS
  setup             installs and starts what tests and demo need
  standins          installs what tests ask instead of AWS and MongoDB, and says by which variables they find it
  deploy DIR VERSION [--rows N] [--port P] [--enterprise]
                    brings up a deployment with data
  live [WORD]       the tests on real Docker alone; those whose name contains the word
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
        ["bench", rest @ ..] => bench::run(rest),
        ["demo"] => demo::run(false),
        ["demo", "--local"] => demo::run(true),
        ["demo", "--picture"] => demo::draw(),
        ["check"] => check::run(),
        [live::INSIDE, dir] => live::inside(dir),
        ["live", rest @ ..] => live(rest.first().copied()),
        ["test"] => test::run(),
        ["tidy"] => tidy::run(),
        ["setup"] => setup::all().map(drop),
        ["standins"] => stand_ins(),
        ["deploy", dir, version, rest @ ..] => deploy(dir, version, rest),
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

fn stand_ins() -> Result<()> {
    for stand_in in setup::stand_ins()? {
        match stand_in.place {
            Ok(place) => println!("export {}={}", stand_in.variable, place.display()),
            Err(why) => bail!("no {} can be installed here: {why}", stand_in.name),
        }
    }
    Ok(())
}

fn deploy(dir: &str, version: &str, rest: &[&str]) -> Result<()> {
    let number = |name: &str, default: u32| -> Result<u32> {
        match rest.iter().position(|word| *word == name) {
            Some(at) => rest
                .get(at + 1)
                .with_context(|| format!("{name} needs a number"))?
                .parse()
                .context("not a number"),
            None => Ok(default),
        }
    };
    let edition = if rest.contains(&"--enterprise") {
        Edition::Enterprise
    } else {
        Edition::OpenSource
    };
    let port = u16::try_from(number("--port", 1885)?).context("not a port")?;
    setup::all()?;
    images::releases(&[version])?;
    std::fs::create_dir_all(dir)?;
    let dir = std::fs::canonicalize(dir)?;
    let deployment = Deployment::write(&dir, port, edition, version)?;
    deployment.install(version, number("--rows", 1_000)?)?;
    println!(
        "{version} runs in {}: {}",
        dir.display(),
        Contents::read(&deployment)?
    );
    Ok(())
}

fn live(wanted: Option<&str>) -> Result<()> {
    setup::all()?;
    images::all()?;
    if live::run(wanted, None)? {
        return Ok(());
    }
    bail!("not every live test passed")
}
