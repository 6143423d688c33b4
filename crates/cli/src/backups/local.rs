//! Backups on this machine: which there are, and where each lies.

use std::path::{Path, PathBuf};

use switchback_datastores::backup::{self, Manifest};
use switchback_engine::ports::Failure;
use switchback_model::exit::Exit;
use switchback_model::{Problem, RunId};

use crate::failure::Failed;

/// More stops at which the product runs than any path has.
const MOST_ROUNDS: u32 = 1000;

/// A backup and where it lies.
pub(crate) struct Entry {
    pub(crate) manifest: Manifest,
    /// Which backup of its run: 1 is the first.
    pub(crate) round: u32,
    /// What its datastore is told as the place of backups.
    pub(crate) root: PathBuf,
}

impl Entry {
    /// Its own directory.
    pub(crate) fn directory(&self) -> PathBuf {
        self.below(&self.root)
    }

    /// Its own directory, on the machine that it is on.
    pub(crate) fn place(&self) -> PathBuf {
        let root = match &self.manifest.there {
            Some(there) => &there.backups,
            None => &self.root,
        };
        self.below(root)
    }

    fn below(&self, root: &Path) -> PathBuf {
        root.join(self.manifest.run.as_str())
            .join(self.manifest.datastore.as_str())
    }

    /// Where its shadow lies, where that is not in its own directory, and what a server of before ran on. Of what is on
    /// another machine nothing is here but the manifest.
    pub(crate) fn beside(&self) -> impl Iterator<Item = &Path> {
        let kept = [&self.manifest.place, &self.manifest.aside].into_iter();
        kept.filter_map(Option::as_deref)
            .filter(|_| self.manifest.there.is_none())
            .filter(|place| !place.starts_with(self.directory()))
    }

    /// Bytes that it occupies.
    pub(crate) fn bytes(&self) -> u64 {
        if self.manifest.there.is_some() {
            return self.manifest.bytes;
        }
        let aside = self.manifest.aside.as_deref().map_or(0, size_of);
        let kept = match &self.manifest.place {
            Some(place) => size_of(place),
            None => self.manifest.bytes,
        };
        kept + aside
    }
}

/// The readable backups of one run.
pub(crate) fn of_run(directory: &Path, run: &RunId) -> Result<Vec<Entry>, Failed> {
    let entries = entries(directory)?.into_iter().flatten();
    Ok(entries.filter(|entry| entry.manifest.run == *run).collect())
}

/// Every backup with its place, oldest first; later rounds of a run lie in `round-N`.
pub(crate) fn entries(directory: &Path) -> Result<Vec<Result<Entry, Failure>>, Failed> {
    let unreadable = |error: std::io::Error| {
        Problem::new(
            Exit::Refused,
            "backups-unreadable",
            format!("`{}` cannot be read", directory.display()),
        )
        .cause(error)
        .hint("run as the user who made the backups")
    };
    let mut found: Vec<Result<Entry, Failure>> = Vec::new();
    for manifest in backup::list(directory).map_err(unreadable)? {
        let entry = manifest.map(|manifest| {
            let earlier = found.iter().flatten().filter(|known| {
                known.manifest.run == manifest.run && known.manifest.datastore == manifest.datastore
            });
            let place = |round: u32| match round {
                1 => directory.to_owned(),
                later => directory.join(format!("round-{later}")),
            };
            // Rounds of a run were made one after the other.
            let mut round = 1 + u32::try_from(earlier.count()).unwrap_or(0);
            let here = |round| {
                let root: PathBuf = place(round);
                root.join(manifest.run.as_str())
                    .join(manifest.datastore.as_str())
                    .is_dir()
            };
            while !here(round) && round < MOST_ROUNDS {
                round += 1;
            }
            Entry {
                root: place(round),
                round,
                manifest,
            }
        });
        found.push(entry);
    }
    Ok(found)
}

/// Bytes of all files below a path; what cannot be read counts nothing.
fn size_of(path: &Path) -> u64 {
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return 0;
    };
    if !found.is_dir() {
        return found.len();
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| size_of(&entry.path())).sum()
}

/// Removes a directory of a backup with everything in it; one that is not there is removed already.
pub(crate) fn remove(directory: &Path) -> Result<(), Failed> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Problem::new(
            Exit::Refused,
            "backup-unremovable",
            format!("`{}` cannot be removed", directory.display()),
        )
        .cause(error)
        .hint("look at who owns it")
        .into()),
        _ => Ok(()),
    }
}
