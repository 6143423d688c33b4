//! The shadow of a directory: a copy made and compared while the service is up, and an index of what it was
//! made from. The seal looks at every name once and copies what is not as the index says.
//!
//! ```text
//! <backups>/<run>/<datastore>/index     what was copied, thing by thing
//!                            /sealed    what the seal found to be different from it
//!                            /first     written when the first pass began, and
//!                            /pass      when the last one did: their times are the filesystem's own clock
//! <place>/copy                          the copy
//! ```

use std::fs;

use switchback_engine::ports::{Context, Failure};
use switchback_model::event::Outcome;
use switchback_model::plan::BackupState;
use switchback_model::{Contents, amount};

use super::compare::{Compare, Compared};
use super::contents;
use super::dress;
use super::entry::Moment;
use super::holdings::{ABSENT, FIRST, INDEX, SEALED, Shadow, size};
use super::index::{Change, Index};
use super::root::Root;
use super::transfer::Transfer;
use super::update::{self, Update};
use super::walk;
use super::workers::Workers;
use crate::backup::{Manifest, Seal};
use crate::disk;
use crate::said::already;

/// How often what changed while it was compared is copied and compared again. What changes all the time is left
/// to the seal.
const ROUNDS: u32 = 3;
/// How many an error names.
const NAMED: usize = 5;

impl Shadow<'_> {
    /// True once the first pass is whole. A sealed shadow has passed it, whatever was tidied since.
    pub(super) fn has_first_copy(&self) -> bool {
        let sealed = |manifest: Manifest| manifest.state >= BackupState::Sealed;
        self.backup.path(INDEX).exists() || self.backup.shadow().ok().flatten().is_some_and(sealed)
    }

    /// The first pass.
    pub(super) fn prepare(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        if self.backup.shadow()?.is_some() && self.backup.path(INDEX).exists() {
            return Ok(already("the first copy was made already"));
        }
        let place = self.begin()?;
        let workers = Workers::gentle(cx);
        let Some(source) = self.source()? else {
            self.write_index(INDEX, &Index::default())?;
            return Ok(Outcome {
                summary: "there is no directory to copy yet".to_owned(),
                ..Outcome::default()
            });
        };
        let copy = self.copy(&place)?;
        // What programs wrote through memory has its time of change from here on.
        workers.tell("waiting until what was written before is on disk");
        source
            .sync_filesystem()
            .map_err(|error| self.backup.io("begin", &error))?;
        let since = self.pass()?;
        let earlier = self.moment(FIRST)?;
        let mut changes = walk::changes(&workers, &source, &Index::default(), since)
            .map_err(|trouble| self.trouble("copy", trouble))?;
        let special = special(&changes);
        self.require_room(&place, &changes)?;
        let limit = cx.plan.datastores.get(self.name);
        let transfer = Transfer::limited(limit.and_then(|plan| plan.max_rate));
        let update = Update {
            source: &source,
            copy: &copy,
            transfer: &transfer,
            since,
            earlier: Some(earlier),
        };
        update
            .apply(&workers, &mut changes)
            .map_err(|trouble| self.trouble("copy", trouble))?;
        workers.tell("writing the copy to disk");
        copy.sync_filesystem()
            .map_err(|error| self.backup.io("write", &error))?;
        let index = Index::default().with(&changes);
        self.write_index(INDEX, &index)?;
        let (cloned, copied) = transfer.totals();
        Ok(Outcome {
            summary: told(index.len(), cloned, copied, &special),
            facts: [
                ("shared-bytes".to_owned(), cloned.to_string()),
                ("copied-bytes".to_owned(), copied.to_string()),
            ]
            .into(),
            ..Outcome::default()
        })
    }

    /// Brings the copy up to date, then reads both sides.
    pub(super) fn compare(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let manifest = self.manifest()?;
        if manifest.state >= BackupState::Sealed {
            return self.read_again(cx, &manifest);
        }
        let mut index = self.index()?;
        let workers = Workers::gentle(cx);
        let Some((source, copy)) = self.sides(&manifest, &index)? else {
            return self.nothing(BackupState::Compared);
        };
        source
            .sync_filesystem()
            .map_err(|error| self.backup.io("begin", &error))?;
        let mut bytes = 0;
        let mut changing = 0;
        for round in 0..ROUNDS {
            let since = self.pass()?;
            let mut changes = walk::changes(&workers, &source, &index, since)
                .map_err(|trouble| self.trouble("copy", trouble))?;
            self.update(&workers, (&source, &copy), since, &mut changes)?;
            index = index.with(&changes);
            if round == 0 {
                self.sweep(&workers, (&source, &copy), &index)?;
            }
            let compared = Compare {
                source: &source,
                copy: &copy,
            }
            .index(&workers, &index, round == 0)
            .map_err(|trouble| self.trouble("compare", trouble))?;
            index = index.with(&compared.changes);
            self.write_index(INDEX, &index)?;
            self.require_equal(&compared)?;
            bytes += compared.bytes;
            changing = compared.changed;
            if changing == 0 {
                break;
            }
        }
        copy.sync_filesystem()
            .map_err(|error| self.backup.io("write", &error))?;
        let contents = contents::of_index(&index);
        let sealed = self.backup.compared(Seal {
            contents,
            facts: manifest.facts.clone(),
            ..Seal::default()
        })?;
        self.backup.write(&Manifest { bytes, ..sealed })?;
        let mut summary = format!(
            "{} are equal in original and shadow",
            amount::plural(index.len() as u64, "file", "files")
        );
        if changing > 0 {
            summary.push_str(&format!(
                "; {changing} changed all the time, and are copied and compared by the seal"
            ));
        }
        Ok(Outcome {
            summary,
            facts: [("compared-bytes".to_owned(), bytes.to_string())].into(),
            ..Outcome::default()
        })
    }

    /// The last pass, with nobody left to write: what is not as it was when it was compared is copied and compared.
    pub(super) fn seal(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let manifest = self.manifest()?;
        let index = self.index()?;
        let workers = Workers::fast(cx);
        let Some((source, copy)) = self.sides(&manifest, &index)? else {
            return self.nothing(BackupState::Sealed);
        };
        let unfinished = self.backup.path(SEALED).with_extension("begun");
        let again = unfinished.exists();
        let since = self.pass()?;
        let mut changes = walk::changes(&workers, &source, &index, since)
            .map_err(|trouble| self.trouble("copy", trouble))?;
        if !changes.is_empty() {
            let io = |error: std::io::Error| self.backup.io("complete", &error);
            fs::write(&unfinished, b"").map_err(io)?;
        }
        let (mut compared, mut bytes) = (Compared::default(), manifest.bytes);
        if !changes.is_empty() {
            self.require_room(&copy.path().join(".."), &changes)?;
            self.update(&workers, (&source, &copy), since, &mut changes)?;
            bytes = bytes.saturating_sub(size(changes.iter().map(|change| &change.was)));
            compared = self.compared_still(&workers, (&source, &copy), changes)?;
            bytes += size(compared.changes.iter().map(|change| &change.now));
            if again {
                self.sweep(&workers, (&source, &copy), &index.with(&compared.changes))?;
            }
            update::sync(&workers, &copy, &compared.changes)
                .map_err(|trouble| self.trouble("complete", trouble))?;
        }
        self.write_index(SEALED, &Index::only(&compared.changes))?;
        let contents = if manifest.state >= BackupState::Compared {
            contents::adjusted(&manifest.contents, &compared.changes)
        } else {
            Contents::default()
        };
        let sealed = self.backup.seal_shadow(Seal {
            contents,
            facts: manifest.facts,
            ..Seal::default()
        })?;
        let sealed = Manifest { bytes, ..sealed };
        self.backup.write(&sealed)?;
        disk::remove(&unfinished).map_err(|error| self.backup.io("complete", &error))?;
        let copied = compared
            .changes
            .iter()
            .filter(|change| change.now.is_some());
        Ok(Outcome {
            summary: format!(
                "{} changed since the comparison, {} in all",
                amount::plural(copied.count() as u64, "file", "files"),
                sealed.contents.in_words()
            ),
            facts: [
                ("backup-bytes".to_owned(), sealed.bytes.to_string()),
                (
                    "backup-objects".to_owned(),
                    sealed.contents.total().to_string(),
                ),
            ]
            .into(),
            ..Outcome::default()
        })
    }

    /// Compares what was just copied; refuses where anything still changes, or differs.
    fn compared_still(
        &self,
        workers: &Workers,
        (source, copy): (&Root, &Root),
        changes: Vec<Change>,
    ) -> Result<Compared, Failure> {
        let compared = Compare { source, copy }
            .things(workers, changes)
            .map_err(|trouble| self.trouble("compare", trouble))?;
        self.require_still(&compared)?;
        self.require_equal(&compared)?;
        Ok(compared)
    }

    /// Reads a sealed shadow and compares it with what it held when it was sealed.
    fn read_again(&self, cx: &Context<'_>, manifest: &Manifest) -> Result<Outcome, Failure> {
        if manifest.facts.contains_key(ABSENT) {
            return Ok(already("there was no directory, and nothing to read"));
        }
        let copy = self.copy_of(manifest)?;
        let found = contents::of_directory(&Workers::gentle(cx), &copy, &Index::default())
            .map_err(|trouble| self.trouble("read", trouble))?;
        // What was sealed without a comparison is compared with the original now, which nobody has written to.
        let expected = if manifest.state == BackupState::Sealed && manifest.contents.total() == 0 {
            let Some(source) = self.source()? else {
                return Err(self.gone());
            };
            contents::of_directory(&Workers::gentle(cx), &source, &Index::default())
                .map_err(|trouble| self.trouble("read", trouble))?
        } else {
            manifest.contents.clone()
        };
        let differences = expected.differences(&found);
        if !differences.is_empty() {
            let what = format!(
                "the shadow of `{}` by {} does not hold what was sealed",
                self.name,
                self.backup.run()
            );
            let failure = crate::said::differs("backup-differs", what, &differences);
            return self.backup.judged(Err(failure));
        }
        self.backup.write(&Manifest {
            state: BackupState::Proven,
            contents: expected,
            ..manifest.clone()
        })?;
        Ok(Outcome {
            summary: format!("read, and equal: {}", found.in_words()),
            ..Outcome::default()
        })
    }

    /// Writes down what was sealed where there is no directory.
    fn nothing(&self, state: BackupState) -> Result<Outcome, Failure> {
        let seal = Seal {
            facts: [(ABSENT.to_owned(), "yes".to_owned())].into(),
            ..Seal::default()
        };
        if state == BackupState::Compared {
            self.backup.compared(seal)?;
        } else {
            self.write_index(SEALED, &Index::default())?;
            self.backup.seal_shadow(seal)?;
        }
        Ok(Outcome {
            summary: "there is no directory".to_owned(),
            ..Outcome::default()
        })
    }

    fn update(
        &self,
        workers: &Workers<'_>,
        (source, copy): (&Root, &Root),
        since: Moment,
        changes: &mut [Change],
    ) -> Result<(), Failure> {
        Update {
            source,
            copy,
            transfer: &Transfer::new(),
            since,
            earlier: None,
        }
        .apply(workers, changes)
        .map_err(|trouble| self.trouble("copy", trouble))
    }

    /// Removes from the copy what the index does not know: left by a pass that was killed.
    fn sweep(
        &self,
        workers: &Workers<'_>,
        (source, copy): (&Root, &Root),
        index: &Index,
    ) -> Result<(), Failure> {
        let found = walk::changes(workers, copy, index, (i64::MAX, 0))
            .map_err(|trouble| self.trouble("tidy", trouble))?;
        let left = found
            .iter()
            .filter(|change| change.was.is_none() && !change.name.is_empty());
        for left in left {
            disk::remove(&copy.path().join(left.path()))
                .map_err(|error| self.backup.io("tidy", &error))?;
            dress::directory_at(source, copy, &left.directory)
                .map_err(|trouble| self.trouble("tidy", trouble))?;
        }
        Ok(())
    }

    fn require_equal(&self, compared: &Compared) -> Result<(), Failure> {
        if compared.damaged.is_empty() {
            return Ok(());
        }
        let mut failure = Failure::new(
            "backup-differs",
            format!(
                "the shadow of `{}` does not hold what the original holds",
                self.name
            ),
        );
        failure.causes = named(&compared.damaged);
        Err(failure
            .state(self.name.to_string(), "unchanged")
            .hint("look for a broken disk or memory, then resume: these files are copied again"))
    }

    /// Whoever writes now has not been stopped.
    fn require_still(&self, compared: &Compared) -> Result<(), Failure> {
        if compared.changed == 0 {
            return Ok(());
        }
        let written: Vec<String> = compared
            .changes
            .iter()
            .filter(|change| change.now.as_ref().is_some_and(|now| now.sum().is_none()))
            .filter(|change| !change.name.is_empty())
            .map(|change| format!("{:?}", change.path()))
            .collect();
        let mut failure = Failure::new(
            "writers-connected",
            format!("somebody still writes to `{}`", self.name),
        );
        failure.causes = named(&written);
        Err(failure.hint(format!(
            "see who has files open there (fuser -vm {}), stop it, then resume",
            self.directory.display()
        )))
    }
}

/// How many pipes, sockets and devices there are: what programs sent through them is in no copy.
fn special(changes: &[Change]) -> usize {
    use rustix::fs::FileType;
    let records = changes.iter().filter_map(|change| change.now.as_deref());
    let ordinary = [
        FileType::RegularFile,
        FileType::Directory,
        FileType::Symlink,
    ];
    records
        .filter(|now| !ordinary.contains(&now.entry().kind()))
        .count()
}

fn told(count: usize, cloned: u64, copied: u64, special: &usize) -> String {
    let mut told = format!(
        "copied {} while the service is up",
        amount::plural(count as u64, "file", "files")
    );
    match (cloned, copied) {
        (0, copied) => told.push_str(&format!(", {}", amount::bytes(copied))),
        (cloned, 0) => told.push_str(&format!(
            ", {} shared with the original",
            amount::bytes(cloned)
        )),
        (cloned, copied) => told.push_str(&format!(
            ", {} shared with the original and {} copied",
            amount::bytes(cloned),
            amount::bytes(copied)
        )),
    }
    if *special > 0 {
        told.push_str(&format!(
            "; {} by name only",
            amount::plural(
                *special as u64,
                "pipe, socket or device",
                "pipes, sockets and devices"
            )
        ));
    }
    told
}

fn named(all: &[String]) -> Vec<String> {
    let mut named: Vec<String> = all.iter().take(NAMED).cloned().collect();
    if all.len() > NAMED {
        named.push(format!("and {} more", all.len() - NAMED));
    }
    named
}
