//! Servers of datastores that become the next major version, are killed on the way, and go back.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Case;
use super::judge;
use super::lab::Lab;
use super::repository;
use super::subject::{BACK, Subject, as_strs};
use crate::deployment::Site;
use crate::images::{Edition, postgres_image};
use crate::setup::{NEXT_POSTGRES, NEXT_REDIS};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("servers_upgraded_and_back", |lab| {
            there_and_back(lab, "shadow")
        }),
        Case::new("servers_upgraded_and_back_by_dumps", |lab| {
            there_and_back(lab, "dump")
        }),
        Case::new("servers_that_do_not_fit_stop_nothing", unfit),
    ]
}

fn plan(subject: &Subject<'_>) -> Result<Value> {
    let (identity, redis) = (
        format!("identity={NEXT_POSTGRES}"),
        format!("redis={NEXT_REDIS}"),
    );
    let words = [
        "plan", "--engine", &identity, "--engine", &redis, "--format", "json",
    ];
    let answer = subject.expect(&words, 0)?;
    Ok(serde_json::from_str(&answer.stdout)?)
}

/// Killed while it builds, while it exchanges, and while it puts back: every row and key is there on the new
/// servers, and then on the old ones.
fn there_and_back(lab: &Lab, method: &str) -> Result<()> {
    let subject = Subject::new(lab, &format!("servers-{method}"), Edition::OpenSource)?;
    let file = subject.deployment.dir().join("switchback.toml");
    let mut text = std::fs::read_to_string(&file)?;
    for name in ["identity", "redis"] {
        text = with_method(&text, name, method);
    }
    std::fs::write(&file, text)?;
    // What a dump of one database alone would lose.
    subject.deployment.sql(
        "CREATE ROLE reader LOGIN PASSWORD 'secret'; GRANT SELECT ON users TO reader; \
         ALTER ROLE reader SET work_mem = '8MB'; ALTER DATABASE ttn_lorawan SET statement_timeout = '1h'",
    )?;
    let told = "SELECT (SELECT rolpassword FROM pg_authid WHERE rolname = 'reader'), \
                has_table_privilege('reader', 'users', 'select'), \
                (SELECT string_agg(setconfig::text, ' ' ORDER BY setconfig::text) FROM pg_db_role_setting)";
    let roles = subject.deployment.sql(told)?;
    let first = plan(&subject)?;
    let words = Subject::apply_words(&first);
    killed_in(&subject, &as_strs(&words), &["carry", "exchange"])?;
    servers(
        &subject,
        &format!("{NEXT_POSTGRES}"),
        &format!("{NEXT_REDIS}"),
    )?;
    ensure!(
        subject.deployment.is_healthy(),
        "the product does not answer"
    );
    judge::unchanged(&subject)?;
    ensure!(
        subject.deployment.sql(told)? == roles,
        "roles or settings are not what they were"
    );
    if method == "shadow" {
        old_backups_are_proven(&subject)?;
    }
    killed_in(&subject, &BACK, &["put-back"])?;
    let own = postgres_image()?;
    servers(&subject, own.rsplit(':').next().unwrap_or_default(), "7")?;
    ensure!(
        subject.deployment.sql(told)? == roles,
        "roles or settings are not what they were"
    );
    judge::restored(&subject)?;
    subject.remove()
}

/// What the old servers left goes into a repository, and is fetched and proven while only the new ones run.
fn old_backups_are_proven(subject: &Subject<'_>) -> Result<()> {
    repository::name_one(subject)?;
    let history = subject.expect(&["history", "--format", "json"], 0)?;
    let history: Value = serde_json::from_str(&history.stdout)?;
    let run = history["runs"][0]["run"].as_str().context("no run")?;
    subject.expect(&["backup", "create", "--init", "--run", run], 0)?;
    for backup in repository::stored(subject)? {
        subject.expect(&["backup", "prove", repository::id_of(&backup)?], 0)?;
    }
    Ok(())
}

/// A setting that the next version no longer has is told while the service is up; nothing was stopped or changed.
fn unfit(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "servers-unfit", Edition::OpenSource)?;
    subject
        .deployment
        .sql("ALTER SYSTEM SET vacuum_defer_cleanup_age = 10")?;
    subject.deployment.sql("SELECT pg_reload_conf()")?;
    let before = subject
        .deployment
        .sql("SELECT pg_postmaster_start_time()")?;
    let words = Subject::apply_words(&plan(&subject)?);
    let refused = subject.expect(&as_strs(&words), 4)?;
    judge::told(
        &(refused.stdout + &refused.stderr),
        &[
            "cannot become PostgreSQL",
            "vacuum_defer_cleanup_age",
            "unchanged",
        ],
    )?;
    ensure!(
        subject
            .deployment
            .sql("SELECT pg_postmaster_start_time()")?
            == before,
        "the server was started anew"
    );
    subject.expect(&BACK, 0)?;
    judge::restored(&subject)?;
    subject.remove()
}

fn with_method(text: &str, name: &str, method: &str) -> String {
    // What `init` only proposes stands behind a `#`.
    let section = format!("\n[datastores.{name}]\n");
    let line = format!("backup = \"{method}\"\n");
    if text.contains(&section) {
        text.replace(&section, &format!("{section}{line}"))
    } else {
        format!("{text}{section}{line}")
    }
}

/// Kills the command in the first step that does each of these, and lets it end after that.
fn killed_in(subject: &Subject<'_>, words: &[&str], acts: &[&str]) -> Result<()> {
    let mut words = words.to_vec();
    let mut plan = Value::Null;
    for act in acts {
        let mut running = subject.begin(&words)?;
        if plan.is_null() {
            let started = running
                .read_until(&["run-started"])?
                .context("no run started")?;
            let started: Value = serde_json::from_str(&started)?;
            let id = started["event"]["plan"]
                .as_str()
                .context("a run without a plan")?;
            let shown = subject.expect(&["plan", "--show", id, "--format", "json"], 0)?;
            plan = serde_json::from_str(&shown.stdout)?;
        }
        let number = step_that(&plan, act).with_context(|| format!("no step does `{act}`"))?;
        let begun = format!("\"step\":{number},");
        running.read_until(&["step-started", &begun])?;
        ensure!(running.kill()?, "it was over before `{act}`");
        subject.lab().count_kill();
        words = vec!["resume"];
    }
    subject.expect(&words, 0)?;
    subject.lab().count_killed_run();
    Ok(())
}

/// The number of the first step that does this.
fn step_that(plan: &Value, act: &str) -> Option<u64> {
    let stages = plan["plan"]["stages"].as_array()?.iter();
    let mut steps = stages.flat_map(|stage| stage["steps"].as_array().into_iter().flatten());
    let step = steps.find(|step| step["act"]["do"] == act)?;
    step["number"].as_u64()
}

fn servers(subject: &Subject<'_>, postgres: &str, redis: &str) -> Result<()> {
    let version = subject.deployment.sql("SHOW server_version")?;
    ensure!(
        version.starts_with(postgres),
        "PostgreSQL {version} runs, not {postgres}"
    );
    let text =
        std::fs::read_to_string(Path::new(subject.deployment.dir()).join("docker-compose.yml"))?;
    judge::told(
        &text,
        &[
            &format!("image: postgres:{postgres}"),
            &format!("image: redis:{redis}"),
        ],
    )
}
