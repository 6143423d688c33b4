//! Opening what lies below a directory without ever leaving it: no link is followed, whoever puts
//! one in the way meanwhile.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::entry::Entry;

/// An open directory, and everything below it.
pub(super) struct Root {
    path: PathBuf,
    directory: OwnedFd,
    /// The only filesystem that counts as inside; `None` where all do.
    filesystem: Option<u64>,
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let directory = fs::open(path, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty())?;
        let filesystem = Some(fs::fstat(&directory)?.st_dev);
        Ok(Self {
            path: path.to_owned(),
            directory,
            filesystem,
        })
    }

    /// As [`Root::open`], with what is mounted below.
    pub(super) fn open_across(path: &Path) -> io::Result<Self> {
        Ok(Self {
            filesystem: None,
            ..Self::open(path)?
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory itself.
    pub(super) fn entry(&self) -> io::Result<Entry> {
        Ok(Entry::of(&fs::fstat(&self.directory)?))
    }

    /// Whether a directory with this `st_dev` counts as inside: on the root's filesystem and subvolume.
    pub(super) fn holds(&self, filesystem: u64) -> bool {
        self.filesystem.is_none_or(|ours| ours == filesystem)
    }

    /// Opens a directory below; the empty path is the root itself.
    pub(super) fn directory(&self, below: &[u8]) -> io::Result<OwnedFd> {
        let mut open = fs::openat(&self.directory, ".", DIRECTORY, Mode::empty())?;
        for name in below
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
        {
            open = fs::openat(&open, name, DIRECTORY, Mode::empty())?;
        }
        Ok(open)
    }

    /// Makes everything on its filesystem durable: cheaper than one file after the other where they are many.
    pub(super) fn sync_filesystem(&self) -> io::Result<()> {
        Ok(fs::syncfs(&self.directory)?)
    }
}

/// Opens a regular file in a directory for reading, without following it or waiting for a pipe's other end.
pub(super) fn file(directory: &OwnedFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // Whoever reads the files of others may not always keep their time of access as it was.
    match fs::openat(directory, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => Ok(fs::openat(directory, name, flags, Mode::empty())?),
        opened => Ok(opened?),
    }
}

/// What a name in a directory is; `None` where there is none.
pub(super) fn look(directory: &OwnedFd, name: &[u8]) -> io::Result<Option<Entry>> {
    match fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Entry::of(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// True for errors of a thing that went away, or became something else, while it was looked at.
pub(super) fn vanished(error: &io::Error) -> bool {
    let gone = [
        Errno::NOENT,
        Errno::NOTDIR,
        Errno::LOOP,
        Errno::STALE,
        Errno::NXIO,
    ];
    Errno::from_io_error(error).is_some_and(|error| gone.contains(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_never_followed() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path();
        std::fs::create_dir_all(path.join("inside/deep")).expect("made");
        std::fs::write(path.join("inside/file"), "x").expect("written");
        std::os::unix::fs::symlink("/etc", path.join("inside/out")).expect("linked");
        let root = Root::open(&path.join("inside")).expect("opened");
        root.directory(b"deep").expect("there");
        for way in [&b"out"[..], b"out/ssl", b"file", b"nothing"] {
            assert!(vanished(&root.directory(way).expect_err("not a directory")));
        }
        let open = root.directory(b"").expect("opened");
        assert!(vanished(
            &file(&open, b"out").map(drop).expect_err("a link")
        ));
        assert!(file(&open, b"file").is_ok());
    }
}
