//! The manifest of one backup, and the files beside it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use switchback_engine::ports::Failure;
use switchback_model::digest::hex;
use switchback_model::plan::{BackupMethod, BackupState};
use switchback_model::product::DatastoreKind;
use switchback_model::{Contents, DatastoreName, Digest, RunId};

use crate::disk;

/// Format of the manifest that this code writes. It reads this and all older ones.
pub(super) const FORMAT: u32 = 1;
pub(super) const MANIFEST: &str = "manifest.json";
/// Directories of later rounds of a run begin so.
pub(crate) const ROUND: &str = "round-";
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
    /// How it is made, and so how it is brought back.
    #[serde(default = "documented")]
    pub method: BackupMethod,
    /// Where the data of a shadow lies: outside this directory where the filesystem demands it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PathBuf>,
    /// What the server of before ran on, where it became another version: kept as long as the backup, and the way
    /// back is by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<PathBuf>,
    /// Where it lies, where that is another machine: then this is a copy of the manifest over there, and every path in
    /// it is one of that machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub there: Option<There>,
    /// How far it has come.
    pub state: BackupState,
    /// Version of the server it was taken from.
    pub engine: Option<String>,
    /// What the original held at the position of the seal.
    pub contents: Contents,
    /// Bytes of all files of the copy.
    pub bytes: u64,
    /// Every file of the copy, by path below the backup's directory.
    pub files: BTreeMap<String, Kept>,
    /// Where in the original's history the copy stands, e.g. a log sequence number; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// When it came this far, in milliseconds since the epoch; for people, never for decisions.
    pub at: u64,
    /// Facts that only this kind of datastore needs again, e.g. the layout of its files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

impl Manifest {
    /// What was written down under `key` of its facts; a failure where that is not there or cannot be read.
    pub(crate) fn fact<T: DeserializeOwned>(&self, key: &str) -> Result<T, Failure> {
        let text = self.facts.get(key).map_or("", String::as_str);
        serde_json::from_str(text).map_err(|error| {
            Failure::new(
                "backup-manifest",
                format!(
                    "the manifest of `{}` by {} is damaged",
                    self.datastore, self.run
                ),
            )
            .cause(error)
        })
    }
}

/// Manifests from before shadows say nothing of a method.
fn documented() -> BackupMethod {
    BackupMethod::Dump
}

/// Where a backup lies that is kept on another machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct There {
    /// How the machine is called.
    pub machine: String,
    /// What its datastore is told over there as the place of backups.
    pub backups: PathBuf,
}

/// One file of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Digest of its bytes.
    pub digest: Digest,
    /// How many they are.
    pub bytes: u64,
}

/// The manifest in a backup's directory, or `None` where there is none.
pub(super) fn read_manifest(directory: &Path) -> Result<Option<Manifest>, Failure> {
    let path = directory.join(MANIFEST);
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::new("backup-manifest", format!("cannot read {}", path.display()))
            .cause(error)
            .state(format!("backup {}", directory.display()), "not changed")
            .hint("see who owns that file and what became of it: no way back goes by this backup until it can be read")
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
        .state(format!("backup {}", directory.display()), "not changed")
        .hint("use the version of switchback that made it, or a newer one"));
    }
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| unreadable(&error))
}

/// Every backup below `backups`: `<run>/<datastore>/manifest.json`, and the same below `round-N/` for later
/// rounds of a run. Oldest first; one that cannot be read is told, last, and not left out.
pub fn list(backups: &Path) -> io::Result<Vec<Result<Manifest, Failure>>> {
    let mut found = Vec::new();
    for directory in directories(backups)? {
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        let runs = if name.starts_with(ROUND) {
            directories(&directory)?
        } else {
            vec![directory]
        };
        for run in runs {
            for datastore in directories(&run)? {
                found.extend(read_manifest(&datastore).transpose());
            }
        }
    }
    found.sort_by_key(|manifest| manifest.as_ref().map_or(u64::MAX, |manifest| manifest.at));
    Ok(found)
}

/// Says in the manifest of the backup in `directory` that its shadow lies at `place` now. Backups without a
/// place of their own are left.
pub fn moved_to(directory: &Path, place: &Path) -> Result<(), Failure> {
    match read_manifest(directory)? {
        Some(manifest) if manifest.place.is_some() => write_manifest(
            directory,
            &Manifest {
                place: Some(place.to_owned()),
                ..manifest
            },
        ),
        _ => Ok(()),
    }
}

/// The manifest of the backup in `directory`, or `None` where there is none.
pub fn manifest_in(directory: &Path) -> Result<Option<Manifest>, Failure> {
    read_manifest(directory)
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

/// Writes a manifest whole and durably.
pub(super) fn write_manifest(directory: &Path, manifest: &Manifest) -> Result<(), Failure> {
    let path = directory.join(MANIFEST);
    serde_json::to_vec_pretty(manifest)
        .map_err(io::Error::other)
        .and_then(|text| write_durably(&path, &text))
        .map_err(|error| {
            disk::failure(
                "backup-io",
                format!("cannot write {}", path.display()),
                &error,
            )
        })
}

/// Writes a file whole: beside, synced, renamed, directory synced.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
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

/// Milliseconds since the epoch.
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}
