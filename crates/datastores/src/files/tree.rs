//! What lies below a directory: kinds, sizes, times, owners; what changed since a copy that `cp` made.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use switchback_engine::process::Argv;

use crate::disk;
use crate::swap;

/// Files copied by one process: far below the longest command line.
const BATCH: usize = 500;

/// Seconds and nanoseconds.
type Moment = (i64, i64);

/// Everything below a directory, without what a restore keeps there.
pub(super) struct Tree {
    root: PathBuf,
    found: BTreeMap<PathBuf, Metadata>,
}

/// What makes a copy equal again.
pub(super) struct Changes {
    /// To be removed from the copy, parents first.
    pub(super) stale: Vec<PathBuf>,
    /// To be copied.
    pub(super) copied: Vec<PathBuf>,
    /// How many bytes those are.
    pub(super) bytes: u64,
}

impl Changes {
    /// Names to copy at once. Hard links come first and together, so that they stay links.
    pub(super) fn batches(&self) -> impl Iterator<Item = &[PathBuf]> {
        self.copied.chunks(BATCH)
    }
}

/// When a file's content or attributes last changed.
pub(super) fn changed_at(found: &Metadata) -> Moment {
    (found.ctime(), found.ctime_nsec())
}

/// `cp` with the names' parents, owners, modes, times, links, holes and attributes.
pub(super) fn copy_command(from: &Path, names: &[PathBuf], to: &Path) -> Argv {
    Argv::new(
        "cp",
        ["-a", "--parents", "--reflink=auto", "--sparse=always", "-t"],
    )
    .arg(to.to_string_lossy())
    .arg("--")
    .args(names.iter().map(|name| name.to_string_lossy()))
    .directory(from)
}

impl Tree {
    /// Looks at everything; what vanishes meanwhile is not there. A directory that does not exist is empty.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self {
            root: root.to_owned(),
            found: BTreeMap::new(),
        };
        match fs::symlink_metadata(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(tree),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let mut open = vec![PathBuf::new()];
        while let Some(directory) = open.pop() {
            let entries = match fs::read_dir(root.join(&directory)) {
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && !directory.as_os_str().is_empty() =>
                {
                    continue;
                }
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name();
                if directory.as_os_str().is_empty() && swap::is_ours(&name) {
                    continue;
                }
                let path = directory.join(name);
                let Ok(found) = entry.metadata() else {
                    continue;
                };
                if found.is_dir() {
                    open.push(path.clone());
                }
                tree.found.insert(path, found);
            }
        }
        Ok(tree)
    }

    /// The first name that is not UTF-8: it could be given neither to `cp` nor to a manifest.
    pub(super) fn unnameable(&self) -> Option<&Path> {
        let mut paths = self.found.keys().map(PathBuf::as_path);
        paths.find(|path| path.to_str().is_none())
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.found
            .values()
            .filter(|found| found.is_file())
            .map(Metadata::len)
            .sum()
    }

    /// What must be done to `copy` to make it equal to this. What changed at or after `since` (the start of an
    /// earlier pass) is copied again whatever it looks like.
    pub(super) fn changes(&self, copy: &Self, since: Option<Moment>) -> Changes {
        let changed = |path: &PathBuf, found: &Metadata| match copy.found.get(path) {
            None => true,
            Some(kept) if found.is_dir() => !kept.is_dir(),
            Some(kept) => {
                !same(found, kept) || since.is_none_or(|since| changed_at(found) >= since)
            }
        };
        let mut linked: BTreeMap<(u64, u64), bool> = BTreeMap::new();
        for (path, found) in self.found.iter().filter(|(_, found)| is_linked(found)) {
            let group = linked.entry((found.dev(), found.ino())).or_default();
            *group |= changed(path, found);
        }
        let mut copied: Vec<(bool, u64, PathBuf)> = Vec::new();
        let mut bytes = 0;
        for (path, found) in &self.found {
            let again = if is_linked(found) {
                linked
                    .get(&(found.dev(), found.ino()))
                    .copied()
                    .unwrap_or(true)
            } else {
                changed(path, found)
            };
            // Directories come with what is in them; only empty ones must be named.
            if again && (!found.is_dir() || self.is_empty(path)) {
                bytes += found.len();
                copied.push((
                    !is_linked(found),
                    if is_linked(found) { found.ino() } else { 0 },
                    path.clone(),
                ));
            }
        }
        copied.sort();
        let copied: Vec<PathBuf> = copied.into_iter().map(|(_, _, path)| path).collect();
        let gone = copy.found.iter().filter(|(path, kept)| {
            self.found
                .get(*path)
                .is_none_or(|found| found.is_dir() != kept.is_dir())
        });
        let mut stale: Vec<PathBuf> = gone.map(|(path, _)| path.clone()).collect();
        stale.extend(
            copied
                .iter()
                .filter(|path| copy.found.get(*path).is_some_and(|kept| !kept.is_dir()))
                .cloned(),
        );
        stale.sort();
        Changes {
            stale,
            copied,
            bytes,
        }
    }

    fn is_empty(&self, directory: &Path) -> bool {
        self.found
            .range(directory.to_owned()..)
            .nth(1)
            .is_none_or(|(next, _)| !next.starts_with(directory))
    }

    /// Gives the directories of a copy the owner and mode of the originals, the root included.
    pub(super) fn dress(&self, copy: &Path) -> io::Result<()> {
        let directories = self.found.iter().filter(|(_, found)| found.is_dir());
        let root = fs::metadata(&self.root)?;
        for (path, found) in directories
            .map(|(path, found)| (copy.join(path), found))
            .chain([(copy.to_owned(), &root)])
        {
            disk::give_to(&path, found)?;
            fs::set_permissions(
                &path,
                fs::Permissions::from_mode(found.permissions().mode()),
            )?;
        }
        Ok(())
    }
}

fn is_linked(found: &Metadata) -> bool {
    !found.is_dir() && found.nlink() > 1
}

fn same(found: &Metadata, kept: &Metadata) -> bool {
    found.file_type() == kept.file_type()
        && found.len() == kept.len()
        && (found.mtime(), found.mtime_nsec()) == (kept.mtime(), kept.mtime_nsec())
        && (found.mode(), found.uid(), found.gid()) == (kept.mode(), kept.uid(), kept.gid())
}
