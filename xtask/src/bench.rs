//! `cargo xtask bench`: figures of this machine, ours beside those of an Ansible playbook and of a shell script.

mod files;
mod machine;
mod procedure;
mod program;
mod report;
mod shadows;
mod stacks;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::paths;
use crate::setup::{self, Need};
use crate::tool::cargo;

/// One line of the table.
pub(crate) struct Row {
    what: String,
    measured: String,
    goal: String,
}

impl Row {
    fn new(what: impl Into<String>, measured: impl Into<String>, goal: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            measured: measured.into(),
            goal: goal.into(),
        }
    }
}

/// Measures, prints a table and keeps it in `docs/benchmarks.md`.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    match words {
        [] => everything_small(),
        ["shadows", rest @ ..] => shadows::run(rest),
        ["files", rest @ ..] => files::run(rest),
        ["stacks"] => stacks::run(),
        _ => bail!("usage: cargo xtask bench [shadows [--size 1G] | files [COUNT] | stacks]"),
    }
}

/// Planner, engine, program.
fn everything_small() -> Result<()> {
    setup::packages(&[Need::Python])?;
    let mut rows = figures()?;
    rows.extend(procedure::rows(&rows)?);
    rows.extend(program::rows()?);
    let table = report::table(&rows);
    println!("{table}");
    report::keep("planner, engine, program", &table)
}

/// Planning and the engine, measured inside the process.
fn figures() -> Result<Vec<Row>> {
    eprintln!("measuring planner and engine");
    let told = cargo()
        .dir(&paths::root())
        .args([
            "bench",
            "--quiet",
            "--locked",
            "--package",
            "switchback-testkit",
            "--bench",
            "figures",
        ])
        .read()?;
    let line = told
        .lines()
        .find(|line| line.starts_with('{'))
        .context("the bench printed no figures")?;
    let figures: Value = serde_json::from_str(line)?;
    let number = |name: &str| {
        figures[name]
            .as_f64()
            .with_context(|| format!("no `{name}` in {line}"))
    };
    Ok(vec![
        Row::new(
            format!(
                "path GitLab 8.17 → 18.11, {} stages",
                number("gitlab_stages")?
            ),
            format!("{:.2} ms", number("plan_gitlab_ms")?),
            "< 10 ms",
        ),
        Row::new(
            format!(
                "path through 5,000 releases, {} stages",
                number("synthetic_stages")?
            ),
            format!("{:.2} ms", number("plan_synthetic_ms")?),
            "–",
        ),
        Row::new(
            format!(
                "plan of {} stacks 3.14.0 → 3.26.0 from what was observed, {} steps",
                number("stacks")?,
                number("stack_steps")?
            ),
            format!("{:.2} ms", number("plan_stacks_ms")?),
            "< 100 ms",
        ),
        Row::new(
            procedure::ENGINE,
            format!("{:.2} ms", number("engine_step_ms")?),
            "< 3 ms",
        ),
    ])
}
