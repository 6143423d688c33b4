//! Owner, mode, times and extended attributes: what a thing of a copy gets once it is made.

use std::io;

use rustix::fd::OwnedFd;
use rustix::fs::{self, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid};

use super::attributes::Bearer;
use super::entry::Entry;
use super::index::path_of;
use super::root::{self, Root};
use super::workers::Trouble;

/// Gives one directory of a copy what the original has; `None` where one of them is gone.
pub(super) fn directory_at(
    source: &Root,
    copy: &Root,
    place: &[u8],
) -> Result<Option<Entry>, Trouble> {
    let path = copy.path().join(path_of(place, &[]));
    let original = match source.directory(place) {
        Err(error) if root::vanished(&error) => return Ok(None),
        original => {
            let path = source.path().join(path_of(place, &[]));
            original.map_err(Trouble::at("read", &path))?
        }
    };
    let copied = match copy.directory(place) {
        // It was removed with what it was in.
        Err(error) if root::vanished(&error) => return Ok(None),
        copied => copied.map_err(Trouble::at("open", &path))?,
    };
    directory(&original, &copied)
        .map(Some)
        .map_err(Trouble::at("give owner and mode to", &path))
}

/// Gives one directory what another has.
pub(super) fn directory(source: &OwnedFd, copy: &OwnedFd) -> io::Result<Entry> {
    let entry = Entry::of(&fs::fstat(source)?);
    let (uid, gid) = owner(&entry);
    fs::fchown(copy, uid, gid)?;
    Bearer::Open(copy).set(&Bearer::Open(source).attributes()?)?;
    fs::fchmod(copy, Mode::from_raw_mode(entry.permissions()))?;
    fs::futimens(copy, &times(&entry))?;
    Ok(entry)
}

pub(super) fn owner(entry: &Entry) -> (Option<Uid>, Option<Gid>) {
    (
        Some(Uid::from_raw(entry.uid)),
        Some(Gid::from_raw(entry.gid)),
    )
}

pub(super) fn times(entry: &Entry) -> Timestamps {
    let (seconds, nanoseconds) = entry.modified;
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds.into(),
        },
    }
}
