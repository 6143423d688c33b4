//! Giving a directory back what its shadow holds: moved in by renames on a way back, copied by reflink or by
//! bytes where the shadow must still serve.

use std::fs;
use std::path::PathBuf;

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::RunId;
use switchback_model::event::Outcome;
use switchback_model::plan::Purpose;

use super::compare::alike;
use super::contents;
use super::dress;
use super::entry::{Entry, Moment};
use super::holdings::{ABSENT, Shadow, copy_in};
use super::index::{Change, Index};
use super::root::Root;
use super::transfer::Transfer;
use super::update::Update;
use super::walk;
use super::workers::Workers;
use crate::backup::{self, Manifest};
use crate::disk;
use crate::said::{already, summary};
use crate::swap::Swap;

/// Written when everything is back: what is younger was written by others.
const GIVEN_BACK: &str = "given-back";
/// Later than every change.
const EVER: Moment = (i64::MAX, 0);

impl Shadow<'_> {
    pub(super) fn give_back(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        let manifest = self.backup.sealed()?;
        let absent = manifest.facts.contains_key(ABSENT);
        if !self.directory.exists() {
            if absent {
                return Ok(already("there was no directory, and there is none"));
            }
            fs::create_dir_all(self.directory)
                .map_err(|error| self.backup.io("restore", &error))?;
        }
        let swap = Swap::new(self.directory, run);
        let mut how = "moved in";
        let moved = !absent && !swap.is_half_done() && !copy_in(&manifest).exists();
        if moved && self.is_given_back(cx, run)? == Finding::Holds {
            return Ok(already("was brought back already"));
        }
        if !swap.is_half_done() {
            disk::remove(&self.marker()).map_err(|error| self.backup.io("restore", &error))?;
            if absent {
                swap.stage(|_| Ok(()))?;
            } else if !self.move_in(cx, &swap, &manifest)? {
                self.copy_in_place(cx, &swap, &manifest)?;
                how = "copied in";
            }
        }
        // Where there was no directory, there is no owner or mode to give back.
        if !absent {
            self.dress(&swap)?;
        }
        swap.switch(|_| true)?;
        backup::write_durably(&self.marker(), b"")
            .map_err(|error| self.backup.io("restore", &error))?;
        if !absent && !copy_in(&manifest).exists() {
            let place = manifest.place.clone().unwrap_or_default();
            disk::remove(&place).map_err(|error| self.backup.io("tidy", &error))?;
        }
        Ok(summary(&manifest, how))
    }

    /// Moves the shadow in where a way back may have it and a rename leads there.
    fn move_in(
        &self,
        cx: &Context<'_>,
        swap: &Swap<'_>,
        manifest: &Manifest,
    ) -> Result<bool, Failure> {
        if !matches!(cx.plan.purpose, Purpose::Rollback { .. }) {
            return Ok(false);
        }
        let copy = self.copy_of(manifest)?;
        self.require_identity(cx, &copy)?;
        swap.take(&copy_in(manifest))
    }

    fn copy_in_place(
        &self,
        cx: &Context<'_>,
        swap: &Swap<'_>,
        manifest: &Manifest,
    ) -> Result<(), Failure> {
        let copy = self.copy_of(manifest)?;
        self.require_identity(cx, &copy)?;
        if !super::survey::shares(self.directory) {
            let what = format!("the restored copy of `{}`", self.name);
            disk::require_space(self.directory, manifest.bytes, &what)?;
        }
        let workers = Workers::fast(cx);
        let transfer = Transfer::new();
        swap.stage_durable(|part| {
            let part = Root::open(part).map_err(|error| self.backup.io("restore", &error))?;
            let mut changes = walk::changes(&workers, &copy, &Index::default(), EVER)
                .map_err(|trouble| self.trouble("restore", trouble))?;
            Update {
                source: &copy,
                copy: &part,
                transfer: &transfer,
                since: EVER,
                earlier: None,
            }
            .apply(&workers, &mut changes)
            .map_err(|trouble| self.trouble("restore", trouble))?;
            part.sync_filesystem()
                .map_err(|error| self.backup.io("restore", &error))
        })?;
        // What shares its bytes with the shadow is the shadow's.
        if transfer.totals().1 == 0 {
            return Ok(());
        }
        let found = Root::open(&swap.staged())
            .map_err(|error| self.backup.io("restore", &error))
            .and_then(|staged| {
                contents::of_directory(&workers, &staged, &Index::default())
                    .map_err(|trouble| self.trouble("read", trouble))
            })?;
        let differences = manifest.contents.differences(&found);
        if differences.is_empty() {
            return Ok(());
        }
        swap.clean()?;
        let what = format!(
            "the restored copy of `{}` is not what was sealed; the original is untouched",
            self.name
        );
        Err(crate::said::differs("restore-differs", what, &differences))
    }

    /// Looks at every name of the copy: it must be the one that was sealed, untouched.
    fn require_identity(&self, cx: &Context<'_>, copy: &Root) -> Result<(), Failure> {
        let index = self.sealed_index()?;
        let odd = self.unlike(cx, copy, &index, |_, _| false)?;
        let Some(first) = odd.first() else {
            return Ok(());
        };
        Err(Failure::new(
            "backup-damaged",
            format!(
                "the shadow of `{}` by {} was changed after it was sealed",
                self.name,
                self.backup.run()
            ),
        )
        .cause(format!("{:?}, and {} more", first, odd.len() - 1))
        .state(self.name.to_string(), "unchanged"))
    }

    /// What in a directory is not as `index` says, owner, mode, size and time compared; `unless` may excuse.
    fn unlike(
        &self,
        cx: &Context<'_>,
        root: &Root,
        index: &Index,
        objection: impl Fn(&Entry, &Entry) -> bool,
    ) -> Result<Vec<PathBuf>, Failure> {
        let changes = walk::changes(&Workers::fast(cx), root, index, EVER)
            .map_err(|trouble| self.trouble("look at", trouble))?;
        let unlike = |change: &&Change| {
            // Restores put names of their own into the root and take them away: its time is of no interest.
            if change.name.is_empty() {
                return false;
            }
            let sides = (change.was.as_deref(), change.now.as_deref());
            let (Some(was), Some(now)) = sides else {
                return true;
            };
            let (was, now) = (was.entry(), now.entry());
            !alike(&was, &now) || objection(&was, &now)
        };
        Ok(changes.iter().filter(unlike).map(Change::path).collect())
    }

    /// Gives the directory what the new side has, which is removed with the last rename.
    fn dress(&self, swap: &Swap<'_>) -> Result<(), Failure> {
        let incoming = swap.incoming().unwrap_or_else(|| swap.staged());
        let dressed = Root::open(&incoming)
            .and_then(|new| new.directory(b""))
            .and_then(|new| dress::directory(&new, &Root::open(self.directory)?.directory(b"")?));
        dressed
            .map(drop)
            .map_err(|error| self.backup.io("restore", &error))
    }

    /// Whether the directory holds what was sealed: never touched, or brought back and not written to since.
    pub(super) fn is_given_back(&self, cx: &Context<'_>, run: &RunId) -> Result<Finding, Failure> {
        let manifest = self.backup.sealed()?;
        if Swap::new(self.directory, run).is_half_done() {
            return Ok(Finding::Differs {
                found: "files that are half exchanged".to_owned(),
            });
        }
        let absent = manifest.facts.contains_key(ABSENT);
        let root = match Root::open(self.directory) {
            Err(_) if absent && !self.directory.exists() => return Ok(Finding::Holds),
            root => root.map_err(|error| self.backup.io("look at", &error))?,
        };
        let index = if absent {
            Index::default()
        } else {
            self.sealed_index()?
        };
        let given = rustix::fs::stat(self.marker())
            .ok()
            .map(|found| Entry::of(&found).changed);
        let moved = !absent && !copy_in(&manifest).exists();
        let odd = self.unlike(cx, &root, &index, |was, now| {
            let untouched = was == now || now.is_directory();
            let brought =
                given.is_some_and(|given| now.changed <= given) || (given.is_none() && moved);
            !untouched && !brought
        })?;
        Ok(match odd.first() {
            None => Finding::Holds,
            Some(first) => Finding::Differs {
                found: format!("other files, first {first:?}"),
            },
        })
    }

    fn marker(&self) -> PathBuf {
        self.backup.path(GIVEN_BACK)
    }
}
