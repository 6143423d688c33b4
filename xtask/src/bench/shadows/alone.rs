//! The server's own tools, alone, on the same data.

use std::time::Instant;

use anyhow::{Context, Result};

use super::subject::Subject;
use crate::deployment::{DATABASE, Site};

/// Where copies go: the container's own filesystem, which lies on the disk of the data.
const COPY: &str = "/var/lib/postgresql/bench-copy";
const DUMP: &str = "/var/lib/postgresql/bench-dump";

/// What PostgreSQL holds, for people.
pub(super) fn size(subject: &Subject) -> Result<String> {
    let size = subject.deployment.sql(&format!(
        "SELECT pg_size_pretty(pg_database_size('{DATABASE}'))"
    ))?;
    Ok(size.trim().to_owned())
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

fn timed(subject: &Subject, command: &str) -> Result<f64> {
    let since = Instant::now();
    inside(subject, command)?;
    Ok(since.elapsed().as_secs_f64())
}

fn inside(subject: &Subject, command: &str) -> Result<()> {
    subject
        .deployment
        .compose([
            "exec",
            "-T",
            "-e",
            "PGPASSWORD=root",
            "postgres",
            "sh",
            "-c",
            command,
        ])
        .quiet()
        .with_context(|| format!("cannot measure `{command}`"))
}
