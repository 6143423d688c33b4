//! Space, identity and writability of the filesystems that an upgrade touches.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, stat, statvfs};
use switchback_model::observed::Filesystem;

/// Directories of this host that an upgrade writes to, beside the deployment's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// Where backups go.
    pub backups: PathBuf,
    /// Where the journal is.
    pub journal: PathBuf,
}

/// A path that will be written to, and what for.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    /// The path; it may not exist yet.
    pub(crate) path: PathBuf,
    /// What for, e.g. `backup`.
    pub(crate) what: String,
    /// True where switchback itself writes there, so that a probe file may be written.
    pub(crate) ours: bool,
}

impl Use {
    pub(crate) fn new(path: impl Into<PathBuf>, what: &str, ours: bool) -> Self {
        Self {
            path: path.into(),
            what: what.to_owned(),
            ours,
        }
    }
}

/// Looks at every path; one that cannot be looked at at all is left out.
pub(crate) fn look(uses: &[Use]) -> Vec<Filesystem> {
    let mut found: Vec<Filesystem> = Vec::new();
    for used in uses {
        let path = used.path.to_string_lossy().into_owned();
        if let Some(known) = found.iter_mut().find(|known| known.path == path) {
            if !known.uses.contains(&used.what) {
                known.uses.push(used.what.clone());
            }
            continue;
        }
        found.extend(look_at(used, path));
    }
    found
}

fn look_at(used: &Use, path: String) -> Option<Filesystem> {
    let existing = used.path.ancestors().find(|path| path.exists())?;
    let space = statvfs(existing).ok()?;
    Some(Filesystem {
        path,
        uses: vec![used.what.clone()],
        device: format!("{:x}", stat(existing).ok()?.st_dev),
        // `f_bavail`, not `f_bfree`: the rest is reserved for root, also when root asks (its dumps run as others).
        free: space.f_bavail.saturating_mul(space.f_frsize),
        total: space.f_blocks.saturating_mul(space.f_frsize),
        writable: if used.ours {
            can_write(existing)
        } else {
            access(existing, Access::WRITE_OK).is_ok()
        },
    })
}

/// Asks the filesystem itself: permission bits know nothing of read-only mounts, quotas or full inode tables.
fn can_write(path: &Path) -> bool {
    let directory = if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(path)
    };
    tempfile::Builder::new()
        .prefix(".switchback-probe-")
        .tempfile_in(directory)
        .is_ok()
}

/// Files below `directory` and their bytes.
pub(crate) fn tree_size(directory: &Path) -> (u64, u64) {
    let mut pending = vec![PathBuf::from(directory)];
    let (mut count, mut size) = (0, 0);
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => pending.push(entry.path()),
                Ok(metadata) => {
                    count += 1;
                    size += metadata.len();
                }
                Err(_) => {}
            }
        }
    }
    (count, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_the_nearest_directory_that_exists() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let found = look(&[
            Use::new(directory.path().join("not/yet"), "backup", true),
            Use::new(directory.path().join("not/yet"), "journal", true),
            Use::new(directory.path(), "temporary", true),
        ]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].uses, ["backup", "journal"]);
        assert!(found[0].writable && found[0].free > 0 && found[0].free <= found[0].total);
        assert_eq!(found[0].device, found[1].device);
        assert_eq!(
            std::fs::read_dir(directory.path())
                .expect("readable")
                .count(),
            0
        );
    }

    #[test]
    fn sees_that_nothing_can_be_written() {
        let found = look(&[Use::new("/proc/switchback", "backup", true)]);
        assert!(!found[0].writable);
    }
}
