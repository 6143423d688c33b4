//! The side that the files are on.

use std::io::{self, Read, Write};
use std::path::Path;

use switchback_engine::ports::{Context, Datastore as _, Failure};
use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::product::DatastoreKind;

use super::line::Line;
use super::lock::Lock;
use super::request::{Answer, Asked, Call, FORMAT, OfRun, Request, Value};
use crate::backup::Backup;
use crate::disk;
use crate::files::Files;

/// Where backups and locks are below the root.
pub(super) const SHADOWS: &str = "shadows";

/// Serves one request: reads it from `input`, does it, and says on `output` how far it is and what came of it. Ends
/// early where `stop` is raised, and raises it where nobody hears any more.
pub fn serve(mut input: impl Read, output: impl Write + Send, stop: &StopSignal) -> io::Result<()> {
    let mut text = Vec::new();
    input.read_to_end(&mut text)?;
    let line = Line::new(output, stop);
    let answer = match request_in(&text) {
        Ok(request) => line.during(|| answer(&request, &line, stop)),
        Err(failure) => Answer {
            result: Err(failure),
            manifest: None,
        },
    };
    line.answer(answer)
}

fn request_in(text: &[u8]) -> Result<Request, Failure> {
    let other = || {
        Failure::new(
            "elsewhere-other",
            "the switchback over there does not understand this one",
        )
        .hint("both must be of the same version: switchback --version")
    };
    let request: Request = serde_json::from_slice(text).map_err(|error| other().cause(error))?;
    if request.format != FORMAT {
        return Err(other());
    }
    Ok(request)
}

fn answer<W: Write + Send>(request: &Request, line: &Line<'_, W>, stop: &StopSignal) -> Answer {
    let files = Files::new(&request.name, &request.location);
    match &request.asked {
        Asked::Survey => Answer {
            result: files.survey().map(Value::Survey),
            manifest: None,
        },
        Asked::OfRun(asked) => {
            let commands = Commands::new(
                request.root.join(SHADOWS).join(".children"),
                Redactor::default(),
                stop.clone(),
            );
            let cx = Context {
                plan: &asked.plan,
                run: &asked.run,
                step: asked.step,
                backups: &asked.backups,
                commands: &commands,
                progress: line,
                stop,
            };
            let result = exclusively(request, asked, &cx)
                .and_then(|_lock| call(&files, request, asked, &cx));
            let manifest = backup(request, asked, &cx).manifest().ok().flatten();
            Answer { result, manifest }
        }
    }
}

/// The lock, where it takes one.
fn exclusively(
    request: &Request,
    asked: &OfRun,
    cx: &Context<'_>,
) -> Result<Option<Lock>, Failure> {
    if !asked.call.acts() {
        return Ok(None);
    }
    let shadows = request.root.join(SHADOWS);
    let directory = request.location.directory.as_deref().unwrap_or_default();
    let lock = Lock::take(&shadows, directory, cx.progress, cx.stop).map_err(|error| {
        let what = format!("cannot keep anything in {}", shadows.display());
        disk::failure("backup-io", what, &error)
    })?;
    lock.map(Some)
        .ok_or_else(|| Failure::stopped("stopped by the operator"))
}

fn call(
    files: &Files,
    request: &Request,
    asked: &OfRun,
    cx: &Context<'_>,
) -> Result<Value, Failure> {
    Ok(match &asked.call {
        Call::Look(expectation) => Value::Finding(files.look(cx, expectation)),
        Call::Contents => Value::Contents(files.contents(cx)?),
        Call::SealedContents(run) => Value::Contents(files.sealed_contents(cx, run)?),
        Call::Prepare => Value::Outcome(files.prepare(cx)?),
        Call::Seal => Value::Outcome(files.seal(cx)?),
        Call::Prove => Value::Outcome(files.prove(cx)?),
        Call::Restore(run) => Value::Outcome(files.restore(cx, run)?),
        Call::Release(run) => Value::Outcome(files.release(cx, run)?),
        Call::Forget(_) => {
            forget(&backup(request, asked, cx), &request.root.join(SHADOWS))?;
            Value::Nothing
        }
        Call::Clean => {
            files.clean(cx)?;
            Value::Nothing
        }
    })
}

/// The backup that a call is about.
fn backup(request: &Request, asked: &OfRun, cx: &Context<'_>) -> Backup {
    let run = asked.call.run().unwrap_or(&asked.run);
    Backup::of(cx, run, &request.name, DatastoreKind::Files)
}

/// Removes a backup and the directories that were made for it alone. The manifest goes last, so that what is half
/// removed is still known.
fn forget(backup: &Backup, shadows: &Path) -> Result<(), Failure> {
    let io = |error: io::Error| backup.io("remove", &error);
    if let Some(place) = backup.manifest()?.and_then(|manifest| manifest.place) {
        disk::remove(&place).map_err(io)?;
    }
    disk::remove(backup.directory()).map_err(io)?;
    let above = backup.directory().ancestors().skip(1);
    for directory in above.take_while(|directory| *directory != shadows) {
        // One that something else lies in stays.
        let _ = std::fs::remove_dir(directory);
    }
    Ok(())
}
