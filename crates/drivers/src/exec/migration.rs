//! Migrations as detached processes: their pid, log and exit code are files, so
//! that a later switchback finds and adopts them.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use switchback_engine::ports::{Context, Failure, MigrationCall, MigrationTrace};
use switchback_engine::signal::Urgency;
use switchback_model::event::{Completed, Outcome};
use switchback_model::{MigrationId, RunId, Version};

use super::place::{Place, id_of, version_of};
use super::process::{self, Process};
use crate::log::Log;

/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(100);
/// A shell that was started and has not noted itself after this many looks never will.
const LOOKS_FOR_START: u32 = 100;

/// Where the traces of a run's migrations are.
fn of_run(place: &Place, run: &RunId) -> PathBuf {
    place.notes().join("migrations").join(run.as_str())
}

fn of_step(place: &Place, cx: &Context<'_>, migration: &MigrationId) -> PathBuf {
    of_run(place, cx.run).join(format!("{}-{migration}", cx.step))
}

/// What is left of an earlier try of this step's migration.
pub(super) fn trace(place: &Place, cx: &Context<'_>, migration: &MigrationId) -> MigrationTrace {
    trace_in(&of_step(place, cx, migration))
}

fn trace_in(directory: &Path) -> MigrationTrace {
    if let Ok(code) = fs::read_to_string(directory.join("exit")) {
        return MigrationTrace::Exited {
            code: code.trim().parse().unwrap_or(-1),
        };
    }
    let note = directory.join("pid");
    match (note.exists(), Process::noted(&note)) {
        (false, _) => MigrationTrace::NeverStarted,
        (true, Some(_)) => MigrationTrace::Running,
        // It was noted and is gone without an exit code: killed, or the machine went down. It may have
        // written its code between the two looks.
        (true, None) => match fs::read_to_string(directory.join("exit")) {
            Ok(code) => MigrationTrace::Exited {
                code: code.trim().parse().unwrap_or(-1),
            },
            Err(_) => MigrationTrace::Exited { code: -1 },
        },
    }
}

/// The exit code of any process of this run that ran the migration at `version`.
pub(super) fn ended(
    place: &Place,
    run: &RunId,
    migration: &MigrationId,
    version: &Version,
) -> MigrationTrace {
    let wanted = format!("{migration} {version}");
    fs::read_dir(of_run(place, run))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| fs::read_to_string(path.join("what")).is_ok_and(|what| what == wanted))
        .map_or(MigrationTrace::NeverStarted, |path| trace_in(&path))
}

/// Runs a migration to its end, or sees one that was begun before to its end.
pub(super) fn migrate(
    place: &Place,
    cx: &Context<'_>,
    call: &MigrationCall<'_>,
) -> Result<Outcome, Failure> {
    let directory = of_step(place, cx, call.migration);
    let completed = if trace_in(&directory) == MigrationTrace::NeverStarted {
        begin(place, cx, call, &directory)?;
        Completed::Done
    } else {
        Completed::Adopted
    };
    let log = follow(cx, call, &directory)?;
    match trace_in(&directory) {
        MigrationTrace::Exited { code: 0 } => {
            let said = log.last_words().pop();
            Ok(Outcome {
                completed,
                summary: said.unwrap_or_else(|| "ended well and said nothing".to_owned()),
                output: cx.commands.keep(&log.text())?,
                ..Outcome::default()
            })
        }
        MigrationTrace::Exited { code } => {
            let ended = match code {
                -1 => "was ended from outside".to_owned(),
                code => format!("exited with {code}"),
            };
            let mut failure = Failure::new(
                "migration-failed",
                format!("`{}` {ended}", call.run.join(" ")),
            );
            failure.causes = log.last_words();
            Err(failure.output(log.text()))
        }
        MigrationTrace::Running | MigrationTrace::NeverStarted => {
            let mut failure = Failure::new(
                "stopped",
                format!("stopped waiting for `{}`", call.migration),
            )
            .state(call.migration.as_str(), "still runs")
            .hint("switchback resume waits for it again; it is not started a second time");
            failure.stopped = true;
            Err(failure.output(log.text()))
        }
    }
}

/// Ends and removes what is left of this step's migration.
pub(super) fn discard(
    place: &Place,
    cx: &Context<'_>,
    migration: &MigrationId,
) -> Result<(), Failure> {
    remove(&of_step(place, cx, migration))
}

/// Ends and removes every migration of the run.
pub(super) fn clean(place: &Place, run: &RunId) -> Result<(), Failure> {
    let directory = of_run(place, run);
    for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
        remove(&entry.path())?;
    }
    let _ = fs::remove_dir(&directory);
    Ok(())
}

fn remove(directory: &Path) -> Result<(), Failure> {
    if let Some(process) = Process::noted(&directory.join("pid")) {
        process.end(&mut || {});
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::new(
            "file-unwritable",
            format!("cannot remove `{}`", directory.display()),
        )
        .cause(error)),
        _ => Ok(()),
    }
}

fn begin(
    place: &Place,
    cx: &Context<'_>,
    call: &MigrationCall<'_>,
    directory: &Path,
) -> Result<(), Failure> {
    let what = format!("cannot start `{}`", call.run.join(" "));
    let failed =
        |error: std::io::Error| Failure::new("migration-not-started", what.as_str()).cause(error);
    let binary = place.binary(version_of(&call.image.reference));
    let bytes = fs::read(&binary).map_err(failed)?;
    if call.image.id.as_deref() != Some(id_of(&bytes).as_str()) {
        return Err(Failure::new("image-moved", what.as_str()).state(
            "release",
            format!("`{}` is not what was planned with", binary.display()),
        ));
    }
    fs::create_dir_all(directory).map_err(failed)?;
    fs::write(
        directory.join("what"),
        format!("{} {}", call.migration, call.version),
    )
    .map_err(failed)?;
    let program: Vec<String> = std::iter::once(binary.to_string_lossy().into_owned())
        .chain(call.run.iter().cloned())
        .collect();
    let argv =
        process::one_off(directory, &program, &place.variables()).directory(&place.directory);
    cx.commands
        .capture(&argv)
        .map_err(|error| error.into_failure("migration-not-started", what.as_str()))?;
    for _ in 0..LOOKS_FOR_START {
        if trace_in(directory) != MigrationTrace::NeverStarted {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    Err(Failure::new("migration-not-started", what))
}

/// Reads the log as it grows, until the process ends or the operator wants to stop at once.
fn follow(cx: &Context<'_>, call: &MigrationCall<'_>, directory: &Path) -> Result<Log, Failure> {
    let mut log = Log::default();
    let (mut offset, mut rest) = (0, String::new());
    loop {
        let ended = trace_in(directory) != MigrationTrace::Running;
        let mut text = Vec::new();
        if let Ok(mut file) = fs::File::open(directory.join("log")) {
            let read = file
                .seek(SeekFrom::Start(offset))
                .and_then(|_| file.read_to_end(&mut text));
            offset += read.unwrap_or(0) as u64;
        }
        rest.push_str(&String::from_utf8_lossy(&text));
        while let Some((line, others)) = rest.split_once('\n') {
            log.push(&cx.commands.redactor().mask(line));
            rest = others.to_owned();
        }
        let last = log
            .last_words()
            .pop()
            .unwrap_or_else(|| "nothing said yet".to_owned());
        let doing = format!("{}: {last}", call.migration);
        cx.progress
            .report(&doing, Some(log.count as u64), None, Some("lines"));
        if ended || cx.stop.urgency() == Urgency::Now {
            if !rest.is_empty() {
                log.push(&cx.commands.redactor().mask(&rest));
            }
            return Ok(log);
        }
        std::thread::sleep(LOOK);
    }
}
