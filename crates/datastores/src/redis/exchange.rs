//! Bringing a server's data back from its sealed shadow: by an exchange of directories, or, where the shadow
//! must stay, from a copy of it.

use std::fs;
use std::path::{Path, PathBuf};

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::RunId;
use switchback_model::event::Outcome;
use switchback_model::plan::Purpose;

use super::commands::{DATA, SETTINGS};
use super::contents::lasting_in;
use super::keep::SCRATCH;
use super::server::{Server, kept_layout};
use super::shadow::KEYS;
use super::tls::IDENTITY;
use crate::backup::{self, Backup, Manifest};
use crate::swap::{self, Swap};
use crate::{disk, shadow};

/// Says in a shadow's place which run moves its data into the original's: from before it does.
const TAKEN: &str = "taken-by";
/// Says in a run's backup which run's shadow it has brought back.
const RESTORED: &str = "restored-by-switchback";

impl Server {
    pub(super) fn restore_shadow(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        manifest: &Manifest,
    ) -> Result<Outcome, Failure> {
        let layout = kept_layout(manifest)?;
        let directory = layout.on_host(&self.name, &self.location)?;
        let place = backup.place_of(manifest)?;
        let swap = Swap::new(&directory, backup.run());
        self.mark_restoring(cx, backup.run())?;
        let restored = self.backup(cx, cx.run).path(RESTORED);
        disk::remove(&restored).map_err(|error| backup.io("tidy", &error))?;
        let mut moves = None;
        if !swap.is_half_done() && !was_taken(cx, backup, place)? {
            let source = self.form(cx, backup, manifest, &layout)?;
            let way_back = matches!(cx.plan.purpose, Purpose::Rollback { .. });
            if way_back && shadow::device(&source) == shadow::device(&directory) {
                moves = Some(source);
            } else {
                self.stage_copy(cx, &swap, &source, &directory)?;
            }
        }
        self.mark_stopped(cx, &directory)?;
        if layout.appendonly {
            self.stop_without_snapshot(cx);
        }
        self.stop(cx)?;
        // From here on only going on helps: the mark stays, and the server with it stopped, until all is moved.
        if let Some(source) = moves {
            self.take(cx, backup, &swap, &source, &directory)?;
        }
        if swap.is_half_done() || swap.staged().exists() {
            swap.switch(|name| layout.holds(name))?;
        }
        let _held = self.hold();
        self.start(cx)?;
        self.unmark_stopped(cx)?;
        self.unmark_restoring(cx)?;
        self.require_keys(cx, backup, manifest, &directory)?;
        backup::write_durably(&restored, backup.run().as_str().as_bytes())
            .map_err(|error| backup.io("write", &error))?;
        Ok(Outcome {
            summary: "the shadow in place, its keys loaded and counted".to_owned(),
            ..Outcome::default()
        })
    }

    /// A server that appends has all its data in its files when it stops; a snapshot as well would take as long
    /// as its data is large. It forgets this with its end; where it may not be told or does not run, it saves.
    fn stop_without_snapshot(&self, cx: &Context<'_>) {
        let told = self
            .client(cx.commands)
            .and_then(|client| client.command("CONFIG SET save \"\""));
        if told.is_err() {
            let doing = "the server saves a snapshot before it stops";
            cx.progress.report(doing, None, None, None);
        }
    }

    fn stage_copy(
        &self,
        cx: &Context<'_>,
        swap: &Swap<'_>,
        source: &Path,
        directory: &Path,
    ) -> Result<(), Failure> {
        let bytes = disk::size_of(source);
        let what = format!("the restored copy of `{}`", self.name);
        disk::require_space(directory, bytes, &what)?;
        cx.progress
            .report("copying the shadow beside", None, Some(bytes), Some("B"));
        let failed = format!("cannot copy the shadow of `{}` beside its data", self.name);
        let sources = swap::paths(source)
            .map_err(|error| disk::failure("backup-io", failed.as_str(), &error))?;
        swap.stage(|new| {
            disk::copy(cx, &sources, new)
                .map_err(|error| disk::copy_failure(error, failed.as_str()))
        })
    }

    /// Moves the shadow's data to where the exchange goes on from; copies it where no rename leads there.
    fn take(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        swap: &Swap<'_>,
        source: &Path,
        directory: &Path,
    ) -> Result<(), Failure> {
        let note = note_in(source);
        backup::write_durably(&note, cx.run.as_str().as_bytes())
            .map_err(|error| backup.io("write", &error))?;
        if swap.take(source)? {
            return Ok(());
        }
        disk::remove(&note).map_err(|error| backup.io("tidy", &error))?;
        self.stage_copy(cx, swap, source, directory)
    }

    /// The server must have loaded what was sealed: told by how many keys that do not expire it has.
    fn require_keys(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        manifest: &Manifest,
        directory: &Path,
    ) -> Result<(), Failure> {
        let found = lasting_in(&self.client(cx.commands)?.info("keyspace")?);
        let Some(sealed) = manifest.facts.get(KEYS).filter(|sealed| **sealed != found) else {
            return Ok(());
        };
        Err(Failure::new(
            "restore-differs",
            format!(
                "`{}` was brought back and does not hold what was sealed",
                self.name
            ),
        )
        .cause(format!("expected {sealed}, found {found}"))
        .state(
            self.name.to_string(),
            format!(
                "runs with other data; what was there before is kept in {}/.switchback-old-{}",
                directory.display(),
                backup.run()
            ),
        )
        .hint(
            "see in its start-up settings (`appendonly`, `dir`) which files it loads, then resume",
        ))
    }

    /// Whether this run has brought the shadow back.
    pub(super) fn restored_shadow(&self, cx: &Context<'_>, run: &RunId) -> Finding {
        match fs::read_to_string(self.backup(cx, cx.run).path(RESTORED)) {
            Ok(of) if of == run.as_str() => Finding::Holds,
            Ok(_) => Finding::Differs {
                found: "the data of another run".to_owned(),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Finding::Differs {
                found: "data that was not brought back".to_owned(),
            },
            Err(error) => Finding::Unknown {
                why: format!(
                    "cannot see whether `{}` was brought back: {error}",
                    self.name
                ),
            },
        }
    }

    /// Removes what is left of a shadow whose data is in the original's place.
    pub(super) fn release_shadow(&self, backup: &Backup) -> Result<(), Failure> {
        let Some(manifest) = backup.shadow()? else {
            return Ok(());
        };
        let place = backup.place_of(&manifest)?;
        if place.join(DATA).exists() || !place.join(TAKEN).exists() {
            return Ok(());
        }
        disk::remove(place).map_err(|error| backup.io("tidy", &error))
    }

    /// Removes what a dead process left in shadows' places.
    pub(super) fn tidy_shadow(&self, cx: &Context<'_>) -> Result<(), Failure> {
        for run in [cx.run.clone(), self.restoring(cx)?] {
            let backup = self.backup(cx, &run);
            let Some(place) = backup.shadow()?.and_then(|manifest| manifest.place) else {
                continue;
            };
            [SCRATCH, SETTINGS, IDENTITY]
                .iter()
                .try_for_each(|name| disk::remove(&place.join(name)))
                .map_err(|error| backup.io("tidy", &error))?;
        }
        Ok(())
    }
}

/// Whether this run has moved the shadow's data into place already; an error where another one has.
fn was_taken(cx: &Context<'_>, backup: &Backup, place: &Path) -> Result<bool, Failure> {
    let by = match fs::read_to_string(place.join(TAKEN)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        by => by.map_err(|error| backup.io("read", &error))?,
    };
    if place.join(DATA).exists() {
        return Ok(false);
    }
    if by == cx.run.as_str() {
        return Ok(true);
    }
    Err(Failure::new(
        "backup-missing",
        format!(
            "the shadow of `{}` by {} is in place already: {by} moved it there",
            backup.datastore(),
            backup.run()
        ),
    ))
}

/// Where the note about a source lies: beside it.
fn note_in(source: &Path) -> PathBuf {
    source.with_file_name(TAKEN)
}
