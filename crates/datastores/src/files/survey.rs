//! What can be told of a directory before anything is begun: how much it holds, and whether a shadow can be made.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{StatVfsMountFlags, ioctl_ficlone, statvfs};
use switchback_engine::ports::Failure;
use switchback_model::observed::Shadowing;

use super::index::{Change, Index};
use super::root::Root;
use super::walk;
use super::workers::{Trouble, Workers};

/// Names that are left for others.
const RESERVE: u64 = 1000;

/// What was found in a directory.
#[derive(Default)]
pub(super) struct Looked {
    /// Bytes of all files.
    pub(super) bytes: u64,
    /// Files and links, without directories.
    pub(super) count: u64,
    /// Whether a shadow of it can be made.
    pub(super) shadow: Shadowing,
}

/// Looks at every name once; a directory that is not there holds nothing.
pub(super) fn look(directory: &Path) -> Result<Looked, Trouble> {
    let open = |opened: io::Result<Root>| match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some).map_err(Trouble::at("read", directory)),
    };
    let Some(root) = open(Root::open(directory))? else {
        return Ok(Looked {
            shadow: Shadowing::Possible,
            ..Looked::default()
        });
    };
    let workers = Workers::unheard();
    let all = |root: &Root| walk::changes(&workers, root, &Index::default(), (0, 0));
    let (changes, because) = match all(&root) {
        Ok(changes) => {
            let because = obstacle(directory, &changes);
            (changes, because)
        }
        Err(Trouble::Foreign { path }) => {
            let Some(root) = open(Root::open_across(directory))? else {
                return Ok(Looked::default());
            };
            let because = format!("{} in it is a filesystem of its own", path.display());
            (all(&root)?, Some(because))
        }
        Err(trouble) => return Err(trouble),
    };
    let entries = changes.iter().filter_map(|change| change.now.as_deref());
    let mut looked = Looked::default();
    for entry in entries.map(super::entry::Record::entry) {
        looked.count += u64::from(!entry.is_directory());
        looked.bytes += if entry.is_file() { entry.size } else { 0 };
    }
    looked.shadow = because.map_or(Shadowing::Possible, |because| Shadowing::Impossible {
        because,
    });
    Ok(looked)
}

/// Why no shadow can be made.
fn obstacle(directory: &Path, changes: &[Change]) -> Option<String> {
    let us = rustix::process::geteuid();
    let of_others = changes.iter().find(|change| {
        change
            .now
            .as_ref()
            .is_some_and(|now| now.entry().uid != us.as_raw())
    });
    if !us.is_root()
        && let Some(change) = of_others
    {
        return Some(format!(
            "{:?} in it belongs to another user, and switchback does not run as root",
            change.path()
        ));
    }
    let read_only =
        statvfs(directory).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY));
    read_only.then(|| "its filesystem is mounted read-only".to_owned())
}

/// Whether files on the filesystem of `place` can share their bytes.
pub(super) fn shares(place: &Path) -> bool {
    let (one, other) = (place.join(".probe-1"), place.join(".probe-2"));
    let tried = || -> io::Result<()> {
        fs::write(&one, [1; 4096])?;
        ioctl_ficlone(File::create(&other)?, File::open(&one)?)?;
        Ok(())
    };
    let shared = tried().is_ok();
    for path in [one, other] {
        // Left behind, it is removed with the place.
        let _ = fs::remove_file(path);
    }
    shared
}

/// Refuses to begin where there is no room for `count` more names.
pub(super) fn require_names(place: &Path, count: u64, what: &str) -> Result<(), Failure> {
    let Ok(found) = statvfs(place) else {
        return Ok(());
    };
    // Filesystems that make inodes as they go count none.
    if found.f_files == 0 || found.f_favail >= count.saturating_add(RESERVE) {
        return Ok(());
    }
    Err(Failure::new(
        "disk-full",
        format!(
            "{what} needs {count} files in {}, and the filesystem has room for {}",
            place.display(),
            found.f_favail
        ),
    )
    .hint("free files (inodes) on that filesystem, then resume"))
}
