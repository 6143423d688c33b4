//! What must be true after a run, whatever happened during it.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, bail, ensure};

use super::lab::TEMPLATE_VERSION;
use super::subject::{Subject, TARGET};
use crate::deployment::{CHECK_APPLICATION, Contents, Site};
use crate::tool::docker;

/// What an upgrade from 3.23.2 to 3.32.1 changes on purpose: emptied by 3.29.0, moved by 3.29.0, the record itself.
const CHANGED_TABLES: &[&str] = &[
    "contact_infos",
    "contact_info_validations",
    "bun_migrations",
];

/// Migrations that 3.32.1 knows.
const MIGRATIONS: usize = 15;

/// The upgrade is done: version, write path, every row and key that should be there, nothing left behind.
pub(super) fn upgraded(subject: &Subject<'_>) -> Result<()> {
    let deployment = &subject.deployment;
    ensure!(
        deployment.version()? == TARGET,
        "the compose file says {}",
        deployment.version()?
    );
    running(subject, TARGET)?;
    write_path(subject)?;
    let after = Contents::read_like(deployment, &subject.before)?;
    let unexpected: Vec<String> = subject
        .before
        .differences(&after)
        .into_iter()
        .filter(|line| !is_expected(line))
        .collect();
    ensure!(
        unexpected.is_empty(),
        "data changed: {}",
        unexpected.join("; ")
    );
    let record = deployment
        .sql("SELECT count(*), count(DISTINCT name), max(group_id) FROM bun_migrations")?;
    // Installed in the first group, upgraded in the second: a third would be a second run of a migration that may run once.
    ensure!(
        record.trim() == format!("{MIGRATIONS}|{MIGRATIONS}|2"),
        "recorded migrations: {record}"
    );
    ensure!(
        deployment.sql("SELECT count(*) FROM contact_infos")?.trim() == "0",
        "3.29.0 did not run"
    );
    clean(subject)
}

/// Everything is as it was before: version, rows, keys, files.
pub(super) fn restored(subject: &Subject<'_>) -> Result<()> {
    let deployment = &subject.deployment;
    ensure!(
        deployment.version()? == TEMPLATE_VERSION,
        "the compose file says {}",
        deployment.version()?
    );
    running(subject, TEMPLATE_VERSION)?;
    write_path(subject)?;
    unchanged(subject)?;
    clean(subject)
}

/// No row, key or file differs.
pub(super) fn unchanged(subject: &Subject<'_>) -> Result<()> {
    let after = Contents::read(&subject.deployment)?;
    let found = subject.before.differences(&after);
    ensure!(found.is_empty(), "data changed: {}", found.join("; "));
    Ok(())
}

/// No container, volume or file is left that was not there before.
pub(super) fn clean(subject: &Subject<'_>) -> Result<()> {
    let project = subject.deployment.project();
    let ours = listed(&["ps", "--all"], "label=switchback.run", "{{.Names}}")?;
    // A case beside this one may have a project whose name begins with ours.
    let begins = format!("{project}-switchback-");
    let ours: Vec<&String> = ours
        .iter()
        .filter(|name| name.starts_with(&begins))
        .collect();
    ensure!(ours.is_empty(), "containers are left: {ours:?}");
    let services = listed(
        &["ps", "--all"],
        &format!("label=com.docker.compose.project={project}"),
        "{{.Names}}",
    )?;
    let stray: Vec<&String> = services
        .iter()
        .filter(|name| !name.ends_with("-1"))
        .collect();
    ensure!(stray.is_empty(), "one-off containers are left: {stray:?}");
    let volumes = listed(
        &["volume", "ls"],
        &format!("label=com.docker.compose.project={project}"),
        "{{.Name}}",
    )?;
    ensure!(volumes.is_empty(), "volumes are left: {volumes:?}");
    let known = ["postgres", "redis"];
    for (dir, known) in [(".env/data", &known[..]), (".", &KNOWN_FILES[..])] {
        let found: BTreeSet<String> = fs::read_dir(subject.deployment.dir().join(dir))
            .with_context(|| format!("cannot list {dir}"))?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !known.contains(&name.as_str()))
            .collect();
        ensure!(found.is_empty(), "files are left in {dir}: {found:?}");
    }
    let databases = subject
        .deployment
        .sql("SELECT datname FROM pg_database ORDER BY 1")?;
    ensure!(
        databases
            .lines()
            .eq(["postgres", "template0", "template1", "ttn_lorawan"]),
        "databases are left: {databases}"
    );
    Ok(())
}

const KNOWN_FILES: [&str; 6] = [
    ".env",
    "api-key",
    "blob",
    "config",
    "docker-compose.yml",
    "switchback.toml",
];

fn running(subject: &Subject<'_>, version: &str) -> Result<()> {
    let project = subject.deployment.project();
    let filter = format!("label=com.docker.compose.project={project}");
    let images = listed(
        &["ps"],
        &filter,
        "{{.Label \"com.docker.compose.service\"}} {{.Image}}",
    )?;
    let stack = images
        .iter()
        .find(|line| line.starts_with("stack "))
        .context("no stack runs")?;
    ensure!(
        stack.ends_with(&format!(":{version}")),
        "`{stack}` runs, not {version}"
    );
    ensure!(
        subject.deployment.is_healthy(),
        "the product does not answer"
    );
    Ok(())
}

/// Creates, reads and deletes a device, as a user would.
fn write_path(subject: &Subject<'_>) -> Result<()> {
    let path = format!("api/v3/applications/{CHECK_APPLICATION}/devices");
    let body = r#"{"end_device":{"ids":{"device_id":"judge"},"name":"Judge"}}"#;
    subject.deployment.http("POST", &path, body)?;
    let read = subject
        .deployment
        .http("GET", &format!("{path}/judge"), "")?;
    subject
        .deployment
        .http("DELETE", &format!("{path}/judge"), "")?;
    ensure!(read.contains("Judge"), "the device reads as {read}");
    Ok(())
}

fn is_expected(line: &str) -> bool {
    let mut words = line.split([' ', ':']);
    match (words.next(), words.next()) {
        (Some("table"), Some(name)) => CHANGED_TABLES.contains(&name),
        (Some("key"), _) => line.contains("schema-version") || line.contains("last-invalidation"),
        _ => false,
    }
}

fn listed(words: &[&str], filter: &str, format: &str) -> Result<Vec<String>> {
    let answer = docker()
        .args(words)
        .args(["--filter", filter, "--format", format])
        .read()?;
    Ok(answer.lines().map(str::to_owned).collect())
}

/// A problem in three parts, with the words that it must contain.
pub(super) fn told(text: &str, words: &[&str]) -> Result<()> {
    for word in words {
        if !text.contains(word) {
            bail!("`{word}` is not in:\n{text}");
        }
    }
    Ok(())
}
