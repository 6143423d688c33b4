//! Datastore servers that are local processes: found by their data directory,
//! stopped by a signal, started by the command that the operator gave.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use switchback_engine::ports::{Companion, Context, Failure, Reach, SCRATCH_DIRECTORY, Scratch};
use switchback_engine::process::Argv;

use super::local::LocalServer;
use super::owner::as_owner;
use super::place::Place;
use super::{companion, passage, short};
use crate::courtesy;
use crate::host::process::{self, Process};

/// How often a wait looks, and how often before it gives up on a program that does not even appear.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: u32 = 200;

/// Reaches a server of this host.
#[derive(Debug)]
pub(super) struct ServerReach {
    pub(super) server: LocalServer,
    /// Empty where the operator gave none.
    pub(super) start: Vec<String>,
}

impl Reach for ServerReach {
    fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        Ok(argv)
    }

    fn give_way(&self, process: i32) {
        courtesy::give_way(process);
    }

    fn running(&self, _: &Context<'_>) -> Result<bool, Failure> {
        Ok(self.server.process().is_some())
    }

    fn stop(&self, cx: &Context<'_>) -> Result<(), Failure> {
        if let Some(process) = self.server.process() {
            let doing = format!("waiting for {} to stop", self.server.name());
            process.end(&mut || cx.progress.report(&doing, None, None, None));
        }
        Ok(())
    }

    fn start(&self, cx: &Context<'_>) -> Result<(), Failure> {
        if self.server.process().is_some() {
            return Ok(());
        }
        let what = format!("cannot start {}", self.server.name());
        if self.start.is_empty() {
            return Err(Failure::new("server-command-unknown", what)
                .hint("say how: [datastores.NAME] start = [\"redis-server\", \"…\"] in switchback.toml, then resume"));
        }
        let notes = self.server.place.notes();
        let note = notes.join(format!("server-{}.pid", self.server.name()));
        launch(
            cx,
            &note,
            &self.server.directory,
            self.start.clone(),
            &self.server.place.directory,
            &what,
        )?;
        for _ in 0..LOOKS {
            if self.server.process().is_some() {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        let log = note.with_extension("log");
        let text = fs::read_to_string(&log).unwrap_or_default();
        let mut failure =
            Failure::new("start-failed", what).hint(format!("see why: {}", log.display()));
        failure.output = Some(cx.commands.redactor().mask(&text));
        Err(failure)
    }

    fn scratch(
        &self,
        cx: &Context<'_>,
        directory: &Path,
        argv: Argv,
    ) -> Result<Box<dyn Scratch>, Failure> {
        let what = format!(
            "cannot start a second {} to read the backup",
            self.server.name()
        );
        let note = scratch_note(&self.server.place, cx, self.server.name());
        if let Some(earlier) = Process::noted(&note) {
            earlier.end(&mut || {});
        }
        let owner = fs::metadata(directory)
            .map_err(|error| Failure::new("start-failed", what.as_str()).cause(error))?;
        passage::open(cx, directory, &owner, &what)?;
        let named = |error| Failure::new("start-failed", what.as_str()).cause(error);
        let inside = short::name_of(directory).map_err(named)?;
        fs::create_dir_all(self.server.place.notes()).map_err(named)?;
        fs::write(note.with_extension("seen"), &inside).map_err(named)?;
        let program = std::iter::once(argv.program)
            .chain(argv.args)
            .map(|word| word.replace(SCRATCH_DIRECTORY, &inside))
            .collect();
        let process = launch(cx, &note, directory, program, directory, &what)?;
        Ok(Box::new(ScratchProcess {
            process,
            note,
            directory: inside,
        }))
    }

    fn accompany(
        &self,
        cx: &Context<'_>,
        name: &str,
        directory: &Path,
        argv: Argv,
    ) -> Result<Box<dyn Companion>, Failure> {
        companion::begin(&self.server, cx, name, directory, argv)
    }

    fn companion(
        &self,
        cx: &Context<'_>,
        name: &str,
    ) -> Result<Option<Box<dyn Companion>>, Failure> {
        Ok(companion::find(&self.server, cx, name))
    }
}

/// Ends every second server of the run.
pub(super) fn clean(place: &Place, cx: &Context<'_>) {
    let prefix = format!("scratch-{}-", cx.run);
    for entry in fs::read_dir(place.notes()).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(&prefix) {
            continue;
        }
        if let Some(process) = Process::noted(&entry.path()) {
            process.end(&mut || {});
        }
        if entry.path().extension().is_some_and(|end| end == "seen") {
            short::forget(&fs::read_to_string(entry.path()).unwrap_or_default());
        }
        let _ = fs::remove_file(entry.path());
    }
}

fn scratch_note(place: &Place, cx: &Context<'_>, name: &str) -> PathBuf {
    place
        .notes()
        .join(format!("scratch-{}-{}-{name}.pid", cx.run, cx.step))
}

/// Starts a server as the owner of its data, in a session of its own.
fn launch(
    cx: &Context<'_>,
    note: &Path,
    data: &Path,
    program: Vec<String>,
    directory: &Path,
    what: &str,
) -> Result<Process, Failure> {
    let failed = |error: std::io::Error| Failure::new("start-failed", what).cause(error);
    let owner = fs::metadata(data).map_err(failed)?;
    if let Some(parent) = note.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let _ = fs::remove_file(note);
    let words = as_owner(&owner, program);
    let argv =
        process::detached(note, &note.with_extension("log"), &words, &[]).directory(directory);
    cx.commands
        .capture(&argv)
        .map_err(|error| error.into_failure("start-failed", what))?;
    for _ in 0..LOOKS {
        if let Some(process) = Process::noted(note) {
            return Ok(process);
        }
        std::thread::sleep(LOOK);
    }
    let log = fs::read_to_string(note.with_extension("log")).unwrap_or_default();
    Err(Failure::new("start-failed", what).output(cx.commands.redactor().mask(&log)))
}

/// A second server; ended when dropped, and by its note after a crash.
struct ScratchProcess {
    process: Process,
    note: PathBuf,
    directory: String,
}

impl Scratch for ScratchProcess {
    fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        Ok(argv)
    }

    fn directory(&self) -> &str {
        &self.directory
    }

    fn running(&self) -> Result<bool, Failure> {
        Ok(self.process.lives())
    }
}

impl Drop for ScratchProcess {
    fn drop(&mut self) {
        self.process.end(&mut || {});
        let _ = fs::remove_file(&self.note);
        let _ = fs::remove_file(self.note.with_extension("log"));
        let _ = fs::remove_file(self.note.with_extension("seen"));
        short::forget(&self.directory);
    }
}
