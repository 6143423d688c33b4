//! Looking at everything below a directory and telling what is not as an index says. Nothing is read but
//! names and what the filesystem says of them, and that by several threads: this runs while users wait.

use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir};
use rustix::io::Errno;

use super::entry::{Entry, Moment, Record};
use super::index::{Change, Index, Items, Place, below, path_of};
use super::root::{self, Root};
use super::workers::{Queue, Telling, Trouble, Workers};
use crate::{shadow, swap};

/// Names that one task looks at: enough to pay for handing it over, few enough to share one huge directory.
const NAMES: usize = 4096;

enum Task<'i> {
    Directory(Place),
    Names {
        place: Place,
        open: Arc<OwnedFd>,
        names: Vec<Box<[u8]>>,
        known: Items<'i>,
    },
}

#[derive(Default)]
struct Seen {
    changes: Vec<Change>,
    directories: Vec<Place>,
}

/// What is not as `index` says, in order. What changed at or after `since` cannot be told and counts as changed.
pub(super) fn changes(
    workers: &Workers<'_>,
    root: &Root,
    index: &Index,
    since: Moment,
) -> Result<Vec<Change>, Trouble> {
    let telling = Telling {
        doing: "looking for changes",
        of: None,
        unit: "files",
    };
    let top: Place = [].into();
    let walk = Walk { root, index, since };
    let seen = workers.run(
        telling,
        vec![Task::Directory(top.clone())],
        |task, queue, seen: &mut Seen| walk.work(task, queue, seen),
    )?;
    let mut changes = Vec::new();
    let mut directories = Vec::new();
    for mut part in seen {
        changes.append(&mut part.changes);
        directories.append(&mut part.directories);
    }
    let itself = root.entry().map_err(Trouble::at("look at", root.path()))?;
    let now = Record::seen(&itself, since);
    if index.root().is_none_or(|was| !was.is_true_of(&now)) {
        changes.push(Change {
            directory: top,
            name: [].into(),
            was: index.root().map(|was| Box::new(*was)),
            now: Some(Box::new(now)),
        });
    }
    directories.sort_unstable();
    walk.vanished(&directories, &mut changes);
    changes.sort_unstable_by(Change::order);
    Ok(changes)
}

struct Walk<'i> {
    root: &'i Root,
    index: &'i Index,
    since: Moment,
}

impl<'i> Walk<'i> {
    fn work(
        &self,
        task: Task<'i>,
        queue: &Queue<Task<'i>>,
        seen: &mut Seen,
    ) -> Result<(), Trouble> {
        match task {
            Task::Directory(place) => self.directory(place, queue, seen),
            Task::Names {
                place,
                open,
                names,
                known,
            } => self.names(&place, &open, &names, known, queue, seen),
        }
    }

    fn directory(
        &self,
        place: Place,
        queue: &Queue<Task<'i>>,
        seen: &mut Seen,
    ) -> Result<(), Trouble> {
        let path = || self.root.path().join(path_of(&place, &[]));
        let listed = self
            .root
            .directory(&place)
            .and_then(|open| Ok((names(&open, place.is_empty())?, open)));
        let (names, open) = match listed {
            // The directory that it was in says so the next time.
            Err(error) if root::vanished(&error) && !place.is_empty() => return Ok(()),
            listed => listed.map_err(Trouble::at("read", &path()))?,
        };
        seen.directories.push(place.clone());
        let open = Arc::new(open);
        let mut known = self.index.entries(&place);
        let mut names = names.into_iter().peekable();
        // Also where there are no names: what was known is gone then.
        loop {
            let part: Vec<Box<[u8]>> = names.by_ref().take(NAMES).collect();
            let (here, later) = match names.peek() {
                Some(next) => known.split_before(next),
                None => (known, Items::default()),
            };
            known = later;
            if names.peek().is_none() {
                return self.names(&place, &open, &part, here, queue, seen);
            }
            queue.push(Task::Names {
                place: place.clone(),
                open: open.clone(),
                names: part,
                known: here,
            });
        }
    }

    fn names(
        &self,
        place: &Place,
        open: &OwnedFd,
        names: &[Box<[u8]>],
        mut known: Items<'i>,
        queue: &Queue<Task<'i>>,
        seen: &mut Seen,
    ) -> Result<(), Trouble> {
        queue.go_on()?;
        let gone = |item: super::index::Item<'_>| Change {
            directory: place.clone(),
            name: item.name.into(),
            was: Some(Box::new(item.record)),
            now: None,
        };
        for name in names {
            let stat = match rustix::fs::statat(open, &**name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(error) => {
                    let path = self.root.path().join(path_of(place, name));
                    return Err(Trouble::at("look at", &path)(error.into()));
                }
            };
            let entry = Entry::of(&stat);
            if entry.is_directory() {
                if !self.root.holds(stat.st_dev) {
                    let path = self.root.path().join(path_of(place, name));
                    return Err(Trouble::Foreign { path });
                }
                queue.push(Task::Directory(below(place, name)));
            }
            let mut was = None;
            while let Some((item, rest)) = known.first() {
                if item.name > &**name {
                    break;
                }
                known = rest;
                if item.name == &**name {
                    was = Some(item.record);
                    break;
                }
                seen.changes.push(gone(item));
            }
            let now = Record::seen(&entry, self.since);
            if was.is_none_or(|was| !was.is_true_of(&now)) {
                seen.changes.push(Change {
                    directory: place.clone(),
                    name: name.clone(),
                    was: was.map(Box::new),
                    now: Some(Box::new(now)),
                });
            }
        }
        queue.did(names.len() as u64);
        seen.changes.extend(known.map(gone));
        Ok(())
    }

    /// Everything that was known in directories that are no longer there.
    fn vanished(&self, seen: &[Place], changes: &mut Vec<Change>) {
        for (path, items) in self.index.directories() {
            if seen.binary_search_by(|place| (**place).cmp(path)).is_ok() {
                continue;
            }
            let place: Place = path.into();
            changes.extend(items.map(|item| Change {
                directory: place.clone(),
                name: item.name.into(),
                was: Some(Box::new(item.record)),
                now: None,
            }));
        }
    }
}

/// The names in a directory, in order, without what restores keep in the root and shadows anywhere.
fn names(open: &OwnedFd, is_root: bool) -> std::io::Result<Vec<Box<[u8]>>> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut names: Vec<Box<[u8]>> = Vec::new();
    for entry in Dir::read_from(open)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let called = std::ffi::OsStr::from_bytes(name);
        let ours = (is_root && swap::is_ours(called)) || shadow::is_beside(called);
        if name != b"." && name != b".." && !ours {
            names.push(name.into());
        }
    }
    names.sort_unstable();
    Ok(names)
}
