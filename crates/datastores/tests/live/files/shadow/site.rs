//! A directory with everything in it that files can be, kept by a shadow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FileType, Mode, XattrFlags, lgetxattr, lsetxattr, mknodat};
use switchback_engine::ports::{Context, Datastore, Finding};
use switchback_model::plan::BackupState;

use super::super::{NAME, filled, location, opened};
use crate::bench::{Bench, UPGRADE, reached, restored};

/// Longer than what counts as just changed, so that a pass believes in what it sees.
pub(crate) const SETTLES: Duration = Duration::from_millis(2300);

/// Everything a file is, by path; names of one file carry the number of its first one.
pub(crate) type Listing = BTreeMap<PathBuf, String>;

pub(crate) fn listing(root: &Path) -> Listing {
    let mut paths = vec![PathBuf::new()];
    let mut found = Listing::new();
    let mut inodes: BTreeMap<u64, usize> = BTreeMap::new();
    while let Some(path) = paths.pop() {
        let full = root.join(&path);
        let about = fs::symlink_metadata(&full).expect("there");
        let content = if about.is_dir() {
            let entries = fs::read_dir(&full).expect("readable");
            let mut names: Vec<_> = entries
                .map(|entry| entry.expect("an entry").file_name())
                .collect();
            names.retain(|name| !name.as_bytes().starts_with(b".switchback-"));
            names.sort();
            paths.extend(names.iter().rev().map(|name| path.join(name)));
            String::new()
        } else if about.is_symlink() {
            format!("{:?}", fs::read_link(&full).expect("a link"))
        } else if about.is_file() {
            format!(
                "{:?}",
                fs::read(&full)
                    .expect("readable")
                    .iter()
                    .fold(0_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte))
            )
        } else {
            format!("device {}", about.rdev())
        };
        let mut extended = String::new();
        for name in [
            "user.colour",
            "system.posix_acl_access",
            "system.posix_acl_default",
        ] {
            let mut value = [0; 256];
            if let Ok(length) = lgetxattr(&full, name, &mut value) {
                extended.push_str(&format!(" {name}={:?}", &value[..length]));
            }
        }
        let count = inodes.len();
        let number = *inodes.entry(about.ino()).or_insert(count);
        // The root's time changes with the names that a restore keeps in it.
        let modified = if path.as_os_str().is_empty() {
            (0, 0)
        } else {
            (about.mtime(), about.mtime_nsec())
        };
        let told = format!(
            "{:o} {}:{} {modified:?} #{number} {content}{extended}",
            about.mode(),
            about.uid(),
            about.gid(),
        );
        found.insert(path, told);
    }
    found
}

/// Panics with what differs, and no more.
#[track_caller]
pub(crate) fn same(found: &Listing, expected: &Listing) {
    let paths: BTreeSet<&PathBuf> = found.keys().chain(expected.keys()).collect();
    let different: Vec<_> = paths
        .into_iter()
        .map(|path| (path, found.get(path), expected.get(path)))
        .filter(|(_, found, expected)| found != expected)
        .take(5)
        .collect();
    assert!(
        different.is_empty(),
        "path, found, expected: {different:#?}"
    );
}

pub(crate) fn everything(root: &Path) {
    filled(root);
    fs::write(
        root.join(std::ffi::OsStr::from_bytes(b"caf\xe9.png")),
        "not UTF-8",
    )
    .expect("written");
    mknodat(
        rustix::fs::CWD,
        root.join("pipe"),
        FileType::Fifo,
        Mode::from_raw_mode(0o640),
        0,
    )
    .expect("made");
    UnixListener::bind(root.join("socket")).expect("bound");
    let coloured = root.join("pictures/deep/one");
    lsetxattr(&coloured, "user.colour", b"red", XattrFlags::empty()).expect("set");
    // Owner and group may write, user 7 may read.
    let acl: Vec<u8> = [2_u32.to_le_bytes().to_vec()]
        .into_iter()
        .chain(
            [
                (1_u16, 6_u16, u32::MAX),
                (2, 4, 7),
                (4, 6, u32::MAX),
                (16, 6, u32::MAX),
                (32, 0, u32::MAX),
            ]
            .map(|(tag, rights, id)| {
                [
                    &tag.to_le_bytes()[..],
                    &rights.to_le_bytes(),
                    &id.to_le_bytes(),
                ]
                .concat()
            }),
        )
        .flatten()
        .collect();
    lsetxattr(
        root.join("pictures"),
        "system.posix_acl_default",
        &acl,
        XattrFlags::empty(),
    )
    .expect("set");
    lsetxattr(
        root.join("pictures/two"),
        "system.posix_acl_access",
        &acl,
        XattrFlags::empty(),
    )
    .expect("set");
    let old = fs::File::open(root.join("pictures/deep/empty")).expect("opened");
    old.set_modified(SystemTime::UNIX_EPOCH + Duration::new(7, 77))
        .expect("set");
    let mut large = Vec::new();
    while large.len() < 3 << 20 {
        large.extend_from_slice(&large.len().to_be_bytes());
    }
    fs::write(root.join("large"), large).expect("written");
    for number in 0..50 {
        let place = root.join(format!("many/{}", number % 7));
        fs::create_dir_all(&place).expect("made");
        fs::write(place.join(number.to_string()), vec![number; number.into()]).expect("written");
    }
}

/// A directory with everything in it, and a plan that keeps it by a shadow.
pub(crate) struct Stage {
    pub(crate) bench: Bench,
    pub(crate) root: PathBuf,
    pub(crate) store: Box<dyn Datastore>,
}

impl Stage {
    pub(crate) fn set(root: PathBuf, bench: Bench) -> Self {
        bench.keep_by_shadow(NAME, &location(&root));
        let store = opened(&root);
        Self { bench, root, store }
    }

    /// The same, where they are kept by `store`.
    pub(crate) fn kept_by(self, store: Box<dyn Datastore>) -> Self {
        Self { store, ..self }
    }

    pub(crate) fn with_everything() -> Self {
        let bench = Bench::new();
        let root = bench.path("blob");
        everything(&root);
        Self::set(root, bench)
    }

    pub(crate) fn upgrade<T>(&self, call: impl FnOnce(&Context<'_>) -> T) -> T {
        self.bench.within(UPGRADE, call)
    }

    pub(crate) fn prepare(&self) {
        self.upgrade(|cx| self.store.prepare(cx).expect("prepares"));
        assert_eq!(self.reached(BackupState::Prepared), Finding::Holds);
    }

    pub(crate) fn prove(&self) {
        self.upgrade(|cx| self.store.prove(cx).expect("proves"));
        assert_eq!(self.reached(BackupState::Compared), Finding::Holds);
    }

    pub(crate) fn seal(&self) {
        self.upgrade(|cx| self.store.seal(cx).expect("seals"));
        assert_eq!(self.reached(BackupState::Proven), Finding::Holds);
    }

    pub(crate) fn reached(&self, state: BackupState) -> Finding {
        self.upgrade(|cx| self.store.look(cx, &reached(NAME, state)))
    }

    pub(crate) fn manifest(&self) -> serde_json::Value {
        let text = fs::read(self.bench.backup(NAME).join("manifest.json")).expect("a manifest");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// Changes a byte of a file's copy, and neither its size nor its time.
    pub(crate) fn flip(&self, name: &str, place: u64) {
        let path = self.copy().join(name);
        let times = fs::metadata(&path)
            .and_then(|found| found.modified())
            .expect("a time");
        let file = fs::File::options().write(true).open(&path).expect("opened");
        file.write_all_at(&[0xff], place).expect("written");
        file.set_modified(times).expect("set back");
    }

    pub(crate) fn copy(&self) -> PathBuf {
        Path::new(self.manifest()["place"].as_str().expect("a place")).join("copy")
    }

    pub(crate) fn is_restored(&self, run: &str) -> bool {
        let finding = self
            .bench
            .within(run, |cx| self.store.look(cx, &restored(NAME)));
        assert!(!matches!(finding, Finding::Unknown { .. }), "{finding:?}");
        finding == Finding::Holds
    }
}
