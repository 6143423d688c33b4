//! What one thing in a directory is, apart from its name and its bytes: enough to know later whether it was touched.

use rustix::fs::{FileType, Stat};

/// Seconds and nanoseconds.
pub(super) type Moment = (i64, u32);

/// Bytes of an encoded identity.
const IDENTITY: usize = 64;
/// Bytes of an encoded record.
pub(super) const RECORD: usize = IDENTITY + 1 + 16;

/// It last changed well before it was read: unless its identity changes, its copy stays true.
const SETTLED: u8 = 1;
/// It is no longer there.
const GONE: u8 = 2;
/// It was compared with its copy, and `sum` is its digest.
const COMPARED: u8 = 4;

/// What the filesystem says of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    /// Kind and permissions.
    pub(super) mode: u32,
    /// Owner.
    pub(super) uid: u32,
    /// Group.
    pub(super) gid: u32,
    /// How many names it has.
    pub(super) links: u32,
    /// Which inode it is.
    pub(super) inode: u64,
    /// Length in bytes.
    pub(super) size: u64,
    /// When its bytes last changed, as can be set by anybody.
    pub(super) modified: Moment,
    /// When anything of it last changed, as nobody can set.
    pub(super) changed: Moment,
    /// Which device, for device files.
    pub(super) device: u64,
}

impl Entry {
    pub(super) fn of(stat: &Stat) -> Self {
        #[expect(
            clippy::unnecessary_cast,
            clippy::cast_possible_truncation,
            reason = "the fields' types differ between architectures; nanoseconds fit"
        )]
        Self {
            mode: stat.st_mode as u32,
            uid: stat.st_uid as u32,
            gid: stat.st_gid as u32,
            links: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
            inode: stat.st_ino as u64,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
            device: stat.st_rdev as u64,
        }
    }

    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    pub(super) fn is_directory(&self) -> bool {
        self.kind() == FileType::Directory
    }

    pub(super) fn is_file(&self) -> bool {
        self.kind() == FileType::RegularFile
    }

    /// True where it is one of several names of one file.
    pub(super) fn is_linked(&self) -> bool {
        !self.is_directory() && self.links > 1
    }

    /// Permissions without the kind.
    pub(super) fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    fn encode(&self) -> [u8; IDENTITY] {
        let mut bytes = [0; IDENTITY];
        let mut at = 0;
        let mut put = |part: &[u8]| {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        };
        for number in [self.mode, self.uid, self.gid, self.links] {
            put(&number.to_le_bytes());
        }
        for number in [self.inode, self.size, self.device] {
            put(&number.to_le_bytes());
        }
        for (seconds, nanoseconds) in [self.modified, self.changed] {
            put(&seconds.to_le_bytes());
            put(&nanoseconds.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8; IDENTITY]) -> Self {
        let short = |at: usize| {
            let mut part = [0; 4];
            part.copy_from_slice(&bytes[at..at + 4]);
            u32::from_le_bytes(part)
        };
        let long = |at: usize| {
            let mut part = [0; 8];
            part.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(part)
        };
        Self {
            mode: short(0),
            uid: short(4),
            gid: short(8),
            links: short(12),
            inode: long(16),
            size: long(24),
            device: long(32),
            modified: (long(40).cast_signed(), short(48)),
            changed: (long(52).cast_signed(), short(60)),
        }
    }
}

/// What is remembered of one thing that was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record([u8; RECORD]);

impl Record {
    /// A thing that was seen in a pass that began at `since`.
    pub(super) fn seen(entry: &Entry, since: Moment) -> Self {
        let mut bytes = [0; RECORD];
        bytes[..IDENTITY].copy_from_slice(&entry.encode());
        bytes[IDENTITY] = if entry.changed < since { SETTLED } else { 0 };
        Self(bytes)
    }

    /// A thing that is gone.
    pub(super) fn gone() -> Self {
        let mut bytes = [0; RECORD];
        bytes[IDENTITY] = GONE;
        Self(bytes)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn as_bytes(&self) -> &[u8; RECORD] {
        &self.0
    }

    fn identity(&self) -> [u8; IDENTITY] {
        let mut identity = [0; IDENTITY];
        identity.copy_from_slice(&self.0[..IDENTITY]);
        identity
    }

    pub(super) fn entry(&self) -> Entry {
        Entry::decode(&self.identity())
    }

    pub(super) fn is_gone(&self) -> bool {
        self.0[IDENTITY] & GONE != 0
    }

    /// The copy made when this was written is still true of a thing that looks like `other` now.
    pub(super) fn is_true_of(&self, other: &Self) -> bool {
        self.0[IDENTITY] & SETTLED != 0 && self.0[..IDENTITY] == other.0[..IDENTITY]
    }

    /// Says that it cannot be told whether the copy is true.
    pub(super) fn unsettle(&mut self) {
        self.0[IDENTITY] &= !SETTLED;
    }

    pub(super) fn is_settled(&self) -> bool {
        self.0[IDENTITY] & SETTLED != 0
    }

    /// Digest of path, attributes and content, where the copy was compared.
    pub(super) fn sum(&self) -> Option<u128> {
        let mut sum = [0; 16];
        sum.copy_from_slice(&self.0[IDENTITY + 1..]);
        (self.0[IDENTITY] & COMPARED != 0).then(|| u128::from_le_bytes(sum))
    }

    pub(super) fn compared(&mut self, sum: u128) {
        self.0[IDENTITY] |= COMPARED;
        self.0[IDENTITY + 1..].copy_from_slice(&sum.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            mode: 0o100_640,
            uid: 1,
            gid: 2,
            links: 3,
            inode: 4 << 40,
            size: 5 << 40,
            modified: (-6, 7),
            changed: (8, 9),
            device: 10,
        }
    }

    #[test]
    fn a_record_keeps_everything() {
        let mut record = Record::seen(&entry(), (9, 0));
        record.compared(11);
        let again = Record::from_bytes(record.as_bytes()).expect("long enough");
        assert_eq!((again.entry(), again.sum()), (entry(), Some(11)));
        assert!(again.is_settled() && !again.is_gone());
    }

    #[test]
    fn what_changed_while_it_was_read_is_not_believed() {
        let before = Record::seen(&entry(), (9, 0));
        let racing = Record::seen(&entry(), (8, 9));
        assert!(before.is_true_of(&racing));
        assert!(!racing.is_true_of(&before), "the same moment is too late");
        let touched = Entry {
            changed: (8, 10),
            ..entry()
        };
        assert!(!before.is_true_of(&Record::seen(&touched, (9, 0))));
    }
}
