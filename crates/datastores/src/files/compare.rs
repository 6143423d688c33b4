//! Reading a copy and its original side by side. What changed meanwhile is told apart from what is damaged:
//! an original that still is what was copied, and a copy that is something else.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fd::OwnedFd;
use rustix::fs::{self, Advice};
use sha2::{Digest as _, Sha256};

use super::contents::{self, BUFFER};
use super::entry::{Entry, Record};
use super::index::{Change, Index, Place, path_of};
use super::root::{self, Root};
use super::workers::{Queue, Telling, Trouble, Workers};

/// Things that one task compares.
const TOGETHER: usize = 128;
/// Copies above this size leave the page cache again: they are not read soon.
const LARGE: u64 = 8 << 20;

/// Two directories that are compared.
pub(super) struct Compare<'a> {
    pub(super) source: &'a Root,
    pub(super) copy: &'a Root,
}

/// What comparing found.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Every thing that was looked at, with what is known of it now. What is damaged is left out of the index,
    /// so that the next pass copies it again.
    pub(super) changes: Vec<Change>,
    /// How many things changed while they were compared.
    pub(super) changed: usize,
    /// What is damaged, and how.
    pub(super) damaged: Vec<String>,
    /// Bytes of files that are equal.
    pub(super) bytes: u64,
}

enum Verdict {
    /// The copy is equal.
    Equal(u128),
    /// The original changed.
    Changed,
    /// The original did not, and the copy differs.
    Damaged(&'static str),
}

#[derive(Default)]
struct Hands {
    compared: Compared,
    ours: Vec<u8>,
    theirs: Vec<u8>,
    sides: Option<(Place, OwnedFd, OwnedFd)>,
}

impl Compare<'_> {
    /// Compares what `index` says was copied: all of it, or what was not compared before.
    pub(super) fn index(
        &self,
        workers: &Workers<'_>,
        index: &Index,
        all: bool,
    ) -> Result<Compared, Trouble> {
        let mut things = Vec::new();
        for (directory, items) in index.directories() {
            let place: Place = directory.into();
            let wanted = items.filter(|item| all || item.record.sum().is_none());
            things.extend(wanted.map(|item| Change {
                directory: place.clone(),
                name: item.name.into(),
                was: Some(Box::new(item.record)),
                now: Some(Box::new(item.record)),
            }));
        }
        self.things(workers, things)
    }

    /// Compares what was just copied. What is gone, and the root, pass through.
    pub(super) fn things(
        &self,
        workers: &Workers<'_>,
        things: Vec<Change>,
    ) -> Result<Compared, Trouble> {
        let records = things.iter().filter_map(|thing| thing.now.as_deref());
        let telling = Telling {
            doing: "comparing with the original",
            of: Some(records.map(|now| now.entry().size).sum()),
            unit: "B",
        };
        let mut tasks: Vec<Vec<Change>> = Vec::new();
        for thing in things {
            match tasks.last_mut() {
                Some(task) if task.len() < TOGETHER => task.push(thing),
                _ => tasks.push(vec![thing]),
            }
        }
        let links = Mutex::new(HashMap::new());
        let parts = workers.run(telling, tasks, |part, queue, hands: &mut Hands| {
            part.into_iter()
                .try_for_each(|thing| self.thing(thing, queue, hands, &links))
        })?;
        let mut whole = Compared::default();
        for Hands { mut compared, .. } in parts {
            whole.changes.append(&mut compared.changes);
            whole.damaged.append(&mut compared.damaged);
            whole.changed += compared.changed;
            whole.bytes += compared.bytes;
        }
        whole.changes.sort_unstable_by(Change::order);
        whole.damaged.sort_unstable();
        Ok(whole)
    }

    fn thing<T>(
        &self,
        mut thing: Change,
        queue: &Queue<T>,
        hands: &mut Hands,
        links: &Mutex<HashMap<u64, u64>>,
    ) -> Result<(), Trouble> {
        queue.go_on()?;
        let Some(now) = thing.now.as_deref_mut().filter(|_| !thing.name.is_empty()) else {
            hands.compared.changes.push(thing);
            return Ok(());
        };
        let path = path_of(&thing.directory, &thing.name);
        let verdict = match self.judge(&thing.directory, &thing.name, now, queue, hands, links) {
            Err(Halt::Trouble(trouble)) => return Err(trouble),
            Err(Halt::Io(error)) => {
                let path = self.source.path().join(&path);
                return Err(Trouble::at("compare", &path)(error));
            }
            Ok(verdict) => verdict,
        };
        match verdict {
            Verdict::Equal(sum) => {
                now.compared(sum);
                if now.entry().is_file() {
                    hands.compared.bytes += now.entry().size;
                }
            }
            // What was read in the moment of a change may differ, and says nothing.
            Verdict::Damaged(_) if !now.is_settled() => {
                hands.compared.changed += 1;
            }
            Verdict::Changed => {
                now.unsettle();
                hands.compared.changed += 1;
            }
            Verdict::Damaged(how) => {
                hands.compared.damaged.push(format!("{path:?} {how}"));
                thing.now = None;
            }
        }
        hands.compared.changes.push(thing);
        Ok(())
    }

    fn judge<T>(
        &self,
        place: &Place,
        name: &[u8],
        now: &Record,
        queue: &Queue<T>,
        hands: &mut Hands,
        links: &Mutex<HashMap<u64, u64>>,
    ) -> Result<Verdict, Halt> {
        if let Some(verdict) = self.open(place, &mut hands.sides)? {
            return Ok(verdict);
        }
        let Some((_, source, copy)) = &hands.sides else {
            return Ok(Verdict::Changed);
        };
        let entry = now.entry();
        if root::look(source, name)? != Some(entry) {
            return Ok(Verdict::Changed);
        }
        let Some(found) = root::look(copy, name)? else {
            return Ok(Verdict::Damaged("is missing"));
        };
        if !alike(&entry, &found) {
            return Ok(Verdict::Damaged(
                "has another kind, size, owner, mode or time",
            ));
        }
        if entry.is_linked() {
            let mut links = links.lock().unwrap_or_else(PoisonError::into_inner);
            if *links.entry(entry.inode).or_insert(found.inode) != found.inode {
                return Ok(Verdict::Damaged(
                    "is no longer one file with its other names",
                ));
            }
        }
        let content = if entry.is_file() {
            let buffers = (&mut hands.ours, &mut hands.theirs);
            let bytes = self.bytes(source, copy, name, buffers, queue)?;
            bytes.ok_or("has other bytes")
        } else {
            let content = contents::other(source, name, &entry)?;
            match content == contents::other(copy, name, &found)? {
                true => Ok(content),
                false => Err("leads elsewhere"),
            }
        };
        let content = match content {
            Ok(content) => content,
            Err(how) => return after(source, name, &entry, Verdict::Damaged(how)),
        };
        let path = path_of(place, name);
        let of = |directory: &OwnedFd, root: &Path, entry: &Entry| {
            contents::attributes(directory, name, &root.join(&path), entry)
        };
        let attributes = match of(source, self.source.path(), &entry) {
            Err(error) if root::vanished(&error) => return Ok(Verdict::Changed),
            attributes => attributes?,
        };
        let verdict = if attributes == of(copy, self.copy.path(), &found)? {
            Verdict::Equal(contents::sum(place, name, &entry, &attributes, &content))
        } else {
            Verdict::Damaged("has other extended attributes")
        };
        after(source, name, &entry, verdict)
    }

    /// Opens both directories of a place, where they are not open yet; a verdict where one is gone.
    fn open(
        &self,
        place: &Place,
        sides: &mut Option<(Place, OwnedFd, OwnedFd)>,
    ) -> Result<Option<Verdict>, Halt> {
        if sides.as_ref().is_some_and(|(open, ..)| open == place) {
            return Ok(None);
        }
        let source = match self.source.directory(place) {
            Err(error) if root::vanished(&error) => return Ok(Some(Verdict::Changed)),
            source => source?,
        };
        let copy = match self.copy.directory(place) {
            Err(error) if root::vanished(&error) => {
                return Ok(Some(Verdict::Damaged("is missing")));
            }
            copy => copy?,
        };
        *sides = Some((place.clone(), source, copy));
        Ok(None)
    }

    /// Digest of the bytes of two files, or `None` where they differ.
    fn bytes<T>(
        &self,
        source: &OwnedFd,
        copy: &OwnedFd,
        name: &[u8],
        (ours, theirs): (&mut Vec<u8>, &mut Vec<u8>),
        queue: &Queue<T>,
    ) -> Result<Option<Vec<u8>>, Halt> {
        ours.resize(BUFFER, 0);
        theirs.resize(BUFFER, 0);
        let original = match root::file(source, name) {
            Err(error) if root::vanished(&error) => return Ok(None),
            original => original?,
        };
        let copied = root::file(copy, name)?;
        let mut hasher = Sha256::new();
        let mut at = 0;
        loop {
            let count = contents::read(&original, ours, at)?;
            if contents::read(&copied, theirs, at)? != count || ours[..count] != theirs[..count] {
                return Ok(None);
            }
            hasher.update(&ours[..count]);
            at += count as u64;
            queue.did(count as u64);
            queue.go_on().map_err(Halt::Trouble)?;
            if count < BUFFER {
                break;
            }
        }
        if at > LARGE {
            // Advice only: where it is not taken, nothing is lost.
            let _ = fs::fadvise(&copied, 0, None, Advice::DontNeed);
        }
        Ok(Some(contents::named(hasher)))
    }
}

/// A verdict counts only where the original is afterwards what it was before.
fn after(source: &OwnedFd, name: &[u8], before: &Entry, verdict: Verdict) -> Result<Verdict, Halt> {
    if root::look(source, name)? == Some(*before) {
        return Ok(verdict);
    }
    Ok(Verdict::Changed)
}

/// Whether a copy has what the original has, apart from where it lies.
pub(super) fn alike(original: &Entry, copy: &Entry) -> bool {
    let common = |entry: &Entry| {
        (
            entry.mode,
            entry.uid,
            entry.gid,
            entry.modified,
            entry.device,
        )
    };
    common(original) == common(copy) && (!original.is_file() || original.size == copy.size)
}

enum Halt {
    Io(io::Error),
    Trouble(Trouble),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
