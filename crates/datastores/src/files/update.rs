//! Making a copy equal to what was seen of the original, change by change: only what changed is touched.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::attributes::Bearer;
use super::dress::{self, owner, times};
use super::entry::{Entry, Moment, Record};
use super::index::{Change, Place, path_of};
use super::root::{self, Root};
use super::transfer::Transfer;
use super::workers::{Queue, Telling, Trouble, Workers};
use crate::disk;

/// Changes that one task makes.
const TOGETHER: usize = 64;
/// More changes than this are made durable together with everything else on the filesystem.
const MANY: usize = 4096;
/// Where files are larger than this on average, progress counts bytes.
const LARGE: u64 = 64 << 10;

/// What a copy is brought up to date with.
pub(super) struct Update<'a> {
    pub(super) source: &'a Root,
    pub(super) copy: &'a Root,
    pub(super) transfer: &'a Transfer,
    /// When this pass began.
    pub(super) since: Moment,
    /// When an earlier try of the first pass began: what was copied since and looks the same stays.
    pub(super) earlier: Option<Moment>,
}

/// One change and its place in the list.
type Part<'c> = (usize, &'c mut [Change]);

/// Both sides of one directory, open.
struct Sides {
    place: Place,
    source: OwnedFd,
    copy: OwnedFd,
}

#[derive(Default)]
struct Hands {
    sides: Option<Sides>,
}

impl Update<'_> {
    /// Makes the changes, and says in each what was really found: what vanished meanwhile is gone.
    pub(super) fn apply(
        &self,
        workers: &Workers<'_>,
        changes: &mut [Change],
    ) -> Result<(), Trouble> {
        self.remove(changes)?;
        self.make_directories(changes)?;
        let followers = followers(changes);
        let skipped: HashSet<usize> = followers.iter().map(|(at, _)| *at).collect();
        let bytes: u64 = changes
            .iter()
            .filter_map(|change| change.now.as_deref())
            .map(Record::entry)
            .filter(Entry::is_file)
            .map(|entry| entry.size)
            .sum();
        let by_bytes = bytes / (changes.len() as u64).max(1) > LARGE;
        let telling = Telling {
            doing: "copying files",
            of: Some(if by_bytes {
                bytes
            } else {
                changes.len() as u64
            }),
            unit: if by_bytes { "B" } else { "files" },
        };
        let tasks: Vec<Part<'_>> = changes
            .chunks_mut(TOGETHER)
            .enumerate()
            .map(|(number, part)| (number * TOGETHER, part))
            .rev()
            .collect();
        workers.run(telling, tasks, |(from, part), queue, hands: &mut Hands| {
            let count = part.len() as u64;
            for (at, change) in part.iter_mut().enumerate() {
                if !skipped.contains(&(from + at)) {
                    self.one(hands, change, queue, by_bytes)?;
                }
            }
            if !by_bytes {
                queue.did(count);
            }
            Ok(())
        })?;
        self.link(workers, changes, &followers)?;
        self.dress(changes)
    }

    fn at(&self, change: &Change) -> PathBuf {
        self.copy.path().join(change.path())
    }

    /// Removes what is gone, with everything in it.
    fn remove(&self, changes: &[Change]) -> Result<(), Trouble> {
        let mut removed: Option<PathBuf> = None;
        for change in changes.iter().filter(|change| change.now.is_none()) {
            let path = self.at(change);
            if removed
                .as_ref()
                .is_some_and(|above| path.starts_with(above))
            {
                continue;
            }
            disk::remove(&path).map_err(Trouble::at("remove", &path))?;
            removed = Some(path);
        }
        Ok(())
    }

    fn make_directories(&self, changes: &[Change]) -> Result<(), Trouble> {
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700);
        for change in changes {
            let directory = change
                .now
                .as_ref()
                .is_some_and(|now| now.entry().is_directory());
            if !directory || change.name.is_empty() {
                continue;
            }
            let path = self.at(change);
            let made = match builder.create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    match std::fs::symlink_metadata(&path) {
                        Ok(found) if found.is_dir() => Ok(()),
                        _ => disk::remove(&path).and_then(|()| builder.create(&path)),
                    }
                }
                made => made,
            };
            made.map_err(Trouble::at("make", &path))?;
        }
        Ok(())
    }

    /// Copies one thing that is no directory.
    fn one<T>(
        &self,
        hands: &mut Hands,
        change: &mut Change,
        queue: &Queue<T>,
        by_bytes: bool,
    ) -> Result<(), Trouble> {
        queue.go_on()?;
        let Some(now) = change.now.as_deref().map(Record::entry) else {
            return Ok(());
        };
        if now.is_directory() {
            return Ok(());
        }
        let path = self.at(change);
        let fail = |error: io::Error| Trouble::at("copy to", &path)(error);
        let Some(sides) = self.sides(hands, &change.directory)? else {
            change.now = None;
            return Ok(());
        };
        let copied = if now.is_file() {
            let mut went_on = |count: u64| {
                if by_bytes {
                    queue.did(count);
                }
                queue.go_on().map_err(Halt::Trouble)
            };
            match self.file(sides, change, &mut went_on) {
                Ok(copied) => copied,
                Err(Halt::Trouble(trouble)) => return Err(trouble),
                Err(Halt::Io(error)) => return Err(fail(error)),
            }
        } else {
            self.other(sides, change).map_err(fail)?
        };
        change.now = copied.map(|entry| Box::new(Record::seen(&entry, self.since)));
        Ok(())
    }

    /// Opens both sides of a directory; `None` where the original has vanished.
    fn sides<'h>(&self, hands: &'h mut Hands, place: &Place) -> Result<Option<&'h Sides>, Trouble> {
        if hands.sides.as_ref().is_none_or(|open| open.place != *place) {
            let source = match self.source.directory(place) {
                Err(error) if root::vanished(&error) => return Ok(None),
                source => {
                    let original = self.source.path().join(path_of(place, &[]));
                    source.map_err(Trouble::at("read", &original))?
                }
            };
            let path = self.copy.path().join(path_of(place, &[]));
            let copy = self
                .copy
                .directory(place)
                .map_err(Trouble::at("open", &path))?;
            hands.sides = Some(Sides {
                place: place.clone(),
                source,
                copy,
            });
        }
        Ok(hands.sides.as_ref())
    }

    fn file(
        &self,
        sides: &Sides,
        change: &Change,
        went_on: &mut dyn FnMut(u64) -> Result<(), Halt>,
    ) -> Result<Option<Entry>, Halt> {
        let name = &*change.name;
        let from = match root::file(&sides.source, name) {
            Err(error) if root::vanished(&error) => return Ok(None),
            from => from.map_err(|error| {
                let original = self.source.path().join(change.path());
                Halt::Trouble(Trouble::at("read", &original)(error))
            })?,
        };
        let entry = Entry::of(&fs::fstat(&from).map_err(io::Error::from)?);
        if !entry.is_file() {
            return Ok(None);
        }
        if self.is_copied(sides, name, &entry)? {
            went_on(entry.size)?;
            return Ok(Some(entry));
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        let private = Mode::RUSR | Mode::WUSR;
        let to = self.anew(sides, change, || {
            fs::openat(&sides.copy, name, flags, private)
        })?;
        self.transfer.bytes(&from, &to, entry.size, went_on)?;
        let (uid, gid) = owner(&entry);
        fs::fchown(&to, uid, gid).map_err(io::Error::from)?;
        Bearer::Open(&to).set(&Bearer::Open(&from).attributes()?)?;
        fs::fchmod(&to, Mode::from_raw_mode(entry.permissions())).map_err(io::Error::from)?;
        // Last of all: a file with the right time is a whole one, also after a kill.
        fs::futimens(&to, &times(&entry)).map_err(io::Error::from)?;
        Ok(Some(entry))
    }

    /// Whether an earlier try has copied it and it was not touched since that began.
    fn is_copied(&self, sides: &Sides, name: &[u8], entry: &Entry) -> io::Result<bool> {
        if entry.is_linked() || self.earlier.is_none_or(|earlier| entry.changed >= earlier) {
            return Ok(false);
        }
        let found = root::look(&sides.copy, name)?;
        Ok(found.is_some_and(|found| {
            !found.is_linked()
                && (found.mode, found.uid, found.gid, found.size, found.modified)
                    == (entry.mode, entry.uid, entry.gid, entry.size, entry.modified)
        }))
    }

    /// A link, a pipe, a socket or a device.
    fn other(&self, sides: &Sides, change: &Change) -> io::Result<Option<Entry>> {
        let name = &*change.name;
        let Some(entry) = root::look(&sides.source, name)? else {
            return Ok(None);
        };
        let (original, path) = (self.source.path().join(change.path()), self.at(change));
        let attributes = match Bearer::Path(&original).attributes() {
            Err(error) if root::vanished(&error) => return Ok(None),
            attributes => attributes?,
        };
        let kind = entry.kind();
        match kind {
            FileType::Directory | FileType::RegularFile => return Ok(None),
            FileType::Symlink => {
                let target = match fs::readlinkat(&sides.source, name, Vec::new()) {
                    Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
                    target => target?,
                };
                self.anew(sides, change, || fs::symlinkat(&*target, &sides.copy, name))?;
            }
            _ => {
                let mode = Mode::from_raw_mode(entry.permissions());
                self.anew(sides, change, || {
                    fs::mknodat(&sides.copy, name, kind, mode, entry.device)
                })?;
            }
        }
        let (uid, gid) = owner(&entry);
        fs::chownat(&sides.copy, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        Bearer::Path(&path).set(&attributes)?;
        if kind != FileType::Symlink {
            let mode = Mode::from_raw_mode(entry.permissions());
            fs::chmodat(&sides.copy, name, mode, AtFlags::empty())?;
        }
        fs::utimensat(&sides.copy, name, &times(&entry), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Some(entry))
    }

    /// Makes something under a name, in place of what the copy has there.
    fn anew<T>(
        &self,
        sides: &Sides,
        change: &Change,
        make: impl Fn() -> rustix::io::Result<T>,
    ) -> io::Result<T> {
        match make() {
            Err(Errno::EXIST) => {
                if fs::unlinkat(&sides.copy, &*change.name, AtFlags::empty()).is_err() {
                    disk::remove(&self.at(change))?;
                }
                Ok(make()?)
            }
            made => Ok(made?),
        }
    }

    /// Gives the other names of one file to the one that was copied.
    fn link(
        &self,
        workers: &Workers<'_>,
        changes: &mut [Change],
        followers: &[(usize, usize)],
    ) -> Result<(), Trouble> {
        // Where the first name vanished, the next one becomes it.
        let mut instead: HashMap<usize, usize> = HashMap::new();
        for (follower, leader) in followers.iter().copied() {
            let leader = *instead.get(&leader).unwrap_or(&leader);
            let inode = |change: &Change| change.now.as_ref().map(|now| now.entry().inode);
            if inode(&changes[leader]) != inode(&changes[follower]) {
                let alone = std::slice::from_mut(&mut changes[follower]);
                self.alone(workers, alone)?;
                instead.insert(leader, follower);
                continue;
            }
            let (first, other) = (self.at(&changes[leader]), self.at(&changes[follower]));
            disk::remove(&other)
                .and_then(|()| std::fs::hard_link(&first, &other))
                .map_err(Trouble::at("link", &other))?;
            let now = changes[leader].now.clone();
            changes[follower].now = now;
        }
        Ok(())
    }

    fn alone(&self, workers: &Workers<'_>, change: &mut [Change]) -> Result<(), Trouble> {
        let telling = Telling {
            doing: "copying files",
            of: None,
            unit: "files",
        };
        workers
            .run(telling, vec![change], |part, queue, hands: &mut Hands| {
                part.iter_mut()
                    .try_for_each(|change| self.one(hands, change, queue, false))
            })
            .map(drop)
    }

    /// Gives directories that changed, or in which something did, what the originals have. After everything in
    /// them is made, for that changes their times.
    fn dress(&self, changes: &mut [Change]) -> Result<(), Trouble> {
        let mut places: Vec<Place> = Vec::new();
        let mut itself: HashMap<Place, usize> = HashMap::new();
        for (at, change) in changes.iter().enumerate() {
            if places.last() != Some(&change.directory) {
                places.push(change.directory.clone());
            }
            if change
                .now
                .as_ref()
                .is_some_and(|now| now.entry().is_directory())
            {
                let place = if change.name.is_empty() {
                    change.directory.clone()
                } else {
                    super::index::below(&change.directory, &change.name)
                };
                itself.insert(place.clone(), at);
                places.push(place);
            }
        }
        places.sort_unstable();
        places.dedup();
        for place in places.iter().rev() {
            let found = dress::directory_at(self.source, self.copy, place)?;
            if let Some(at) = itself.get(place) {
                changes[*at].now = found.map(|entry| Box::new(Record::seen(&entry, self.since)));
            }
        }
        Ok(())
    }
}

/// Makes the copies of `changes` durable: each for itself, many at a time, so that the filesystem makes one
/// write of them and what others wrote need not be waited for; with the whole filesystem where they are very many.
pub(super) fn sync(workers: &Workers<'_>, copy: &Root, changes: &[Change]) -> Result<(), Trouble> {
    let failed = |path: &Path| Trouble::at("write to disk", path);
    if changes.len() > MANY {
        return copy.sync_filesystem().map_err(failed(copy.path()));
    }
    let mut paths: HashSet<PathBuf> = HashSet::new();
    for change in changes {
        let path = copy.path().join(change.path());
        let parent = path.parent().map(Path::to_owned);
        paths.extend(parent.filter(|parent| parent.exists()));
        let entry = change.now.as_deref().map(Record::entry);
        if entry.is_some_and(|entry| entry.is_file() || entry.is_directory()) {
            paths.insert(path);
        }
    }
    let telling = Telling {
        doing: "writing to disk",
        of: Some(paths.len() as u64),
        unit: "files",
    };
    let tasks = paths.into_iter().collect();
    workers
        .waiting()
        .run(telling, tasks, |path: PathBuf, queue, (): &mut ()| {
            queue.did(1);
            disk::sync_directory(&path).map_err(failed(&path))
        })
        .map(drop)
}

/// Names of one file after the first: where they are, and where that is.
fn followers(changes: &[Change]) -> Vec<(usize, usize)> {
    let mut first: HashMap<Entry, usize> = HashMap::new();
    let mut followers = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        let Some(entry) = change.now.as_deref().map(Record::entry) else {
            continue;
        };
        if !entry.is_linked() {
            continue;
        }
        match first.get(&entry) {
            Some(leader) => followers.push((at, *leader)),
            None => drop(first.insert(entry, at)),
        }
    }
    followers
}

/// Why a copy ended early.
enum Halt {
    Io(io::Error),
    Trouble(Trouble),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
