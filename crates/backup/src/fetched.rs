//! A backup that was brought back from the repository, and one that was read
//! there. Only reading it proves anything.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use switchback_engine::ports::{Failure, Progress};

use crate::restic::Restic;
use crate::stored::Stored;

/// What the directory is called while it is not whole.
const UNFINISHED: &str = "part";

/// A backup in a directory of its own, as it was stored. restic compared every byte with what it hashed then.
#[derive(Debug)]
pub struct Fetched {
    backup: Stored,
    directory: PathBuf,
}

/// A backup that was fetched and read by what knows how.
#[derive(Debug)]
pub struct Proven {
    backup: Stored,
}

impl Fetched {
    /// Which backup.
    pub fn backup(&self) -> &Stored {
        &self.backup
    }

    /// What was stored as the backup's own directory.
    pub fn copy(&self) -> PathBuf {
        self.directory.join(self.backup.labels.datastore.as_str())
    }

    /// Where a directory lies now that was stored from beside the backup's own.
    pub fn beside(&self, stored: &Path) -> PathBuf {
        let below = stored.strip_prefix("/").unwrap_or(stored);
        self.directory.join(below)
    }

    /// The whole of it.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Reads it with `reader`, and takes that for a proof where it succeeds.
    pub fn read_by<T>(
        self,
        reader: impl FnOnce(&Self) -> Result<T, Failure>,
    ) -> Result<(Proven, T), Failure> {
        let read = reader(&self)?;
        let proven = Proven {
            backup: self.backup,
        };
        Ok((proven, read))
    }
}

impl Proven {
    /// Which backup.
    pub fn backup(&self) -> &Stored {
        &self.backup
    }
}

#[derive(Deserialize)]
struct Message {
    message_type: String,
    #[serde(default)]
    bytes_restored: u64,
    #[serde(default)]
    total_bytes: u64,
}

pub(crate) fn fetch(
    restic: &Restic,
    backup: &Stored,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<Fetched, Failure> {
    refuse_existing(directory)?;
    let unfinished = beside(directory);
    let here = |error: io::Error| {
        Failure::new(
            "restore-place",
            format!(
                "cannot bring `{}` into `{}`",
                backup.id,
                directory.display()
            ),
        )
        .cause(error)
        .state("repository", "unchanged")
        .hint("name a directory that can be written to: --to DIR")
    };
    make_private(&unfinished).map_err(here)?;
    require_space(backup, &unfinished)?;
    let argv = restic
        .argv()
        .args(["restore", &backup.snapshot, "--target"])
        .arg(unfinished.to_string_lossy());
    let fetched = restic.past_dead_locks(&mut || {
        restic.call(argv.clone(), &mut |line| {
            if let Ok(message) = serde_json::from_str::<Message>(line)
                && message.message_type == "status"
            {
                progress.report(
                    "fetching from the repository",
                    Some(message.bytes_restored),
                    Some(message.total_bytes),
                    Some("B"),
                );
            }
        })
    });
    fetched.map_err(|trouble| told(trouble.into(), backup))?;
    fs::rename(&unfinished, directory).map_err(here)?;
    Ok(Fetched {
        backup: backup.clone(),
        directory: directory.to_owned(),
    })
}

/// What restic says of a restore, from the side of who wanted the data.
fn told(failure: Failure, backup: &Stored) -> Failure {
    match failure.code.as_str() {
        "repository-full" => Failure {
            code: "restore-full".to_owned(),
            what: format!("no space is left for `{}`", backup.id),
            state: Vec::new(),
            hints: Vec::new(),
            ..failure
        }
        .state("repository", "unchanged")
        .hint("free space there and type the same command again: what is there already is not fetched again"),
        "repository-failed" => Failure {
            code: "backup-damaged".to_owned(),
            what: format!("`{}` cannot be read back from the repository", backup.id),
            ..failure
        },
        _ => failure,
    }
}

fn refuse_existing(directory: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(Failure::new(
            "restore-exists",
            format!("`{}` is there already", directory.display()),
        )
        .state("directory", "unchanged: nothing is ever overwritten")
        .hint("name one that does not exist yet, or move this one away")),
    }
}

fn require_space(backup: &Stored, place: &Path) -> Result<(), Failure> {
    // What cannot be asked is found out on the way; what is there already was counted once.
    let Ok(found) = rustix::fs::statvfs(place) else {
        return Ok(());
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if free >= backup.bytes || has_entries(place) {
        return Ok(());
    }
    Err(Failure::new(
        "restore-space",
        format!(
            "there is no room for `{}` in `{}`",
            backup.id,
            place.display()
        ),
    )
    .cause(format!("it has {} bytes, {free} are free", backup.bytes))
    .state("repository", "unchanged")
    .hint("name a directory on a larger filesystem: --to DIR"))
}

fn has_entries(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}

fn beside(directory: &Path) -> PathBuf {
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(UNFINISHED);
    directory.with_file_name(name)
}

/// Closed to everybody else: backups hold secrets.
fn make_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}
