//! Keeping a Redis server's data: count while it runs, stop, copy its files, start.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_engine::signal::Urgency;
use switchback_model::RunId;
use switchback_model::amount;
use switchback_model::contents::Difference;
use switchback_model::event::Outcome;
use switchback_model::observed::ImagePin;
use switchback_model::plan::{BackupMethod, BackupState};

use super::client::Client;
use super::commands;
use super::contents::{self, Held};
use super::layout::Layout;
use super::server::{LAYOUT, Server, kept_layout, wait_loaded};
use crate::backup::{Backup, Manifest, Seal};
use crate::conversation;
use crate::disk;
use crate::said::{already, connected, differs, summary};
use crate::{shadow, swap};

/// The copy in a backup's directory.
pub(super) const COPY: &str = "copy";
/// The same while it is written.
pub(super) const UNFINISHED: &str = "copy.part";
/// The files as they were before a restart that loaded something else.
const BEFORE: &str = "before-restart";
/// A second copy, for the server that reads it.
pub(super) const SCRATCH: &str = "scratch";
/// How often a server that is saving is asked.
const SAVING: Duration = Duration::from_millis(250);
/// Says that the server was stopped by us, and is to be started again whatever happens.
const STOPPED: &str = "stopped-by-switchback";
/// Names the run whose backup is being brought back, from before anything is staged until all is moved.
const RESTORING: &str = "restoring-by-switchback";

impl Server {
    pub(super) fn prepare(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        if shadow::method(cx, &self.name) == BackupMethod::Shadow {
            return self.prepare_shadow(cx);
        }
        let backup = self.backup(cx, cx.run);
        if backup.has_reached(BackupState::Prepared) == Finding::Holds {
            return Ok(already("the backup was begun already"));
        }
        let _held = self.hold();
        self.require_suitable(cx.commands)?;
        let layout = self.layout(cx.commands)?;
        let directory = layout.on_host(&self.name, &self.location)?;
        self.require_same_at_start(cx, &layout, &directory)?;
        let bytes = files_of(&directory, &layout)
            .iter()
            .map(|path| disk::size_of(path))
            .sum::<u64>();
        // The copy, and a copy of it for the server that proves it.
        disk::require_space(
            backup.directory(),
            bytes * 2,
            &format!("the copy of `{}`", self.name),
        )?;
        backup.prepare(Some(self.engine(cx.commands)?))?;
        Ok(Outcome {
            summary: format!("room for {} twice", amount::bytes(bytes)),
            ..Outcome::default()
        })
    }

    pub(super) fn seal(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        if let Some(manifest) = backup.shadow()? {
            return self.seal_shadow(cx, &backup, manifest);
        }
        if backup.has_reached(BackupState::Sealed) == Finding::Holds {
            return Ok(already("the copy was complete already"));
        }
        if backup.path(BEFORE).exists() {
            return Err(self.loaded_other(&backup, &[]));
        }
        // A process that died in the middle may have left the server stopped.
        self.start(cx)?;
        let held = self.hold();
        self.require_suitable(cx.commands)?;
        let writers = self.writers(cx.commands)?;
        if !writers.is_empty() {
            return Err(connected(&self.name, writers));
        }
        let layout = self.layout(cx.commands)?;
        let directory = layout.on_host(&self.name, &self.location)?;
        self.require_same_at_start(cx, &layout, &directory)?;
        let engine = self.engine(cx.commands)?;
        backup.prepare(Some(engine.clone()))?;
        let before = self.held(cx)?;
        self.save(cx)?;
        drop(held);
        self.copy_while_stopped(cx, &backup, &layout, &directory)?;
        let differences = before.contents.differences(&self.held(cx)?.contents);
        if !differences.is_empty() {
            return Err(self.loaded_other(&backup, &differences));
        }
        let layout_text =
            serde_json::to_string(&layout).map_err(|error| backup.io("describe", &error.into()))?;
        let manifest = backup.seal(
            cx,
            Seal {
                engine: Some(engine),
                contents: before.contents,
                position: None,
                facts: [
                    (LAYOUT.to_owned(), layout_text),
                    ("expiring".to_owned(), before.expiring.to_string()),
                ]
                .into(),
            },
        )?;
        Ok(copied_in_words(&manifest, &layout, before.expiring))
    }

    /// Copies the files of a server that has saved everything, in the moment in which it does not run.
    fn copy_while_stopped(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        layout: &Layout,
        directory: &Path,
    ) -> Result<(), Failure> {
        for old in [UNFINISHED, COPY] {
            disk::remove(&backup.path(old)).map_err(|error| backup.io("tidy", &error))?;
        }
        self.mark_stopped(cx, directory)?;
        let copied = self
            .stop(cx)
            .and_then(|()| self.copy_files(cx, layout, directory));
        // Whatever went wrong: the server runs again before anybody is told.
        let started = self.start(cx);
        self.unmark_stopped(cx)?;
        copied.and(started)
    }

    /// The server came back with other data than it had: its start-up settings load other files than those that
    /// it wrote. The files as they were are put where no later attempt replaces them.
    fn loaded_other(&self, backup: &Backup, differences: &[Difference]) -> Failure {
        let before = backup.path(BEFORE);
        if !before.exists()
            && let Err(error) = fs::rename(backup.path(COPY), &before)
        {
            return backup.io("keep", &error);
        }
        let what = format!("`{}` holds other data since it was restarted", self.name);
        differs("redis-restart-differs", what, differences)
            .state(
                self.name.to_string(),
                format!(
                    "runs with what its start-up settings loaded; its files as they were when it stopped are in {}",
                    before.display()
                ),
            )
            .hint("set `appendonly` in its start-up settings to what it was while it ran; stop it, bring those files back, start it")
            .hint(format!("then remove {} and resume", before.display()))
    }

    /// Refuses where the append-only files on disk are old and may be what the server loads when it starts.
    pub(super) fn require_same_at_start(
        &self,
        cx: &Context<'_>,
        layout: &Layout,
        directory: &Path,
    ) -> Result<(), Failure> {
        let parts = layout.aof_directory.as_deref().unwrap_or(&layout.aof);
        if layout.appendonly || !directory.join(parts).exists() {
            return Ok(());
        }
        Err(Failure::new(
            "redis-appendonly",
            format!("`{}` may load old data when it is restarted", self.name),
        )
        .cause(format!(
            "`appendonly` is off in the running server {}, and {} is there from when it was on",
            self.engine(cx.commands)?,
            directory.join(parts).display()
        ))
        .hint("if its start-up settings say `appendonly yes`: switch it on in the running server, too")
        .hint(format!("if they say `no`: move {} away", directory.join(parts).display())))
    }

    fn held(&self, cx: &Context<'_>) -> Result<Held, Failure> {
        contents::read(&self.client(cx.commands)?, cx.progress)
    }

    /// Makes a snapshot of this moment, also where changes are appended to a file: which of the two the server
    /// loads when it starts is for its start-up settings, and those may not be what is in force now.
    fn save(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let client = self.client(cx.commands)?;
        loop {
            let info = client.info("persistence")?;
            if info
                .get("rdb_bgsave_in_progress")
                .is_none_or(|saving| saving == "0")
            {
                cx.progress.report("saving a snapshot", None, None, None);
                match client.command("SAVE") {
                    // Another one began between the two questions.
                    Err(failure) if is_under_way(&failure) => {}
                    saved => return saved.map(drop),
                }
            }
            wait_saving(
                cx,
                "waiting for a snapshot that the server is already saving",
            )?;
        }
    }

    fn copy_files(
        &self,
        cx: &Context<'_>,
        layout: &Layout,
        directory: &Path,
    ) -> Result<(), Failure> {
        let backup = self.backup(cx, cx.run);
        let sources = files_of(directory, layout);
        for needed in layout.loaded() {
            if !sources
                .iter()
                .any(|source| source.file_name().is_some_and(|name| name == needed))
            {
                return Err(Failure::new(
                    "redis-files-missing",
                    format!("`{}` left no `{needed}` when it stopped", self.name),
                )
                .cause(format!("looked in {}", directory.display()))
                .hint("see that the directory is the one that the server writes to"));
            }
        }
        let bytes = sources.iter().map(|path| disk::size_of(path)).sum();
        disk::require_space(
            backup.directory(),
            bytes,
            &format!("the copy of `{}`", self.name),
        )?;
        cx.progress
            .report("copying", Some(0), Some(bytes), Some("B"));
        let unfinished = backup.path(UNFINISHED);
        let made = |error: std::io::Error| backup.io("write", &error);
        fs::create_dir(&unfinished).map_err(made)?;
        let what = format!("cannot copy the files of `{}`", self.name);
        let copied =
            disk::copy(cx, &sources, &unfinished).map_err(|error| disk::copy_failure(error, what));
        if let Err(failure) = copied {
            let _ = disk::remove(&unfinished);
            return Err(failure);
        }
        disk::sync_all(&unfinished).map_err(made)?;
        fs::rename(&unfinished, backup.path(COPY)).map_err(made)?;
        disk::sync_directory(backup.directory()).map_err(made)
    }

    pub(super) fn prove(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        if let Some(manifest) = backup.shadow()? {
            return self.prove_shadow(cx, &backup, manifest);
        }
        backup.judged(self.try_out(cx, &backup))?;
        Ok(summary(
            &backup.proven()?,
            "loaded by a second server, read, and equal",
        ))
    }

    fn try_out(&self, cx: &Context<'_>, backup: &Backup) -> Result<(), Failure> {
        let manifest = backup.sealed()?;
        backup.verify_files(cx)?;
        let layout = kept_layout(&manifest)?;
        let scratch = backup.path(SCRATCH);
        let read = self.read_beside(cx, &layout, &scratch);
        let removed = disk::remove(&scratch).map_err(|error| backup.io("tidy", &error));
        let found = read?;
        removed?;
        let differences = manifest.contents.differences(&found.contents);
        if !differences.is_empty() {
            let what = format!(
                "the backup of `{}` by {} does not hold what the original held",
                self.name, cx.run
            );
            return Err(differs("backup-differs", what, &differences));
        }
        Ok(())
    }

    /// Lets a second server load a copy of the copy (loading may change files), and reads it.
    pub(super) fn read_beside(
        &self,
        cx: &Context<'_>,
        layout: &Layout,
        scratch: &Path,
    ) -> Result<Held, Failure> {
        let backup = self.backup(cx, cx.run);
        let sources = swap::paths(&backup.path(COPY)).map_err(|error| backup.io("read", &error))?;
        self.beside(cx, layout, &sources, scratch, |client| {
            contents::read(client, cx.progress)
        })
    }

    /// Lets a second server load a copy of these files in `scratch`, and talks with it. The directory stays.
    pub(super) fn beside<T>(
        &self,
        cx: &Context<'_>,
        layout: &Layout,
        sources: &[PathBuf],
        scratch: &Path,
        talk: impl FnOnce(&Client<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.beside_of(cx, None, layout, sources, scratch, talk)
    }

    /// The same, with the programs of another image than the server's where one is given.
    pub(super) fn beside_of<T>(
        &self,
        cx: &Context<'_>,
        image: Option<&ImagePin>,
        layout: &Layout,
        sources: &[PathBuf],
        scratch: &Path,
        talk: impl FnOnce(&Client<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let made = |error: std::io::Error| {
            disk::failure(
                "backup-io",
                format!("cannot unpack in {}", scratch.display()),
                &error,
            )
        };
        disk::remove(scratch).map_err(made)?;
        disk::require_space(
            scratch,
            sources.iter().map(|source| disk::size_of(source)).sum(),
            "a second copy to prove",
        )?;
        crate::backup::create_private(scratch).map_err(made)?;
        disk::copy(cx, sources, scratch).map_err(|error| {
            disk::copy_failure(error, format!("cannot copy the backup of `{}`", self.name))
        })?;
        // The directory belongs to whom the files belong to: the server that reads them runs as that user.
        disk::same_owner(sources, scratch).map_err(made)?;
        let program = self.program(cx.commands);
        let argv = commands::scratch_server(program, layout);
        let second = match image {
            None => self.reach.scratch(cx, scratch, argv),
            Some(image) => self.reach.scratch_of(cx, image, scratch, argv),
        }?;
        let argv = second.inside(commands::scratch_client(program, second.directory()))?;
        let place = conversation::Held::default();
        let client = Client {
            name: &self.name,
            commands: cx.commands,
            argv,
            held: &place,
        };
        let _held = place.hold();
        wait_loaded(cx, &client, &|| second.running())?;
        talk(&client)
    }

    /// Notes durably that the server of the files in `directory` is about to be stopped by us.
    pub(super) fn mark_stopped(&self, cx: &Context<'_>, directory: &Path) -> Result<(), Failure> {
        let backup = self.backup(cx, cx.run);
        let text = directory.as_os_str().as_encoded_bytes();
        crate::backup::create_private(backup.directory())
            .and_then(|()| crate::backup::write_durably(&backup.path(STOPPED), text))
            .map_err(|error| backup.io("write", &error))
    }

    pub(super) fn unmark_stopped(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let backup = self.backup(cx, cx.run);
        disk::remove(&backup.path(STOPPED)).map_err(|error| backup.io("tidy", &error))
    }

    /// The directory of the files, where a process of this run stopped the server and did not start it again.
    pub(super) fn stopped_by_us(&self, cx: &Context<'_>) -> Option<PathBuf> {
        let path = self.backup(cx, cx.run).path(STOPPED);
        fs::read_to_string(path).ok().map(PathBuf::from)
    }

    /// Notes durably which run's backup is being brought back, for whoever tidies after a crash.
    pub(super) fn mark_restoring(&self, cx: &Context<'_>, run: &RunId) -> Result<(), Failure> {
        let backup = self.backup(cx, cx.run);
        crate::backup::create_private(backup.directory())
            .and_then(|()| {
                crate::backup::write_durably(&backup.path(RESTORING), run.as_str().as_bytes())
            })
            .map_err(|error| backup.io("write", &error))
    }

    pub(super) fn unmark_restoring(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let backup = self.backup(cx, cx.run);
        disk::remove(&backup.path(RESTORING)).map_err(|error| backup.io("tidy", &error))
    }

    /// The run whose backup is being brought back; the run itself where none is.
    pub(super) fn restoring(&self, cx: &Context<'_>) -> Result<RunId, Failure> {
        let backup = self.backup(cx, cx.run);
        match fs::read_to_string(backup.path(RESTORING)) {
            Ok(run) => Ok(RunId::new(run)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(cx.run.clone()),
            Err(error) => Err(backup.io("read", &error)),
        }
    }

    pub(super) fn tidy_backup(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let backup = self.backup(cx, cx.run);
        [UNFINISHED, SCRATCH]
            .iter()
            .try_for_each(|name| disk::remove(&backup.path(name)))
            .map_err(|error| backup.io("tidy", &error))
    }
}

/// True where a server cannot save now because it is saving something already, or rewriting its append-only file.
pub(super) fn is_under_way(failure: &Failure) -> bool {
    let mut causes = failure.causes.iter();
    causes.any(|cause| cause.contains("in progress"))
}

/// Lets the server go on saving for a moment.
pub(super) fn wait_saving(cx: &Context<'_>, doing: &str) -> Result<(), Failure> {
    cx.progress.report(doing, None, None, None);
    if cx.stop.urgency() == Urgency::Now {
        return Err(Failure::stopped("stopped by the operator while waiting"));
    }
    thread::sleep(SAVING);
    Ok(())
}

/// What was copied, with what a reader would not expect in it.
fn copied_in_words(manifest: &Manifest, layout: &Layout, expiring: u64) -> Outcome {
    let mut outcome = summary(manifest, "copied");
    if expiring > 0 {
        outcome
            .summary
            .push_str(&format!(", {} expiring ones beside", expiring));
    }
    if layout.aof_directory.is_some()
        && manifest
            .files
            .contains_key(&format!("{COPY}/{}", layout.aof))
    {
        outcome.summary.push_str(&format!(
            "; a stale `{}` of an older Redis is kept as well",
            layout.aof
        ));
    }
    outcome
}

/// The files and directories that hold the data, as far as they exist.
fn files_of(directory: &Path, layout: &Layout) -> Vec<PathBuf> {
    let names = swap::names(directory).unwrap_or_default();
    names
        .into_iter()
        .filter(|name| layout.holds(name))
        .map(|name| directory.join(name))
        .collect()
}
