//! Migrations: run where the product runs them, outlive us, and count by their exit code alone.

use std::collections::BTreeMap;

use switchback_engine::ports::{Context, Failure, Finding, MigrationCall, MigrationTrace};
use switchback_model::event::{Completed, Outcome};

use super::AwsDriver;
use super::job::{Job, State};
use crate::account::Account;
use crate::notes::{Note, now};

pub(super) fn trace(
    cx: &Context<'_>,
    account: &Account,
    driver: &AwsDriver,
) -> Result<MigrationTrace, Failure> {
    let mut note = Note::read(cx)?;
    if let Some(code) = note.exited {
        return Ok(MigrationTrace::Exited { code });
    }
    let job = Job::of_step(cx, account, driver)?;
    match job.find(cx, &mut note)? {
        Some(State::Underway(_)) => Ok(MigrationTrace::Running),
        Some(State::Exited(code)) => Ok(MigrationTrace::Exited { code }),
        // It has no exit code, and may have done half of its work.
        Some(State::Lost(_)) => Ok(MigrationTrace::Exited { code: -1 }),
        None => Ok(MigrationTrace::NeverStarted),
    }
}

pub(super) fn look(cx: &Context<'_>, account: &Account, driver: &AwsDriver) -> Finding {
    match trace(cx, account, driver) {
        Ok(MigrationTrace::Exited { code: 0 }) => Finding::Holds,
        Ok(MigrationTrace::Exited { code }) => Finding::Differs {
            found: format!("it exited with {code}"),
        },
        Ok(MigrationTrace::Running) => Finding::Differs {
            found: "it is running".to_owned(),
        },
        Ok(MigrationTrace::NeverStarted) => Finding::Differs {
            found: "it was never started".to_owned(),
        },
        Err(failure) => Finding::Unknown { why: failure.what },
    }
}

pub(super) fn migrate(
    cx: &Context<'_>,
    account: &Account,
    driver: &AwsDriver,
    call: &MigrationCall<'_>,
) -> Result<Outcome, Failure> {
    let mut job = Job::of_step(cx, account, driver)?;
    let mut note = Note::read(cx)?;
    let mut completed = Completed::Adopted;
    if job.find(cx, &mut note)?.is_none() {
        completed = Completed::Done;
        job.fits(cx, &note.name(cx), call)?;
        note.asked = Some(now());
        note.keep(cx)?;
        let started = job.start(&note.name(cx), call)?;
        note.started = Some(started);
        note.keep(cx)?;
    }
    let (state, lines) = job.follow(cx, &note, call)?;
    let output = lines.join("\n");
    let shown = format!("`{}`", call.run.join(" "));
    match state {
        State::Exited(code) => {
            note.exited = Some(code);
            note.keep(cx)?;
            if code == 0 {
                let said = lines.last().cloned();
                return Ok(Outcome {
                    completed,
                    summary: said.unwrap_or_else(|| "ended well and said nothing".to_owned()),
                    facts: BTreeMap::from([(
                        "started".to_owned(),
                        note.started.unwrap_or_default(),
                    )]),
                    output: cx.commands.keep(&output)?,
                });
            }
            let mut failure =
                Failure::new("migration-failed", format!("{shown} exited with {code}"));
            failure.causes = lines.iter().rev().take(1).cloned().collect();
            Err(failure.output(output))
        }
        State::Lost(why) => {
            note.exited = Some(-1);
            note.keep(cx)?;
            Err(lost(&shown, &why).output(output))
        }
        State::Underway(_) => Err(Failure::new(
            "internal",
            "a migration that runs was not waited for",
        )),
    }
}

pub(super) fn discard(
    cx: &Context<'_>,
    account: &Account,
    driver: &AwsDriver,
) -> Result<(), Failure> {
    let mut note = Note::read(cx)?;
    if note.asked.is_none() {
        return Ok(());
    }
    let job = Job::of_step(cx, account, driver)?;
    if let Some(State::Underway(_)) = job.find(cx, &mut note)? {
        job.end(cx, &note)?;
    }
    // The next try has a name of its own, so that this one is never taken for it.
    Note {
        discarded: note.discarded + 1,
        ..Note::default()
    }
    .keep(cx)
}

fn lost(shown: &str, why: &str) -> Failure {
    let failure = Failure::new(
        "migration-failed",
        format!("{shown} ended without an exit code"),
    )
    .cause(why);
    if why.contains("CannotPull") || why.contains("pull") {
        return failure
            .state("database", "was not migrated: the container never ran")
            .hint("see that the image exists and that the task may read it, then resume");
    }
    failure
        .state("database", "unknown: it may have done a part of its work")
        .hint("read its log, then resume or roll back")
}
