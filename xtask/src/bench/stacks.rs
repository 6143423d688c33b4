//! Thirty stacks at a stand-in for AWS: what a plan and an upgrade ask, and how long planning takes.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Row, report};
use crate::paths;
use crate::setup::{self, Engine};
use crate::tool::cargo;

/// Measures, prints a table and keeps it.
pub(super) fn run() -> Result<()> {
    if setup::all()? == Engine::Missing {
        bail!("the stand-in runs tasks as containers, and no Docker Engine can run here");
    }
    let place = match setup::aws()? {
        Ok(place) => place,
        Err(why) => bail!("the stand-ins for AWS cannot be installed: {why}"),
    };
    eprintln!("building with AWS, which takes a while, then measuring");
    let told = cargo()
        .dir(&paths::root())
        .args(["test", "--quiet", "--locked", "--release", "--lib"])
        .args(["--package", "switchback-aws", "--"])
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("live::thirty::figures_of_thirty_stacks")
        .env("SWITCHBACK_LIVE", "1")
        .env(setup::AWS, place)
        .answer()?;
    // Past the test harness, which has the other one to itself.
    let figures = told.stderr.lines().find(|line| line.starts_with('{'));
    let Some(line) = figures.filter(|_| told.status.success()) else {
        bail!(
            "the bench printed no figures:\n{}{}",
            told.stdout,
            told.stderr
        );
    };
    let table = report::table(&rows(&serde_json::from_str(line)?)?);
    println!("{table}");
    report::keep("thirty stacks at a stand-in for AWS", &table)
}

fn rows(figures: &Value) -> Result<Vec<Row>> {
    let number = |name: &str| {
        let number = figures[name].as_f64();
        number.with_context(|| format!("no `{name}` in {figures}"))
    };
    let (updates, steps) = (number("updates")?, number("steps")?);
    let times = |calls: &str, naive: &str| -> Result<String> {
        let (calls, naive) = (number(calls)?, number(naive)?);
        Ok(format!("{:.1} × fewer than {naive}", naive / calls))
    };
    Ok(vec![
        Row::new(
            "looking at everything",
            format!(
                "{:.2} s, {} calls",
                number("observe_ms")? / 1e3,
                number("observe_calls")?
            ),
            times("observe_calls", "observe_naive")? + " one by one",
        ),
        Row::new(
            format!("plan 3.26.0 → 3.36.0, {updates} updates, a change set of each, {steps} steps"),
            format!(
                "{:.2} s, {} calls",
                number("plan_ms")? / 1e3,
                number("plan_calls")?
            ),
            "< 2 s",
        ),
        Row::new(
            "of it our own: not waiting for an answer",
            format!("{:.0} ms", number("plan_own_ms")?),
            "< 100 ms",
        ),
        Row::new(
            "the upgrade, migrations in containers",
            format!(
                "{:.1} s, {} calls",
                number("apply_ms")? / 1e3,
                number("apply_calls")?
            ),
            times("apply_calls", "apply_naive")? + " of looking at everything before each step",
        ),
    ])
}
