//! One backup on disk: a directory with the copy and a manifest that says how
//! far it has come and what it must contain.
//!
//! ```text
//! <backups>/<run>/<datastore>/manifest.json   written whole, synced, renamed into place
//!                            /copy…           whatever the datastore keeps
//! ```

mod manifest;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::plan::{BackupMethod, BackupState};
use switchback_model::product::DatastoreKind;
use switchback_model::{Contents, DatastoreName, RunId};

use self::manifest::{FORMAT, MANIFEST, read_manifest, write_manifest};
pub use self::manifest::{Kept, Manifest, There, list, manifest_in, moved_to};
pub(crate) use self::manifest::{ROUND, create_private, digest_file, now, write_durably};

/// What only a datastore itself can say about its backup when it is sealed.
#[derive(Clone, Debug, Default)]
pub struct Seal {
    /// Version of the server.
    pub engine: Option<String>,
    /// What the original holds.
    pub contents: Contents,
    /// See [`Manifest::position`].
    pub position: Option<String>,
    /// See [`Manifest::facts`].
    pub facts: BTreeMap<String, String>,
}

/// The directory of one datastore's backup in one run.
#[derive(Clone, Debug)]
pub struct Backup {
    directory: PathBuf,
    datastore: DatastoreName,
    kind: DatastoreKind,
    run: RunId,
}

impl Backup {
    /// The backup that `run` keeps of `datastore`; it need not exist.
    pub fn of(
        cx: &Context<'_>,
        run: &RunId,
        datastore: &DatastoreName,
        kind: DatastoreKind,
    ) -> Self {
        let directory = cx.backups.join(run.as_str()).join(datastore.as_str());
        Self {
            directory,
            datastore: datastore.clone(),
            kind,
            run: run.clone(),
        }
    }

    /// One in a directory that a test chose.
    #[cfg(test)]
    pub(crate) fn at(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            datastore: "identity".into(),
            kind: DatastoreKind::Postgres,
            run: RunId::new("r-1"),
        }
    }

    /// Whose data it is.
    pub(crate) fn datastore(&self) -> &DatastoreName {
        &self.datastore
    }

    /// The run that makes it.
    pub(crate) fn run(&self) -> &RunId {
        &self.run
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Path of a file or directory of the copy.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Makes the directory, readable by its owner only, and writes a manifest that says *prepared*.
    pub fn prepare(&self, engine: Option<String>) -> Result<(), Failure> {
        create_private(&self.directory).map_err(|error| self.io("prepare", &error))?;
        if self.manifest()?.is_some() {
            return Ok(());
        }
        self.write(&self.begun(BackupMethod::Dump, engine))
    }

    /// What a backup says of itself when it is begun.
    pub(crate) fn begun(&self, method: BackupMethod, engine: Option<String>) -> Manifest {
        Manifest {
            format: FORMAT,
            datastore: self.datastore.clone(),
            kind: self.kind,
            run: self.run.clone(),
            method,
            place: None,
            aside: None,
            there: None,
            state: BackupState::Prepared,
            engine,
            contents: Contents::default(),
            bytes: 0,
            files: BTreeMap::new(),
            position: None,
            at: now(),
            facts: BTreeMap::new(),
        }
    }

    /// The manifest, or `None` where no backup was begun.
    pub fn manifest(&self) -> Result<Option<Manifest>, Failure> {
        read_manifest(&self.directory)
    }

    /// The manifest of a backup that is complete at one position.
    pub fn sealed(&self) -> Result<Manifest, Failure> {
        match self.manifest()? {
            Some(manifest) if manifest.state >= BackupState::Sealed => Ok(manifest),
            Some(_) => Err(Failure::new(
                "backup-incomplete",
                format!(
                    "the backup of `{}` by {} was begun and never completed",
                    self.datastore, self.run
                ),
            )),
            None => Err(Failure::new(
                "backup-missing",
                format!("there is no backup of `{}` by {}", self.datastore, self.run),
            )
            .cause(format!("no {MANIFEST} in {}", self.directory.display()))),
        }
    }

    /// Completes the manifest: every file below the directory is digested, synced and written down.
    pub fn seal(&self, cx: &Context<'_>, seal: Seal) -> Result<Manifest, Failure> {
        let (files, bytes) = self
            .digest_all(cx)
            .map_err(|error| self.io("complete", &error))?;
        let manifest = Manifest {
            state: BackupState::Sealed,
            contents: seal.contents,
            bytes,
            files,
            position: seal.position,
            facts: seal.facts,
            ..self.begun(BackupMethod::Dump, seal.engine)
        };
        self.write(&manifest)?;
        Ok(manifest)
    }

    /// Whether the backup has come at least as far as `state`, as far as a look at every file's
    /// presence and size can tell. Reading them all is for [`Backup::verify_files`].
    pub fn has_reached(&self, state: BackupState) -> Finding {
        let manifest = match self.manifest() {
            Ok(manifest) => manifest,
            Err(failure) => return Finding::Unknown { why: failure.what },
        };
        let Some(manifest) = manifest else {
            return Finding::Differs {
                found: "no backup".to_owned(),
            };
        };
        if manifest.state < state {
            let found = match manifest.state {
                BackupState::Prepared => "a backup that is only prepared",
                BackupState::Compared => "a shadow that is not sealed",
                BackupState::Sealed | BackupState::Proven => "a backup that is only sealed",
            };
            return Finding::Differs {
                found: found.to_owned(),
            };
        }
        if let Some(place) = &manifest.place
            && !place.exists()
        {
            let found = format!("a shadow that is no longer in {}", place.display());
            return Finding::Differs { found };
        }
        for (name, kept) in &manifest.files {
            match fs::symlink_metadata(self.path(name)) {
                Ok(found) if found.len() == kept.bytes => {}
                Ok(found) => {
                    let found = format!(
                        "`{name}` of the backup with {} bytes instead of {}",
                        found.len(),
                        kept.bytes
                    );
                    return Finding::Differs { found };
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Finding::Differs {
                        found: format!("a backup without its `{name}`"),
                    };
                }
                Err(error) => {
                    return Finding::Unknown {
                        why: format!("cannot look at `{name}` of the backup: {error}"),
                    };
                }
            }
        }
        Finding::Holds
    }

    /// Says that the copy was restored elsewhere, read, and found equal.
    pub fn proven(&self) -> Result<Manifest, Failure> {
        let manifest = Manifest {
            state: BackupState::Proven,
            ..self.sealed()?
        };
        self.write(&manifest)?;
        Ok(manifest)
    }

    /// Notes where what the server of before ran on will lie.
    pub(crate) fn keeps_aside(&self, place: &Path) -> Result<(), Failure> {
        self.write(&Manifest {
            aside: Some(place.to_owned()),
            ..self.sealed()?
        })
    }

    /// Ends an attempt at a proof: a copy that turned out to be damaged or different is no longer
    /// proven, whatever it was before. Other failures prove nothing either way.
    pub fn judged<T>(&self, tried: Result<T, Failure>) -> Result<T, Failure> {
        let refuted = |failure: &Failure| {
            ["backup-damaged", "backup-differs"].contains(&failure.code.as_str())
        };
        if tried.as_ref().is_err_and(refuted) {
            let manifest = Manifest {
                state: BackupState::Sealed,
                ..self.sealed()?
            };
            self.write(&manifest)?;
        }
        tried
    }

    /// Reads every file of a sealed copy and compares it with its digest.
    pub fn verify_files(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let manifest = self.sealed()?;
        let mut done = 0;
        for (name, kept) in &manifest.files {
            cx.progress.report(
                "reading the backup",
                Some(done),
                Some(manifest.bytes),
                Some("B"),
            );
            let (found, bytes) =
                digest_file(&self.path(name)).map_err(|error| self.io("read", &error))?;
            if found != kept.digest {
                return Err(Failure::new(
                    "backup-damaged",
                    format!(
                        "the backup of `{}` by {} is damaged: `{name}` has changed",
                        self.datastore, self.run
                    ),
                )
                .cause(format!(
                    "expected {}, found {}",
                    kept.digest.short(),
                    found.short()
                )));
            }
            done += bytes;
        }
        Ok(())
    }

    /// Compares a copy of what lies under `name` with the manifest, file by file.
    pub fn verify_copy(&self, name: &str, copy: &Path) -> Result<(), Failure> {
        for (path, kept) in &self.sealed()?.files {
            let Ok(path) = Path::new(path).strip_prefix(name) else {
                continue;
            };
            let path = copy.join(path);
            let (found, _) =
                digest_file(&path).map_err(|error| self.io("read the copy of", &error))?;
            if found != kept.digest {
                return Err(Failure::new(
                    "restore-differs",
                    format!("the restored copy of `{}` is not what was sealed; the original is untouched", self.datastore),
                )
                .cause(format!("{} differs", path.display())));
            }
        }
        Ok(())
    }

    fn digest_all(&self, cx: &Context<'_>) -> io::Result<(BTreeMap<String, Kept>, u64)> {
        let mut files = BTreeMap::new();
        let mut all = 0;
        let mut open = vec![self.directory.clone()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                let path = entry.path();
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    open.push(path);
                } else if kind.is_file() && path != self.path(MANIFEST) {
                    cx.progress
                        .report("writing the backup to disk", Some(all), None, Some("B"));
                    let (digest, bytes) = digest_file(&path)?;
                    File::open(&path)?.sync_all()?;
                    let name = path
                        .strip_prefix(&self.directory)
                        .map_err(io::Error::other)?;
                    files.insert(name.to_string_lossy().into_owned(), Kept { digest, bytes });
                    all += bytes;
                }
            }
            File::open(&directory)?.sync_all()?;
        }
        Ok((files, all))
    }

    /// Writes the manifest anew, whole and durably.
    pub(crate) fn write(&self, manifest: &Manifest) -> Result<(), Failure> {
        write_manifest(&self.directory, manifest)
    }

    /// An I/O error of this backup as a failure; a full disk is named as such.
    pub fn io(&self, doing: &str, error: &io::Error) -> Failure {
        let full = error.kind() == io::ErrorKind::StorageFull;
        let code = if full {
            "backup-disk-full"
        } else {
            "backup-io"
        };
        let failure = Failure::new(
            code,
            format!(
                "cannot {doing} the backup of `{}` in {}",
                self.datastore,
                self.directory.display()
            ),
        )
        .cause(error);
        if full {
            failure.hint("free space on that filesystem, then resume")
        } else {
            failure
        }
    }
}
