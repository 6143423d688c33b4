//! Bringing a Redis server's data back: copied beside, then exchanged by renames while it is stopped.

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::RunId;
use switchback_model::event::Outcome;
use switchback_model::plan::BackupMethod;

use super::contents;
use super::keep::COPY;
use super::server::{Server, kept_layout};
use crate::said::{already, restored_otherwise, summary};
use crate::swap::{self, Swap};

impl Server {
    pub(super) fn restore(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, run);
        let manifest = backup.sealed()?;
        if manifest.method == BackupMethod::Shadow {
            return self.restore_shadow(cx, &backup, &manifest);
        }
        let layout = kept_layout(&manifest)?;
        let directory = layout.on_host(&self.name, &self.location)?;
        let swap = Swap::new(&directory, run);
        self.mark_restoring(cx, run)?;
        if !swap.is_half_done() {
            // Loading may have changed the files of the copy's own version: the server that runs now must be it.
            swap.stage_backup(cx, &backup, &manifest, COPY)?;
            let staged = swap.staged();
            backup.verify_copy(COPY, &staged)?;
        }
        self.mark_stopped(cx, &directory)?;
        self.stop(cx)?;
        // From here on only going on helps: the mark stays, and the server with it stopped, until all is moved.
        swap.switch(|name| layout.holds(name))?;
        let _held = self.hold();
        self.start(cx)?;
        self.unmark_stopped(cx)?;
        self.unmark_restoring(cx)?;
        let held = contents::read(&self.client(cx.commands)?, cx.progress)?;
        let differences = manifest.contents.differences(&held.contents);
        if !differences.is_empty() {
            let aside = format!("{}/.switchback-old-{run}", directory.display());
            return Err(restored_otherwise(&self.name, &differences, &aside));
        }
        Ok(summary(&manifest, "brought back"))
    }

    pub(super) fn restored(&self, cx: &Context<'_>, run: &RunId) -> Finding {
        let unknown = |failure: Failure| Finding::Unknown { why: failure.what };
        let manifest = match self.backup(cx, run).sealed() {
            Ok(manifest) => manifest,
            Err(failure) => return unknown(failure),
        };
        match kept_layout(&manifest).and_then(|layout| layout.on_host(&self.name, &self.location)) {
            Ok(directory) if Swap::new(&directory, run).is_half_done() => {
                return Finding::Differs {
                    found: "files that are half exchanged".to_owned(),
                };
            }
            Ok(_) => {}
            Err(failure) => return unknown(failure),
        }
        if manifest.method == BackupMethod::Shadow {
            return self.restored_shadow(cx, run);
        }
        let held = self
            .client(cx.commands)
            .and_then(|client| contents::read(&client, cx.progress));
        match held {
            Err(failure) => unknown(failure),
            Ok(held) => match manifest.contents.differences(&held.contents).first() {
                None => Finding::Holds,
                Some(first) => Finding::Differs {
                    found: format!("other data, first in `{}`", first.collection),
                },
            },
        }
    }

    pub(super) fn release(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, run);
        let directory = kept_layout(&backup.sealed()?)?.on_host(&self.name, &self.location)?;
        self.release_shadow(&backup)?;
        if !Swap::new(&directory, run).release()? {
            return Ok(already("nothing is left beside it"));
        }
        Ok(Outcome {
            summary: "removed the files that were moved aside".to_owned(),
            ..Outcome::default()
        })
    }

    pub(super) fn released(&self, cx: &Context<'_>, run: &RunId) -> Finding {
        let manifest = match self.backup(cx, run).sealed() {
            Ok(manifest) => manifest,
            Err(failure) => return Finding::Unknown { why: failure.what },
        };
        match kept_layout(&manifest).and_then(|layout| layout.on_host(&self.name, &self.location)) {
            Err(failure) => Finding::Unknown { why: failure.what },
            Ok(directory) if Swap::new(&directory, run).has_old() => Finding::Differs {
                found: format!("{}/.switchback-old-{run}", directory.display()),
            },
            Ok(_) => Finding::Holds,
        }
    }

    /// Starts a server that a dead process left stopped, unless its files are half exchanged.
    pub(super) fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        self.tidy_backup(cx)?;
        self.tidy_shadow(cx)?;
        if let Some(directory) = self.directory(cx)? {
            if swap::is_any_half_done(&directory) {
                return Ok(());
            }
            swap::clean_all(&directory)?;
        }
        if let Some(directory) = self.stopped_by_us(cx) {
            if swap::is_any_half_done(&directory) {
                return Ok(());
            }
            self.start(cx)?;
            self.unmark_stopped(cx)?;
        }
        self.unmark_restoring(cx)
    }

    /// Where the files are, as the backup that this run makes or brings back knows it. Only where nothing
    /// was being brought back may that stay unknown.
    fn directory(&self, cx: &Context<'_>) -> Result<Option<std::path::PathBuf>, Failure> {
        let run = self.restoring(cx)?;
        let found = self
            .backup(cx, &run)
            .sealed()
            .and_then(|manifest| kept_layout(&manifest)?.on_host(&self.name, &self.location));
        match found {
            Ok(directory) => Ok(Some(directory)),
            Err(failure) if run != *cx.run => Err(failure),
            Err(_) => Ok(None),
        }
    }
}
