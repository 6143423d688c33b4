//! Companions as detached processes: their pid, log, exit code and directory are
//! files, so that a later switchback finds them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use switchback_engine::ports::{Companion, CompanionState, Context, Failure, SCRATCH_DIRECTORY};
use switchback_engine::process::Argv;
use switchback_engine::signal::Urgency;
use switchback_model::{Digest, RunId};

use super::local::LocalServer;
use super::owner::as_owner_at_home;
use super::place::Place;
use super::{passage, short};
use crate::host::process::{self, Process};
use crate::signals;

/// How often a wait looks, and how often before it gives up on a shell that does not note itself.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS_FOR_START: u32 = 200;
/// How long one that nobody waits for may take to end by itself.
const POLITE: Duration = Duration::from_secs(20);
/// Lines of its output that are shown, and how many bytes at the end of its log may hold them.
const LINES: usize = 50;
const TAIL: u64 = 64 * 1024;

/// Where the traces of a run's companions are.
fn of_run(place: &Place, run: &RunId) -> PathBuf {
    place.notes().join("companions").join(run.as_str())
}

fn notes_of(server: &LocalServer, run: &RunId, name: &str) -> PathBuf {
    // Two servers of one kind are told apart by their data.
    let data = Digest::of(server.directory.as_os_str().as_encoded_bytes()).to_string();
    let data = &data[..data.len().min(8)];
    of_run(&server.place, run).join(format!("{}-{data}-{name}", server.name()))
}

/// Starts one beside the server.
pub(super) fn begin(
    server: &LocalServer,
    cx: &Context<'_>,
    name: &str,
    directory: &Path,
    argv: Argv,
) -> Result<Box<dyn Companion>, Failure> {
    let what = format!("cannot start `{name}` beside {}", server.name());
    let not_started = |failure: Failure| {
        failure
            .state(server.name(), "not touched")
            .state(name, "not started")
    };
    if server.process().is_none() {
        return Err(Failure::new("service-stopped", what)
            .cause(format!("{} does not run", server.name()))
            .state(name, "not started")
            .hint(format!("start {}, then switchback resume", server.name())));
    }
    let failed = |error: std::io::Error| {
        not_started(Failure::new("companion-not-started", what.as_str()).cause(error))
            .hint("when that is mended, switchback resume begins it anew")
    };
    let notes = notes_of(server, cx.run, name);
    if let Some(earlier) = find_in(&notes) {
        if earlier.now() == CompanionState::Running {
            return Err(Failure::new("companion-runs", what.as_str())
                .state(name, "runs already")
                .hint("switchback resume goes on with it"));
        }
        forget(&earlier.notes).map_err(failed)?;
    } else if notes.exists() {
        // One that was killed before its program began.
        forget(&notes).map_err(failed)?;
    }
    let directory = std::path::absolute(directory).map_err(failed)?;
    let owner = fs::metadata(&directory).map_err(failed)?;
    passage::open(cx, &directory, &owner, &what)?;
    fs::create_dir_all(&notes).map_err(failed)?;
    let seen = short::name_of(&directory).map_err(failed)?;
    fs::write(notes.join("directory"), &seen).map_err(failed)?;
    let program = std::iter::once(argv.program)
        .chain(argv.args)
        .map(|word| word.replace(SCRATCH_DIRECTORY, &seen))
        .collect();
    let words = as_owner_at_home(&owner, program);
    let argv = process::companion(&notes, &words, &argv.env).directory(&directory);
    cx.commands.capture(&argv).map_err(|error| {
        not_started(error.into_failure("companion-not-started", what.as_str()))
            .hint("when that is mended, switchback resume begins it anew")
    })?;
    for _ in 0..LOOKS_FOR_START {
        if notes.join("pid").exists() {
            return Ok(Box::new(CompanionProcess {
                notes,
                directory: seen,
            }));
        }
        std::thread::sleep(LOOK);
    }
    Err(
        not_started(Failure::new("companion-not-started", what.as_str()))
            .cause("it did not note that it had begun")
            .hint("switchback resume begins it anew"),
    )
}

/// What this run started under `name`, running or ended.
pub(super) fn find(
    server: &LocalServer,
    cx: &Context<'_>,
    name: &str,
) -> Option<Box<dyn Companion>> {
    find_in(&notes_of(server, cx.run, name)).map(|found| Box::new(found) as Box<dyn Companion>)
}

fn find_in(notes: &Path) -> Option<CompanionProcess> {
    // Without a pid its program never began.
    let directory = fs::read_to_string(notes.join("directory")).ok()?;
    notes.join("pid").exists().then(|| CompanionProcess {
        notes: notes.to_owned(),
        directory,
    })
}

/// Ends and forgets every companion of the run.
pub(super) fn clean(place: &Place, cx: &Context<'_>) -> Result<(), Failure> {
    let directory = of_run(place, cx.run);
    let found: Vec<PathBuf> = fs::read_dir(&directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    for process in found
        .iter()
        .filter_map(|notes| Process::noted(&notes.join("pid")))
    {
        process.signal(Signal::INT);
    }
    for notes in found {
        let asked = Instant::now();
        while let Some(process) = Process::noted(&notes.join("pid")) {
            if asked.elapsed() > POLITE || cx.stop.urgency() == Urgency::Now {
                process.signal(Signal::KILL);
            }
            let doing = "waiting for what follows a datastore to end";
            cx.progress.report(doing, None, None, None);
            std::thread::sleep(LOOK);
        }
        forget(&notes).map_err(|error| unremovable(&notes, &error))?;
    }
    let _ = fs::remove_dir(&directory);
    Ok(())
}

/// Removes the traces of one that has ended.
fn forget(notes: &Path) -> std::io::Result<()> {
    short::forget(&fs::read_to_string(notes.join("directory")).unwrap_or_default());
    fs::remove_dir_all(notes)
}

fn unremovable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        "file-unwritable",
        format!("cannot remove `{}`", path.display()),
    )
    .cause(error)
    .state("process", "ended")
    .hint("make it writable for this user, then resume")
}

/// A process beside a server.
#[derive(Debug)]
struct CompanionProcess {
    notes: PathBuf,
    directory: String,
}

impl CompanionProcess {
    fn now(&self) -> CompanionState {
        if Process::noted(&self.notes.join("pid")).is_some() {
            return CompanionState::Running;
        }
        // Its code is written before the shell ends; without one the machine went down, or somebody killed it.
        let code = fs::read_to_string(self.notes.join("exit"))
            .ok()
            .and_then(|code| code.trim().parse().ok());
        CompanionState::Ended {
            code: code.unwrap_or(-1),
        }
    }

    fn name(&self) -> String {
        let name = self.notes.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

impl Companion for CompanionProcess {
    fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        Ok(argv)
    }

    fn directory(&self) -> &str {
        &self.directory
    }

    fn state(&self) -> Result<CompanionState, Failure> {
        Ok(self.now())
    }

    fn output(&self, cx: &Context<'_>) -> Result<String, Failure> {
        let text = tail(&self.notes.join("log")).map_err(|error| {
            Failure::new(
                "output-unreadable",
                format!("cannot read what {} wrote", self.name()),
            )
            .cause(error)
        })?;
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LINES)..].join("\n");
        Ok(cx.commands.redactor().mask(&last))
    }

    fn end(&self, cx: &Context<'_>, signal: &str) -> Result<(), Failure> {
        let name = self.name();
        let note = self.notes.join("pid");
        let signal = signals::named(signal).ok_or_else(|| {
            Failure::new("signal-unknown", format!("no signal is called `{signal}`"))
        })?;
        if let Some(process) = Process::noted(&note) {
            process.signal(signal);
        }
        let doing = format!("waiting for {name} to end");
        while Process::noted(&note).is_some() {
            cx.progress.report(&doing, None, None, None);
            if cx.stop.urgency() == Urgency::Now {
                return Err(Failure::stopped(format!("stopped {doing}"))
                    .state(name, "was asked to end, and still runs")
                    .hint("switchback resume waits for it again"));
            }
            std::thread::sleep(LOOK);
        }
        match forget(&self.notes) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(unremovable(&self.notes, &error))
            }
            _ => Ok(()),
        }
    }
}

/// The end of a file that may be long.
fn tail(path: &Path) -> std::io::Result<String> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = match fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        opened => opened?,
    };
    let start = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
