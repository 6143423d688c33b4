//! What a directory holds, counted and added up: by first directory, times left out, for a copy that was
//! brought back has times of its own.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{self, FileType};
use rustix::io::{Errno, pread};
use sha2::{Digest as _, Sha256};
use switchback_model::Contents;
use switchback_model::digest::hex;

use super::attributes::{Attributes, Bearer};
use super::entry::{Entry, Moment, Record};
use super::index::{Change, Index, Items, path_of};
use super::root::{self, Root};
use super::walk;
use super::workers::{Queue, Telling, Trouble, Workers};
use crate::tally::{self, Tally};

/// Later than every change.
const EVER: Moment = (i64::MAX, 0);
/// Where files lie that are in no directory of their own.
const TOP: &str = ".";
/// Things that one task reads.
const TOGETHER: usize = 64;
pub(super) const BUFFER: usize = 256 << 10;

/// What `root` holds now. What `known` says is not read again where it is still true.
pub(super) fn of_directory(
    workers: &Workers<'_>,
    root: &Root,
    known: &Index,
) -> Result<Contents, Trouble> {
    let mut changes = walk::changes(workers, root, known, EVER)?;
    let bytes = changes.iter().filter_map(|change| change.now.as_deref());
    let telling = Telling {
        doing: "reading files",
        of: Some(bytes.map(|now| now.entry().size).sum()),
        unit: "B",
    };
    let tasks: Vec<&mut [Change]> = changes.chunks_mut(TOGETHER).rev().collect();
    workers.run(telling, tasks, |part, queue, buffer: &mut Vec<u8>| {
        buffer.resize(BUFFER, 0);
        for change in part.iter_mut().filter(|change| !change.name.is_empty()) {
            let Some(now) = change.now.as_deref_mut() else {
                continue;
            };
            let path = root.path().join(path_of(&change.directory, &change.name));
            let read = root.directory(&change.directory).and_then(|directory| {
                let content = content(&directory, &change.name, &now.entry(), buffer, queue)?;
                let attributes = attributes(&directory, &change.name, &path, &now.entry())?;
                Ok(content.map(|content| {
                    sum(
                        &change.directory,
                        &change.name,
                        &now.entry(),
                        &attributes,
                        &content,
                    )
                }))
            });
            match read {
                Ok(Some(sum)) => now.compared(sum),
                Ok(None) => return Err(Trouble::Stopped),
                // The service may be up.
                Err(error) if root::vanished(&error) => change.now = None,
                Err(error) => return Err(Trouble::at("read", &path)(error)),
            }
        }
        Ok(())
    })?;
    Ok(of_index(&known.with(&changes)))
}

/// What an index says that a directory holds: what was never read is not counted.
pub(super) fn of_index(index: &Index) -> Contents {
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for (directory, items) in index.directories() {
        let mut add = |collection: String, items: Items<'_>, directories: bool| {
            let sums = items
                .filter(|item| item.record.entry().is_directory() == directories)
                .filter_map(|item| Some((item.name, item.record.sum()?)));
            for (name, sum) in sums {
                let collection = if directory.is_empty() && directories {
                    String::from_utf8_lossy(name).into_owned()
                } else {
                    collection.clone()
                };
                tallies.entry(collection).or_default().add_digest(sum);
            }
        };
        let collection = collection(directory, &[], false);
        add(collection.clone(), items, true);
        add(collection, items, false);
    }
    told(tallies)
}

/// `before`, as `changes` leave it.
pub(super) fn adjusted(before: &Contents, changes: &[Change]) -> Contents {
    let mut tallies: BTreeMap<String, Tally> = before
        .collections
        .iter()
        .map(|(name, collection)| (name.clone(), Tally::of(collection)))
        .collect();
    for change in changes.iter().filter(|change| !change.name.is_empty()) {
        let side = |record: Option<&Record>| {
            let record = record?;
            let directory = record.entry().is_directory();
            let collection = collection(&change.directory, &change.name, directory);
            Some((collection, record.sum()?))
        };
        if let Some((collection, sum)) = side(change.was.as_deref()) {
            tallies.entry(collection).or_default().remove_digest(sum);
        }
        if let Some((collection, sum)) = side(change.now.as_deref()) {
            tallies.entry(collection).or_default().add_digest(sum);
        }
    }
    told(tallies)
}

fn told(tallies: BTreeMap<String, Tally>) -> Contents {
    let collections = tallies
        .into_iter()
        .filter(|(_, tally)| !tally.is_empty())
        .map(|(name, tally)| (name, tally.collection()))
        .collect();
    Contents { collections }
}

/// The collection that a thing counts to.
fn collection(directory: &[u8], name: &[u8], is_directory: bool) -> String {
    let first = directory.split(|byte| *byte == b'/').next();
    match first.filter(|first| !first.is_empty()) {
        Some(first) => String::from_utf8_lossy(first).into_owned(),
        None if is_directory => String::from_utf8_lossy(name).into_owned(),
        None => TOP.to_owned(),
    }
}

/// Digest of one thing with its path.
pub(super) fn sum(
    directory: &[u8],
    name: &[u8],
    entry: &Entry,
    attributes: &Attributes,
    content: &[u8],
) -> u128 {
    use std::os::unix::ffi::OsStrExt as _;
    let path = path_of(directory, name);
    let owner = format!("{:o} {} {}", entry.mode, entry.uid, entry.gid);
    let parts = [path.as_os_str().as_bytes(), owner.as_bytes(), content];
    let extended = attributes
        .iter()
        .flat_map(|(name, value)| [name.as_slice(), value.as_slice()]);
    tally::digest(parts.into_iter().chain(extended))
}

/// The extended attributes of a name in a directory.
pub(super) fn attributes(
    directory: &OwnedFd,
    name: &[u8],
    path: &Path,
    entry: &Entry,
) -> io::Result<Attributes> {
    match entry.kind() {
        FileType::RegularFile => Bearer::Open(&root::file(directory, name)?).attributes(),
        FileType::Directory => {
            let flags = fs::OFlags::RDONLY | fs::OFlags::NOFOLLOW | fs::OFlags::CLOEXEC;
            let open = fs::openat(
                directory,
                name,
                flags | fs::OFlags::DIRECTORY,
                fs::Mode::empty(),
            )?;
            Bearer::Open(&open).attributes()
        }
        _ => Bearer::Path(path).attributes(),
    }
}

/// What stands for the content of a name in a directory: a file's digest, a link's target, a device's number.
/// `None` where it was to stop.
fn content<T>(
    directory: &OwnedFd,
    name: &[u8],
    entry: &Entry,
    buffer: &mut [u8],
    queue: &Queue<T>,
) -> io::Result<Option<Vec<u8>>> {
    if !entry.is_file() {
        return other(directory, name, entry).map(Some);
    }
    let file = root::file(directory, name)?;
    let mut hasher = Sha256::new();
    let mut at = 0;
    loop {
        let count = read(&file, buffer, at)?;
        if count == 0 {
            return Ok(Some(named(hasher)));
        }
        hasher.update(&buffer[..count]);
        at += count as u64;
        queue.did(count as u64);
        if queue.go_on().is_err() {
            return Ok(None);
        }
    }
}

/// What stands for the content of everything but files.
pub(super) fn other(directory: &OwnedFd, name: &[u8], entry: &Entry) -> io::Result<Vec<u8>> {
    match entry.kind() {
        FileType::Symlink => Ok(fs::readlinkat(directory, name, Vec::new())?.into_bytes()),
        FileType::BlockDevice | FileType::CharacterDevice => {
            Ok(entry.device.to_be_bytes().to_vec())
        }
        _ => Ok(Vec::new()),
    }
}

/// A digest as contents speak of it.
pub(super) fn named(hasher: Sha256) -> Vec<u8> {
    hex(&hasher.finalize()).into_bytes()
}

/// Fills `buffer` from `at` on, less only at the end of the file.
pub(super) fn read(file: &OwnedFd, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match pread(file, &mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}
