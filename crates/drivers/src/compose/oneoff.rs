//! Migrations in one-off containers: never started twice, never removed before
//! their outcome is known, found again by label.
//!
//! ```text
//! nothing ─► created ─► running ─► exited 0 ─► adopted
//!              │                      └─ else ─► failure, kept for `discard`
//!              └─ never started: removed, made anew
//! ```

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use switchback_engine::ports::{Context, Failure, Finding, MigrationCall, MigrationTrace};
use switchback_engine::signal::Urgency;
use switchback_model::event::{Completed, Outcome};
use switchback_model::{MigrationId, RunId, StepNumber, Version};

use super::commands::{OneOff, image_override};
use super::engine_api::{Container, Engine, EngineError, Status};
use super::failures::command_failed;
use super::images::is_pinned;
use super::labels;
use super::shared::Shared;
use crate::log::Log;

/// What is left of an earlier try.
pub(super) fn trace(
    engine: &Engine,
    run: &RunId,
    step: StepNumber,
    migration: &MigrationId,
) -> Result<MigrationTrace, Failure> {
    let found = find(engine, run, step, migration)?;
    let started: Vec<&Container> = found
        .iter()
        .filter(|container| container.ever_started)
        .collect();
    Ok(
        match started
            .iter()
            .find(|container| container.status != Status::Stopped)
        {
            Some(_) => MigrationTrace::Running,
            None => match started.last() {
                Some(container) => MigrationTrace::Exited {
                    code: container.exit_code,
                },
                None => MigrationTrace::NeverStarted,
            },
        },
    )
}

/// Whether a container of this run finished the migration.
pub(super) fn migrated(
    engine: &Engine,
    run: &RunId,
    migration: &MigrationId,
    version: &Version,
) -> Result<Finding, Failure> {
    let filter = [
        format!("{}={run}", labels::RUN),
        format!("{}={migration}", labels::MIGRATION),
        format!("{}={version}", labels::VERSION),
    ];
    let found = engine.containers(&filter).map_err(|error| {
        error.into_failure(format!("cannot look at the containers of `{migration}`"))
    })?;
    let Some(container) = found.iter().rfind(|container| container.ever_started) else {
        return Ok(Finding::Differs {
            found: format!("`{migration}` was never started"),
        });
    };
    Ok(match (container.status, container.exit_code) {
        (Status::Stopped, 0) => Finding::Holds,
        (Status::Stopped, code) => Finding::Differs {
            found: format!("`{migration}` exited with {code}"),
        },
        _ => Finding::Differs {
            found: format!("`{migration}` still runs"),
        },
    })
}

/// Runs a migration to its end, or sees one that was begun before to its end.
pub(super) fn migrate(
    shared: &Shared,
    engine: &Engine,
    cx: &Context<'_>,
    call: &MigrationCall<'_>,
) -> Result<Outcome, Failure> {
    let mut completed = Completed::Adopted;
    let mut earlier = None;
    for container in find(engine, cx.run, cx.step, call.migration)? {
        if container.ever_started {
            earlier = Some(container);
        } else {
            engine.remove(&container.id, false).map_err(|error| {
                error.into_failure("cannot remove a container that never started")
            })?;
        }
    }
    let container = match earlier {
        Some(container) => container,
        None => {
            completed = Completed::Done;
            begin(shared, engine, cx, call)?
        }
    };
    let log = follow(engine, cx, call, &container)?;
    let ended = engine
        .container(&container.id)
        .map_err(|error| lost(error, call))?;
    if ended.status != Status::Stopped {
        return Err(
            Failure::stopped(format!("stopped waiting for `{}`", call.migration))
                .state(
                    call.migration.as_str(),
                    format!("still runs in container {}", ended.name),
                )
                .hint("switchback resume waits for it again; it is not started a second time")
                .output(log.text()),
        );
    }
    if ended.exit_code != 0 {
        let mut failure = Failure::new(
            "migration-failed",
            format!("`{}` exited with {}", call.run.join(" "), ended.exit_code),
        );
        failure.causes = log.last_words();
        return Err(failure.output(log.text()));
    }
    let mut outcome = Outcome {
        completed,
        summary: log
            .last_words()
            .pop()
            .unwrap_or_else(|| "ended well and said nothing".to_owned()),
        output: cx.commands.keep(&log.text())?,
        ..Outcome::default()
    };
    outcome.facts.insert("exit-code".to_owned(), "0".to_owned());
    outcome
        .facts
        .insert("log-lines".to_owned(), log.count.to_string());
    Ok(outcome)
}

/// Ends and removes what is left of a step's migration.
pub(super) fn discard(
    engine: &Engine,
    run: &RunId,
    step: StepNumber,
    migration: &MigrationId,
) -> Result<(), Failure> {
    for container in find(engine, run, step, migration)? {
        engine.remove(&container.id, true).map_err(|error| {
            error.into_failure(format!("cannot remove container {}", container.name))
        })?;
    }
    Ok(())
}

/// Removes the files that told Compose which image to run.
pub(super) fn remove_overrides(cx: &Context<'_>) -> Result<(), Failure> {
    let directory = cx.backups.join(cx.run.as_str());
    for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("compose-override-") {
            fs::remove_file(entry.path()).map_err(|error| {
                Failure::new(
                    "file-unwritable",
                    format!("cannot remove `{}`", entry.path().display()),
                )
                .cause(error)
            })?;
        }
    }
    // Only where nothing else is left in it.
    let _ = fs::remove_dir(&directory);
    Ok(())
}

fn find(
    engine: &Engine,
    run: &RunId,
    step: StepNumber,
    migration: &MigrationId,
) -> Result<Vec<Container>, Failure> {
    let filter = [
        format!("{}={run}", labels::RUN),
        format!("{}={step}", labels::STEP),
        format!("{}={migration}", labels::MIGRATION),
    ];
    engine
        .containers(&filter)
        .map_err(|error| error.into_failure(format!("cannot look for containers of `{migration}`")))
}

/// Creates and starts the container, as `docker compose run` does.
fn begin(
    shared: &Shared,
    engine: &Engine,
    cx: &Context<'_>,
    call: &MigrationCall<'_>,
) -> Result<Container, Failure> {
    let what = format!("cannot start `{}`", call.run.join(" "));
    let image = engine
        .image(call.image.id.as_deref().unwrap_or(&call.image.reference))
        .map_err(|error| error.into_failure(what.as_str()))?
        .filter(|image| is_pinned(call.image, image))
        .ok_or_else(|| {
            Failure::new("image-gone", what.as_str())
                .state(
                    "image",
                    format!("`{}` is not on this host as planned", call.image.reference),
                )
                .hint("pull or load it again, then resume")
        })?;
    let mut files = shared.layout.compose.clone();
    files.push(
        write_override(cx, call, &image.id)
            .map_err(|error| Failure::new("file-unwritable", what.as_str()).cause(error))?,
    );
    let name = format!("{}-switchback-{}-{}", shared.project.name, cx.run, cx.step);
    let argv = shared.compose.one_off(&OneOff {
        files: &files,
        project: &shared.project.name,
        name: &name,
        labels: &labels::of_migration(cx.run, cx.step, call.migration, call.version),
        service: call.service,
        run: call.run,
    });
    let ran = cx.commands.capture(&argv);
    // Whatever Compose says: if the container has started, the migration is under way.
    let found = find(engine, cx.run, cx.step, call.migration)?;
    match (
        found.into_iter().find(|container| container.ever_started),
        ran,
    ) {
        (Some(container), _) => Ok(container),
        (None, Err(error)) => Err(command_failed(error, "migration-not-started", what)),
        (None, Ok(_)) => Err(Failure::new("migration-not-started", what)
            .hint("look at what Docker says: docker ps --all")),
    }
}

/// The file stays until the run is cleaned, under a name that a second try overwrites.
fn write_override(
    cx: &Context<'_>,
    call: &MigrationCall<'_>,
    image_id: &str,
) -> std::io::Result<PathBuf> {
    let directory = cx.backups.join(cx.run.as_str());
    fs::create_dir_all(&directory)?;
    let path = directory.join(format!("compose-override-{}.yml", cx.step));
    fs::write(&path, image_override(call.service, image_id))?;
    Ok(path)
}

/// Listens until the container ends or the operator wants to stop at once; never ends it.
fn follow(
    engine: &Engine,
    cx: &Context<'_>,
    call: &MigrationCall<'_>,
    container: &Container,
) -> Result<Log, Failure> {
    let redactor = cx.commands.redactor().clone();
    let log = std::cell::RefCell::new(Log::default());
    let begun = Instant::now();
    let report = |last: &str| {
        let doing = match last {
            "" => format!(
                "{}: {} s, nothing said yet",
                call.migration,
                begun.elapsed().as_secs()
            ),
            last => format!("{}: {last}", call.migration),
        };
        let lines = log.borrow().count as u64;
        cx.progress.report(&doing, Some(lines), None, Some("lines"));
    };
    let mut line = |text: &str| {
        let text = redactor.mask(text);
        log.borrow_mut().push(&text);
        report(&text);
    };
    let mut tick = || {
        let last = log.borrow().last_words().pop().unwrap_or_default();
        report(&last);
        match cx.stop.urgency() {
            Urgency::Now => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    // Whether the container has ended is asked of the container, not of how the listening ended.
    let _ = engine
        .follow(&container.id, &mut line, &mut tick)
        .map_err(|error| lost(error, call))?;
    Ok(log.into_inner())
}

/// The engine went away while a migration was under way.
fn lost(error: EngineError, call: &MigrationCall<'_>) -> Failure {
    let mut failure = error.into_failure(format!("lost sight of `{}`", call.run.join(" ")));
    failure.state.push(switchback_model::problem::State {
        subject: call.migration.as_str().to_owned(),
        seen: None,
    });
    failure
}
