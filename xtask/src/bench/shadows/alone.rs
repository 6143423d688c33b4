//! The server's own tools, alone, on the same data.

use std::time::Instant;

use anyhow::{Context, Result};

use super::subject::Subject;
use crate::deployment::{DATABASE, Site};
use crate::tool::Tool;

/// Where copies go: the container's own filesystem, which lies on the disk of the data.
const COPY: &str = "/var/lib/postgresql/bench-copy";
const DUMP: &str = "/var/lib/postgresql/bench-dump";

/// What PostgreSQL and Redis hold, for people.
pub(super) fn size(subject: &Subject) -> Result<String> {
    let size = subject.deployment.sql(&format!(
        "SELECT pg_size_pretty(pg_database_size('{DATABASE}'))"
    ))?;
    let memory = subject.deployment.redis(&["INFO", "memory"])?;
    let memory = memory
        .lines()
        .find_map(|line| line.strip_prefix("used_memory_human:"))
        .context("Redis does not tell its memory")?;
    Ok(format!("{}, {}", size.trim(), memory.trim()))
}

/// Made and checked, as a shadow's copy is.
pub(super) fn base_backup(subject: &Subject) -> Result<f64> {
    let took = timed(
        subject,
        &format!(
            "pg_basebackup -h 127.0.0.1 -U root -c fast -X stream -D {COPY} && pg_verifybackup {COPY}"
        ),
    )?;
    inside(subject, &format!("rm -rf {COPY}"))?;
    Ok(took)
}

pub(super) fn dump(subject: &Subject) -> Result<f64> {
    timed(
        subject,
        &format!("pg_dump -U root --format=c {DATABASE} > {DUMP}"),
    )
}

/// Of the dump, into a new database.
pub(super) fn restore(subject: &Subject) -> Result<f64> {
    inside(subject, "createdb -U root bench_restored")?;
    let took = timed(
        subject,
        &format!("pg_restore -U root -d bench_restored {DUMP}"),
    )?;
    inside(
        subject,
        &format!("dropdb -U root bench_restored && rm {DUMP}"),
    )?;
    Ok(took)
}

/// Digest of everything that `pg_dump` tells, but for the line that is different every time.
pub(super) fn digest(subject: &Subject) -> Result<String> {
    let told = shell(
        subject,
        &format!(
            "set -o pipefail; pg_dump -U root {DATABASE} | grep -v '^.\\(un\\)\\?restrict ' | sha256sum"
        ),
    )
    .read()?;
    let digest = told.split_whitespace().next();
    Ok(digest.context("nothing was dumped")?.to_owned())
}

fn timed(subject: &Subject, command: &str) -> Result<f64> {
    let since = Instant::now();
    inside(subject, command)?;
    Ok(since.elapsed().as_secs_f64())
}

fn inside(subject: &Subject, command: &str) -> Result<()> {
    shell(subject, command)
        .quiet()
        .with_context(|| format!("cannot measure `{command}`"))
}

/// In the server's container.
fn shell(subject: &Subject, command: &str) -> Tool {
    subject.deployment.compose([
        "exec",
        "-T",
        "-e",
        "PGPASSWORD=root",
        "postgres",
        "sh",
        "-c",
        command,
    ])
}
