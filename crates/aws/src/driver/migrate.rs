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
        Some(State::Exited { code, .. }) => Ok(MigrationTrace::Exited { code }),
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
        State::Exited { code, why } => {
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
            let why = why.unwrap_or_default();
            let mut failure = match is_of_memory(&why) {
                true => killed(&shown, &why),
                false => Failure::new("migration-failed", format!("{shown} exited with {code}")),
            };
            failure.causes.extend(lines.last().cloned());
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

/// Whether ECS ended it because it used more memory than its task has.
fn is_of_memory(why: &str) -> bool {
    why.contains("OutOfMemory")
}

fn killed(shown: &str, why: &str) -> Failure {
    Failure::new(
        "migration-out-of-memory",
        format!("{shown} was killed: it needed more memory than its task has"),
    )
    .cause(why)
    .state(
        "database",
        "unknown: the migration may have done a part of its work",
    )
    .hint("give the task more memory in the stack of operations, then plan again: a step runs with the task that its plan knows")
    .hint("or roll back: the database comes back as it was before the round")
}

fn lost(shown: &str, why: &str) -> Failure {
    if is_of_memory(why) {
        return killed(shown, why);
    }
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

#[cfg(test)]
mod tests {
    use super::{is_of_memory, lost};

    /// The words are those of ECS: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>.
    #[test]
    fn a_container_that_was_killed_for_its_memory_is_told_as_that() {
        let why = "OutOfMemoryError: Container killed due to memory usage";
        assert!(is_of_memory(why) && !is_of_memory("Essential container in task exited"));
        let failure = lost("`is-db migrate`", why);
        assert_eq!(failure.code, "migration-out-of-memory");
        assert_eq!(
            failure.what,
            "`is-db migrate` was killed: it needed more memory than its task has"
        );
        assert_eq!(failure.causes, [why]);
        assert_eq!(
            failure.state[0].seen.as_deref(),
            Some("unknown: the migration may have done a part of its work")
        );
        assert!(failure.hints[0].contains("more memory in the stack of operations"));
        assert!(failure.hints[1].starts_with("or roll back"));
    }
}
