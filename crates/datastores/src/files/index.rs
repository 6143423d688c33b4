//! What a copy was made from, thing by thing: in order, compact, and on disk, so that a later pass
//! looks at the original only and reads nothing twice.
//!
//! ```text
//! magic · record of the root · block per directory, by path · digest of all before
//! block:  length of path · count · length of entries · path · entries, by name
//! entry:  length of name · name · record
//! ```

use std::cmp::Ordering;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::entry::{RECORD, Record};
use crate::backup::write_durably;

const MAGIC: &[u8; 8] = b"SBFILES1";
/// Bytes of the digest at the end.
const DIGEST: usize = 32;
/// Bytes of a block before its path.
const HEAD: usize = 4 + 4 + 8;

/// A directory's path below the root, without slashes at either end; empty for the root itself.
pub(super) type Place = Arc<[u8]>;

/// One thing that is not as the index says.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The directory it is in.
    pub(super) directory: Place,
    /// Its name; empty for the root itself.
    pub(super) name: Box<[u8]>,
    /// What the index says of it.
    pub(super) was: Option<Box<Record>>,
    /// What it is; `None` where it is gone.
    pub(super) now: Option<Box<Record>>,
}

impl Change {
    /// Its path below the root.
    pub(super) fn path(&self) -> PathBuf {
        path_of(&self.directory, &self.name)
    }

    /// Parents come before what is in them.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        (&self.directory, &self.name).cmp(&(&other.directory, &other.name))
    }
}

/// The path of a name in a directory.
pub(super) fn path_of(directory: &[u8], name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(directory)).join(std::ffi::OsStr::from_bytes(name))
}

/// The place of a directory named `name` in `directory`.
pub(super) fn below(directory: &[u8], name: &[u8]) -> Place {
    if directory.is_empty() {
        return name.into();
    }
    [directory, b"/", name].concat().into()
}

/// One directory's entries.
#[derive(Clone, Debug)]
struct Block {
    path: Range<usize>,
    entries: Range<usize>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Index {
    root: Option<Record>,
    bytes: Vec<u8>,
    blocks: Vec<Block>,
    count: usize,
}

/// One entry of an index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub(super) name: &'a [u8],
    pub(super) record: Record,
}

/// The entries of one directory, or a part of them, by name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Items<'a>(&'a [u8]);

impl<'a> Items<'a> {
    /// The entries before the first one whose name is not less than `name`, and the others.
    pub(super) fn split_before(self, name: &[u8]) -> (Self, Self) {
        let mut rest = self;
        while let Some((item, after)) = rest.first() {
            if item.name >= name {
                break;
            }
            rest = after;
        }
        let at = self.0.len() - rest.0.len();
        (Items(&self.0[..at]), rest)
    }

    /// The first entry and those after it.
    pub(super) fn first(self) -> Option<(Item<'a>, Self)> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let (name, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let (record, rest) = rest.split_at_checked(RECORD)?;
        let record = Record::from_bytes(record)?;
        Some((Item { name, record }, Items(rest)))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (item, rest) = self.first()?;
        *self = rest;
        Some(item)
    }
}

impl Index {
    pub(super) fn root(&self) -> Option<&Record> {
        self.root.as_ref()
    }

    /// How many things it knows, without the root.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Every directory that has entries, by path, with them.
    pub(super) fn directories(&self) -> impl ExactSizeIterator<Item = (&[u8], Items<'_>)> {
        self.blocks
            .iter()
            .map(|block| (&self.bytes[block.path.clone()], self.items(block)))
    }

    fn items(&self, block: &Block) -> Items<'_> {
        Items(&self.bytes[block.entries.clone()])
    }

    /// The entries of one directory; none where it has none.
    pub(super) fn entries(&self, directory: &[u8]) -> Items<'_> {
        self.blocks
            .binary_search_by(|block| self.bytes[block.path.clone()].cmp(directory))
            .map_or(Items(&[]), |at| self.items(&self.blocks[at]))
    }

    /// This with `changes`, which are in order, applied.
    pub(super) fn with(&self, changes: &[Change]) -> Self {
        let mut made = Builder::new(self.bytes.len() + changes.len() * (RECORD + 32));
        made.index.root = self.root;
        let mut changes = changes;
        if let Some((first, rest)) = changes.split_first()
            && first.name.is_empty()
        {
            made.index.root = first.now.as_deref().copied();
            changes = rest;
        }
        let mut directories = self.directories().peekable();
        while directories.peek().is_some() || !changes.is_empty() {
            let known = directories.peek().map(|(path, _)| *path);
            let changed = changes.first().map(|change| &*change.directory);
            let place: Place = match (known, changed) {
                (Some(known), Some(changed)) => known.min(changed).into(),
                (known, changed) => known.or(changed).unwrap_or_default().into(),
            };
            let items = match known {
                Some(known) if known == &*place => directories.next().map(|(_, items)| items),
                _ => None,
            };
            let here = changes
                .iter()
                .position(|change| change.directory != place)
                .unwrap_or(changes.len());
            let (ours, later) = changes.split_at(here);
            changes = later;
            made.directory(&place);
            made.merge(items.unwrap_or(Items(&[])), ours);
        }
        made.finish()
    }

    /// Only `changes`, with what is gone said to be so: what [`Index::and`] adds to an older one.
    pub(super) fn only(changes: &[Change]) -> Self {
        let mut made = Builder::new(changes.len() * (RECORD + 32));
        let mut place: Option<Place> = None;
        for change in changes {
            let record = change.now.as_deref().copied().unwrap_or_else(Record::gone);
            if change.name.is_empty() {
                made.index.root = Some(record);
                continue;
            }
            if place.as_ref() != Some(&change.directory) {
                made.directory(&change.directory);
                place = Some(change.directory.clone());
            }
            made.push(&change.name, &record);
        }
        made.finish()
    }

    /// This with what a later [`Index::only`] says.
    pub(super) fn and(&self, later: &Self) -> Self {
        let change = |directory: &Place, name: &[u8], record: Record| Change {
            directory: directory.clone(),
            name: name.into(),
            was: None,
            now: (!record.is_gone()).then(|| Box::new(record)),
        };
        let root: Place = [].into();
        let mut changes: Vec<Change> = later
            .root
            .iter()
            .map(|record| change(&root, &[], *record))
            .collect();
        for (directory, items) in later.directories() {
            let directory: Place = directory.into();
            changes.extend(items.map(|item| change(&directory, item.name, item.record)));
        }
        self.with(&changes)
    }

    /// Writes it whole and durably.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(MAGIC.len() + RECORD + self.bytes.len() + DIGEST);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(self.root.unwrap_or_else(Record::gone).as_bytes());
        bytes.extend_from_slice(&self.bytes);
        let digest = Sha256::digest(&bytes);
        bytes.extend_from_slice(&digest);
        write_durably(path, &bytes)
    }

    /// Reads one; `None` where there is none.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the index is damaged");
        let (content, digest) = bytes.split_last_chunk::<DIGEST>().ok_or_else(damaged)?;
        if *digest != *Sha256::digest(content) {
            return Err(damaged());
        }
        Self::parse(content).ok_or_else(damaged).map(Some)
    }

    fn parse(content: &[u8]) -> Option<Self> {
        let content = content.strip_prefix(MAGIC)?;
        let (root, content) = content.split_at_checked(RECORD)?;
        let root = Record::from_bytes(root).filter(|root| !root.is_gone());
        let mut index = Self {
            root,
            bytes: content.to_vec(),
            ..Self::default()
        };
        let mut at = 0;
        while at < content.len() {
            let head = content.get(at..at + HEAD)?;
            let path = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
            let count = u32::from_le_bytes(head[4..8].try_into().ok()?) as usize;
            let entries = usize::try_from(u64::from_le_bytes(head[8..].try_into().ok()?)).ok()?;
            let block = Block {
                path: at + HEAD..at + HEAD + path,
                entries: at + HEAD + path..at + HEAD + path + entries,
            };
            at = block.entries.end;
            content.get(block.entries.clone())?;
            index.count += count;
            index.blocks.push(block);
        }
        Some(index)
    }
}

/// Writes blocks in order.
struct Builder {
    index: Index,
    open: Option<(usize, u32)>,
    place: Place,
}

impl Builder {
    fn new(capacity: usize) -> Self {
        Self {
            index: Index {
                bytes: Vec::with_capacity(capacity),
                ..Index::default()
            },
            open: None,
            place: [].into(),
        }
    }

    /// What is pushed from here on is in `place`.
    fn directory(&mut self, place: &Place) {
        self.close();
        self.place = place.clone();
    }

    fn push(&mut self, name: &[u8], record: &Record) {
        let bytes = &mut self.index.bytes;
        let (_, count) = self.open.get_or_insert_with(|| {
            let at = bytes.len();
            let length = u32::try_from(self.place.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&[0; HEAD - 4]);
            bytes.extend_from_slice(&self.place);
            (at, 0)
        });
        *count += 1;
        // A name has at most 255 bytes on every filesystem that there is.
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(record.as_bytes());
    }

    /// Entries of one directory with the changes of the same one.
    fn merge(&mut self, items: Items<'_>, changes: &[Change]) {
        let mut items = items.peekable();
        for change in changes {
            while let Some(item) = items.next_if(|item| item.name < &*change.name) {
                self.push(item.name, &item.record);
            }
            let _ = items.next_if(|item| item.name == &*change.name);
            if let Some(record) = &change.now {
                self.push(&change.name, record);
            }
        }
        for item in items {
            self.push(item.name, &item.record);
        }
    }

    fn close(&mut self) {
        let Some((at, count)) = self.open.take() else {
            return;
        };
        let bytes = &mut self.index.bytes;
        let entries = at + HEAD + self.place.len();
        let length = (bytes.len() - entries) as u64;
        bytes[at + 4..at + 8].copy_from_slice(&count.to_le_bytes());
        bytes[at + 8..at + HEAD].copy_from_slice(&length.to_le_bytes());
        let block = Block {
            path: at + HEAD..entries,
            entries: entries..bytes.len(),
        };
        self.index.count += count as usize;
        self.index.blocks.push(block);
    }

    fn finish(mut self) -> Index {
        self.close();
        self.index
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Entry;
    use super::*;

    fn record(inode: u64) -> Record {
        let entry = Entry {
            mode: 0o100_644,
            uid: 0,
            gid: 0,
            links: 1,
            inode,
            size: 0,
            modified: (0, 0),
            changed: (0, 0),
            device: 0,
        };
        Record::seen(&entry, (1, 0))
    }

    fn change(directory: &str, name: &str, inode: Option<u64>) -> Change {
        Change {
            directory: directory.as_bytes().into(),
            name: name.as_bytes().into(),
            was: None,
            now: inode.map(|inode| Box::new(record(inode))),
        }
    }

    fn told(index: &Index) -> Vec<(String, u64)> {
        let mut told = Vec::new();
        for (directory, items) in index.directories() {
            for item in items {
                let path = path_of(directory, item.name).display().to_string();
                told.push((path, item.record.entry().inode));
            }
        }
        told
    }

    fn first() -> Index {
        Index::default().with(&[
            change("", "", Some(1)),
            change("", "a", Some(2)),
            change("", "b", Some(3)),
            change("a", "x", Some(4)),
            change("a/y", "z", Some(5)),
        ])
    }

    fn changes() -> Vec<Change> {
        vec![
            change("", "", Some(10)),
            change("", "b", None),
            change("", "c", Some(6)),
            change("a", "x", Some(7)),
            change("a/y", "z", None),
            change("b", "new", Some(8)),
        ]
    }

    #[test]
    fn changes_are_merged_in_order_and_empty_directories_vanish() {
        let made = first().with(&changes());
        let expected = [("a", 2), ("c", 6), ("a/x", 7), ("b/new", 8)];
        let expected = expected.map(|(path, inode)| (path.to_owned(), inode));
        assert_eq!((told(&made), made.len()), (expected.to_vec(), 4));
        assert_eq!(made.root().map(|root| root.entry().inode), Some(10));
    }

    #[test]
    fn what_was_written_is_read_and_a_flipped_bit_is_seen() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("index");
        assert!(Index::read(&path).expect("readable").is_none());
        Index::only(&changes()).write(&path).expect("written");
        let later = Index::read(&path).expect("readable").expect("there");
        let (whole, direct) = (first().and(&later), first().with(&changes()));
        assert_eq!(
            (told(&whole), whole.root().copied()),
            (told(&direct), direct.root().copied())
        );
        let mut bytes = fs::read(&path).expect("readable");
        bytes[100] ^= 1;
        fs::write(&path, bytes).expect("written");
        assert!(Index::read(&path).is_err());
    }
}
