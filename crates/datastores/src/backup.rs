//! One backup on disk: a directory with the copy and a manifest that says how
//! far it has come and what it must contain.
//!
//! ```text
//! <backups>/<run>/<datastore>/manifest.json   written whole, synced, renamed into place
//!                            /copy…           whatever the datastore keeps
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use switchback_engine::ports::{Context, Failure};
use switchback_model::digest::hex;
use switchback_model::plan::BackupState;
use switchback_model::product::DatastoreKind;
use switchback_model::{Contents, DatastoreName, Digest, RunId};

/// Format of the manifest that this code writes. It reads this and all older ones.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
/// Large enough to keep the disk busy, small enough not to matter.
const BLOCK: usize = 1 << 20;

/// What a backup says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// Format of this document.
    pub format: u32,
    /// The datastore it is of.
    pub datastore: DatastoreName,
    /// What keeps it.
    pub kind: DatastoreKind,
    /// The run that made it.
    pub run: RunId,
    /// How far it has come.
    pub state: BackupState,
    /// Version of the server it was taken from.
    pub engine: Option<String>,
    /// What the original held at the position of the seal.
    pub contents: Contents,
    /// Bytes of all files of the copy.
    pub bytes: u64,
    /// Digest of each file of the copy, by path below the backup's directory.
    pub files: BTreeMap<String, Digest>,
    /// Facts that only this kind of datastore needs again, e.g. the layout of its files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
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
        self.write(&Manifest {
            format: FORMAT,
            datastore: self.datastore.clone(),
            kind: self.kind,
            run: self.run.clone(),
            state: BackupState::Prepared,
            engine,
            contents: Contents::default(),
            bytes: 0,
            files: BTreeMap::new(),
            facts: BTreeMap::new(),
        })
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

    /// Completes the manifest: everything below the directory is digested, synced and written down.
    pub fn seal(
        &self,
        engine: Option<String>,
        contents: Contents,
        facts: BTreeMap<String, String>,
    ) -> Result<Manifest, Failure> {
        let (files, bytes) = self.digest_all().map_err(|error| self.io("seal", &error))?;
        let manifest = Manifest {
            format: FORMAT,
            datastore: self.datastore.clone(),
            kind: self.kind,
            run: self.run.clone(),
            state: BackupState::Sealed,
            engine,
            contents,
            bytes,
            files,
            facts,
        };
        self.write(&manifest)?;
        Ok(manifest)
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

    /// Reads every file of a sealed copy and compares it with its digest.
    pub fn verify_files(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let manifest = self.sealed()?;
        let mut done = 0;
        for (name, digest) in &manifest.files {
            cx.progress.report(
                "reading the backup",
                Some(done),
                Some(manifest.bytes),
                Some("B"),
            );
            let (found, bytes) =
                digest_file(&self.path(name)).map_err(|error| self.io("read", &error))?;
            if found != *digest {
                return Err(Failure::new(
                    "backup-damaged",
                    format!(
                        "the backup of `{}` by {} is damaged: `{name}` has changed",
                        self.datastore, self.run
                    ),
                )
                .cause(format!(
                    "expected {}, found {}",
                    digest.short(),
                    found.short()
                )));
            }
            done += bytes;
        }
        Ok(())
    }

    fn digest_all(&self) -> io::Result<(BTreeMap<String, Digest>, u64)> {
        let mut files = BTreeMap::new();
        let mut bytes = 0;
        let mut open = vec![self.directory.clone()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                let path = entry.path();
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    open.push(path);
                } else if kind.is_file() && path != self.path(MANIFEST) {
                    let (digest, size) = digest_file(&path)?;
                    File::open(&path)?.sync_all()?;
                    let name = path
                        .strip_prefix(&self.directory)
                        .map_err(io::Error::other)?;
                    files.insert(name.to_string_lossy().into_owned(), digest);
                    bytes += size;
                }
            }
            File::open(&directory)?.sync_all()?;
        }
        Ok((files, bytes))
    }

    fn write(&self, manifest: &Manifest) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(manifest)
            .map_err(|error| self.io("describe", &io::Error::other(error)))?;
        write_durably(&self.path(MANIFEST), &text).map_err(|error| self.io("describe", &error))
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

/// The manifest in a backup's directory, or `None` where there is none.
fn read_manifest(directory: &Path) -> Result<Option<Manifest>, Failure> {
    let path = directory.join(MANIFEST);
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::new("backup-manifest", format!("cannot read {}", path.display())).cause(error)
    };
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&error)),
    };
    #[derive(Deserialize)]
    struct Formatted {
        format: u32,
    }
    let Formatted { format } =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))?;
    if format > FORMAT {
        return Err(Failure::new(
            "backup-newer",
            format!(
                "{} has format {format}; this switchback reads up to {FORMAT}",
                path.display()
            ),
        )
        .hint("use the version of switchback that made it, or a newer one"));
    }
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| unreadable(&error))
}

/// Every backup below `backups`, oldest directory name first: `<backups>/<run>/<datastore>/manifest.json`.
/// What cannot be read is reported in its place, not left out.
pub fn list(backups: &Path) -> io::Result<Vec<Result<Manifest, Failure>>> {
    let mut found = Vec::new();
    for run in directories(backups)? {
        for datastore in directories(&run)? {
            match read_manifest(&datastore) {
                Ok(Some(manifest)) => found.push(Ok(manifest)),
                Ok(None) => {}
                Err(failure) => found.push(Err(failure)),
            }
        }
    }
    Ok(found)
}

fn directories(parent: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Writes a file whole: beside, synced, renamed, directory synced.
fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("writing");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent()
        .map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// Makes a directory and those above it; the last is closed to everybody else, since backups hold secrets.
pub(crate) fn create_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}

/// Digest and length of a file.
pub(crate) fn digest_file(path: &Path) -> io::Result<(Digest, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BLOCK];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((Digest::from_hex(hex(&hasher.finalize())), bytes));
        }
        hasher.update(&buffer[..count]);
        bytes += count as u64;
    }
}

/// Refuses to begin writing where `needed` bytes are not free.
pub(crate) fn require_space(directory: &Path, needed: u64, what: &str) -> Result<(), Failure> {
    let Ok(found) = rustix::fs::statvfs(directory) else {
        return Ok(());
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if free >= needed {
        return Ok(());
    }
    Err(Failure::new(
        "no-space",
        format!(
            "{what} needs {needed} bytes in {}, and {free} are free",
            directory.display()
        ),
    )
    .hint("free space on that filesystem, then resume"))
}
