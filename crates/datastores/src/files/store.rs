//! The datastore port for a directory of files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use switchback_engine::ports::{Context, Datastore, Failure, Finding};
use switchback_model::amount;
use switchback_model::event::Outcome;
use switchback_model::observed::DatastoreLocation;
use switchback_model::plan::{BackupMethod, BackupState, Expectation};
use switchback_model::product::DatastoreKind;
use switchback_model::{Contents, DatastoreName, RunId};

use super::contents;
use super::holdings::{ABSENT, Shadow};
use super::index::Index;
use super::root::Root;
use super::survey;
use super::tree::{self, Tree};
use super::workers::Workers;
use crate::backup::{Backup, Seal};
use crate::disk;
use crate::said::{already, differs, summary};
use crate::survey::Survey;
use crate::swap::{self, Swap};

/// The copy in a backup's directory.
const COPY: &str = "copy";
/// Written when the first pass begins: what changed in the same moment or later is copied again.
const BEGUN: &str = "first-pass";

/// A directory of files.
pub(crate) struct Files {
    name: DatastoreName,
    directory: Option<PathBuf>,
    location: DatastoreLocation,
}

impl Files {
    pub(crate) fn new(name: &DatastoreName, location: &DatastoreLocation) -> Self {
        Self {
            name: name.clone(),
            directory: location.directory.as_ref().map(PathBuf::from),
            location: location.clone(),
        }
    }

    pub(crate) fn survey(&self) -> Result<Survey, Failure> {
        let directory = self.directory()?;
        let looked = survey::look(directory).map_err(|trouble| {
            let what = format!("cannot read `{}` in {}", self.name, directory.display());
            trouble.failure("files-unreadable", what)
        })?;
        let mut obstacles = Vec::new();
        if !directory.exists() {
            obstacles.push(format!("{} does not exist", directory.display()));
        }
        Ok(Survey {
            size: Some(looked.bytes),
            count: Some(looked.count),
            obstacles,
            shadow: looked.shadow,
            ..Survey::default()
        })
    }

    fn directory(&self) -> Result<&Path, Failure> {
        self.directory.as_deref().ok_or_else(|| {
            Failure::new(
                "files-not-there",
                format!(
                    "the directory of `{}` was not found on this host",
                    self.name
                ),
            )
            .hint(format!(
                "say where it is: [datastores.{}] directory in switchback.toml",
                self.name
            ))
        })
    }

    fn backup(&self, cx: &Context<'_>, run: &RunId) -> Backup {
        Backup::of(cx, run, &self.name, DatastoreKind::Files)
    }

    fn look_at(&self, directory: &Path) -> Result<Tree, Failure> {
        Tree::read(directory).map_err(|error| self.unreadable(directory, &error))
    }

    fn contents_of(&self, cx: &Context<'_>, directory: &Path) -> Result<Contents, Failure> {
        let root = match Root::open_across(directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Contents::default());
            }
            root => root.map_err(|error| self.unreadable(directory, &error))?,
        };
        // What this run's shadow was compared with and nobody touched since need not be read again.
        let backup = self.backup(cx, cx.run);
        let known = match self.shadow_of(&backup)? {
            Some(shadow) => shadow.last_index(),
            None => Index::default(),
        };
        contents::of_directory(&Workers::gentle(cx), &root, &known).map_err(|trouble| {
            let what = format!("cannot read `{}` in {}", self.name, directory.display());
            trouble.failure("files-unreadable", what)
        })
    }

    /// What is kept of it by shadow, where the manifest says so.
    fn shadow_of<'s>(&'s self, backup: &'s Backup) -> Result<Option<Shadow<'s>>, Failure> {
        match backup.shadow()? {
            Some(_) => self.shadow(backup).map(Some),
            None => Ok(None),
        }
    }

    fn shadow<'s>(&'s self, backup: &'s Backup) -> Result<Shadow<'s>, Failure> {
        Ok(Shadow {
            name: &self.name,
            directory: self.directory()?,
            location: &self.location,
            backup,
        })
    }

    fn unreadable(&self, directory: &Path, error: &std::io::Error) -> Failure {
        disk::unreadable(
            format!("cannot read `{}` in {}", self.name, directory.display()),
            error,
        )
    }

    /// Brings the copy up to what the directory is now: removes what is gone, copies what is new or changed.
    fn synchronize(&self, cx: &Context<'_>, backup: &Backup) -> Result<usize, Failure> {
        let (directory, copy) = (self.directory()?, backup.path(COPY));
        let io = |error: std::io::Error| backup.io("write", &error);
        crate::backup::create_private(&copy).map_err(io)?;
        if !directory.exists() {
            for name in swap::names(&copy).map_err(io)? {
                disk::remove(&copy.join(name)).map_err(io)?;
            }
            return Ok(0);
        }
        let since = fs::metadata(backup.path(BEGUN))
            .ok()
            .map(|found| tree::changed_at(&found));
        let (source, kept) = (self.look_at(directory)?, self.look_at(&copy)?);
        let changes = source.changes(&kept, since);
        for path in changes.stale.iter().rev() {
            disk::remove(&copy.join(path)).map_err(io)?;
        }
        let bytes = changes.bytes;
        disk::require_space(
            backup.directory(),
            bytes,
            &format!("the copy of `{}`", self.name),
        )?;
        let mut done = 0;
        for batch in changes.batches() {
            cx.progress.report(
                "copying files",
                Some(done),
                Some(changes.copied.len() as u64),
                Some("files"),
            );
            let argv = tree::copy_command(directory, batch, &copy);
            let what = format!("cannot copy `{}`", self.name);
            cx.commands
                .capture(&argv)
                .map_err(|error| disk::copy_failure(error, what))?;
            done += batch.len() as u64;
        }
        source.dress(&copy).map_err(io)?;
        Ok(changes.copied.len())
    }

    fn try_seal(&self, cx: &Context<'_>, backup: &Backup) -> Result<Outcome, Failure> {
        let directory = self.directory()?;
        self.synchronize(cx, backup)?;
        let absent = !directory.exists();
        let contents = self.contents_of(cx, directory)?;
        let facts = absent
            .then(|| (ABSENT.to_owned(), "yes".to_owned()))
            .into_iter()
            .collect();
        let manifest = backup.seal(
            cx,
            Seal {
                contents,
                facts,
                ..Seal::default()
            },
        )?;
        Ok(summary(&manifest, "copied"))
    }

    fn try_out(&self, cx: &Context<'_>, backup: &Backup) -> Result<(), Failure> {
        let manifest = backup.sealed()?;
        backup.verify_files(cx)?;
        let found = self.contents_of(cx, &backup.path(COPY))?;
        let differences = manifest.contents.differences(&found);
        if !differences.is_empty() {
            let what = format!(
                "the backup of `{}` by {} does not hold what the original held",
                self.name, cx.run
            );
            return Err(differs("backup-differs", what, &differences));
        }
        Ok(())
    }

    fn restore_files(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, run);
        let manifest = backup.sealed()?;
        let directory = self.directory()?;
        if !directory.exists() {
            if manifest.facts.contains_key(ABSENT) {
                return Ok(already("there was no directory, and there is none"));
            }
            fs::create_dir_all(directory).map_err(|error| self.unreadable(directory, &error))?;
        }
        let swap = Swap::new(directory, run);
        if !swap.is_half_done() {
            swap.stage_backup(cx, &backup, &manifest, COPY)?;
            let found = self.contents_of(cx, &swap.staged())?;
            let differences = manifest.contents.differences(&found);
            if !differences.is_empty() {
                swap.clean()?;
                let what = format!(
                    "the restored copy of `{}` is not what was sealed; the original is untouched",
                    self.name
                );
                return Err(differs("restore-differs", what, &differences));
            }
        }
        swap.switch(|_| true)?;
        // Where there was no directory, there is no owner or mode to give back.
        if manifest.facts.contains_key(ABSENT) {
            return Ok(summary(&manifest, "brought back"));
        }
        if let Ok(found) = fs::metadata(backup.path(COPY)) {
            let io = |error: std::io::Error| backup.io("restore", &error);
            disk::give_to(directory, &found).map_err(io)?;
            fs::set_permissions(
                directory,
                fs::Permissions::from_mode(found.permissions().mode()),
            )
            .map_err(io)?;
        }
        Ok(summary(&manifest, "brought back"))
    }

    fn restored(&self, cx: &Context<'_>, run: &RunId) -> Result<Finding, Failure> {
        let backup = self.backup(cx, run);
        if let Some(shadow) = self.shadow_of(&backup)? {
            return shadow.is_given_back(cx, run);
        }
        let manifest = self.backup(cx, run).sealed()?;
        let directory = self.directory()?;
        if Swap::new(directory, run).is_half_done() {
            return Ok(Finding::Differs {
                found: "files that are half exchanged".to_owned(),
            });
        }
        let found = self.contents_of(cx, directory)?;
        Ok(match manifest.contents.differences(&found).first() {
            None => Finding::Holds,
            Some(first) => Finding::Differs {
                found: format!("other files, first in `{}`", first.collection),
            },
        })
    }
}

impl Datastore for Files {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        let unknown = |failure: Failure| Finding::Unknown { why: failure.what };
        match expectation {
            // An optional directory that does not exist holds nothing; that can be said of it.
            Expectation::Reachable { .. } => match self
                .directory()
                .and_then(|directory| self.look_at(directory))
            {
                Ok(_) => Finding::Holds,
                Err(failure) => Finding::Differs {
                    found: failure.what,
                },
            },
            // Files have no server: nothing to compare, and nobody is connected.
            Expectation::Engine { .. } | Expectation::NoWriters { .. } => Finding::Holds,
            Expectation::Backup { state, run, .. } => {
                let backup = self.backup(cx, run.as_ref().unwrap_or(cx.run));
                match self.shadow_of(&backup) {
                    // The manifest says that it is begun from before the first byte is copied.
                    Ok(Some(shadow)) if !shadow.has_first_copy() => Finding::Differs {
                        found: "a first copy that was not finished".to_owned(),
                    },
                    _ => backup.has_reached(*state),
                }
            }
            Expectation::Restored { run, .. } => self.restored(cx, run).unwrap_or_else(unknown),
            Expectation::Released { run, .. } => match self.directory() {
                Err(failure) => unknown(failure),
                Ok(directory) if Swap::new(directory, run).has_old() => Finding::Differs {
                    found: format!("{}/.switchback-old-{run}", directory.display()),
                },
                Ok(_) => Finding::Holds,
            },
            _ => Finding::Unknown {
                why: "not a datastore's matter".to_owned(),
            },
        }
    }

    fn contents(&self, cx: &Context<'_>) -> Result<Contents, Failure> {
        self.contents_of(cx, self.directory()?)
    }

    fn sealed_contents(&self, cx: &Context<'_>, run: &RunId) -> Result<Contents, Failure> {
        self.backup(cx, run)
            .sealed()
            .map(|manifest| manifest.contents)
    }

    fn prepare(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        if crate::shadow::method(cx, &self.name) == BackupMethod::Shadow {
            return self.shadow(&backup)?.prepare(cx);
        }
        if backup.has_reached(BackupState::Prepared) == Finding::Holds {
            return Ok(already("the first copy was made already"));
        }
        let io = |error: std::io::Error| backup.io("write", &error);
        crate::backup::create_private(backup.directory()).map_err(io)?;
        let tree = self.look_at(self.directory()?)?;
        if let Some(path) = tree.unnameable() {
            return Err(Failure::new(
                "files-name",
                format!(
                    "`{}` has a file whose name is not UTF-8, which cannot be kept",
                    self.name
                ),
            )
            .cause(format!("{:?} in {}", path, self.directory()?.display()))
            .hint("rename it, then resume"));
        }
        disk::require_space(
            backup.directory(),
            tree.bytes(),
            &format!("the copy of `{}`", self.name),
        )?;
        crate::backup::write_durably(&backup.path(BEGUN), b"").map_err(io)?;
        // The service is up: what vanishes or changes meanwhile is caught by the second pass.
        let copied = match self.synchronize(cx, &backup) {
            Ok(copied) => copied,
            Err(failure) if failure.code == "copy-failed" => 0,
            Err(failure) => return Err(failure),
        };
        backup.prepare(None)?;
        Ok(Outcome {
            summary: format!(
                "copied {} while the service is up",
                amount::plural(copied as u64, "file", "files")
            ),
            ..Outcome::default()
        })
    }

    fn follow(&self, _: &Context<'_>) -> Result<Outcome, Failure> {
        Ok(Outcome::default())
    }

    fn seal(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        if backup.has_reached(BackupState::Sealed) == Finding::Holds {
            return Ok(already("the copy was complete already"));
        }
        if let Some(shadow) = self.shadow_of(&backup)? {
            return shadow.seal(cx);
        }
        backup.prepare(None)?;
        self.try_seal(cx, &backup)
    }

    fn prove(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        if let Some(shadow) = self.shadow_of(&backup)? {
            return shadow.compare(cx);
        }
        backup.judged(self.try_out(cx, &backup))?;
        Ok(summary(&backup.proven()?, "read, and equal"))
    }

    fn restore(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, run);
        match self.shadow_of(&backup)? {
            Some(shadow) => shadow.give_back(cx, run),
            None => self.restore_files(cx, run),
        }
    }

    fn release(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        let _ = cx;
        if !Swap::new(self.directory()?, run).release()? {
            return Ok(already("nothing is left beside it"));
        }
        Ok(Outcome {
            summary: "removed the files that were moved aside".to_owned(),
            ..Outcome::default()
        })
    }

    fn clean(&self, _: &Context<'_>) -> Result<(), Failure> {
        match &self.directory {
            Some(directory) => swap::clean_all(directory),
            None => Ok(()),
        }
    }
}
