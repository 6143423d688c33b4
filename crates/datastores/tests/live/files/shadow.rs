//! Files kept as a shadow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FileType, Mode, XattrFlags, lgetxattr, lsetxattr, mknodat};
use switchback_engine::ports::{Context, Datastore, Finding};
use switchback_model::RunId;
use switchback_model::observed::Shadowing;
use switchback_model::plan::BackupState;

use super::{NAME, NoServer, filled, location, opened};
use crate::bench::{Bench, ROLLBACK, SmallDisk, UPGRADE, reached, released, restored};

/// Longer than what counts as just changed, so that a pass believes in what it sees.
const SETTLES: Duration = Duration::from_millis(2300);

/// Everything a file is, by path; names of one file carry the number of its first one.
type Listing = BTreeMap<PathBuf, String>;

fn listing(root: &Path) -> Listing {
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
fn same(found: &Listing, expected: &Listing) {
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

fn everything(root: &Path) {
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
struct Stage {
    bench: Bench,
    root: PathBuf,
    store: Box<dyn Datastore>,
}

impl Stage {
    fn set(root: PathBuf, bench: Bench) -> Self {
        bench.keep_by_shadow(NAME, &location(&root));
        let store = opened(&root);
        Self { bench, root, store }
    }

    fn with_everything() -> Self {
        let bench = Bench::new();
        let root = bench.path("blob");
        everything(&root);
        Self::set(root, bench)
    }

    fn upgrade<T>(&self, call: impl FnOnce(&Context<'_>) -> T) -> T {
        self.bench.within(UPGRADE, call)
    }

    fn prepare(&self) {
        self.upgrade(|cx| self.store.prepare(cx).expect("prepares"));
        assert_eq!(self.reached(BackupState::Prepared), Finding::Holds);
    }

    fn prove(&self) {
        self.upgrade(|cx| self.store.prove(cx).expect("proves"));
        assert_eq!(self.reached(BackupState::Compared), Finding::Holds);
    }

    fn seal(&self) {
        self.upgrade(|cx| self.store.seal(cx).expect("seals"));
        assert_eq!(self.reached(BackupState::Proven), Finding::Holds);
    }

    fn reached(&self, state: BackupState) -> Finding {
        self.upgrade(|cx| self.store.look(cx, &reached(NAME, state)))
    }

    fn manifest(&self) -> serde_json::Value {
        let text = fs::read(self.bench.backup(NAME).join("manifest.json")).expect("a manifest");
        serde_json::from_slice(&text).expect("JSON")
    }

    fn copy(&self) -> PathBuf {
        Path::new(self.manifest()["place"].as_str().expect("a place")).join("copy")
    }

    fn is_restored(&self, run: &str) -> bool {
        let finding = self
            .bench
            .within(run, |cx| self.store.look(cx, &restored(NAME)));
        assert!(!matches!(finding, Finding::Unknown { .. }), "{finding:?}");
        finding == Finding::Holds
    }
}

#[test]
fn the_first_copy_is_no_faster_than_it_may_be() {
    let bench = Bench::new();
    let root = bench.path("blob");
    filled(&root);
    fs::write(root.join("large"), vec![7; 3_000_000]).expect("written");
    bench.keep_by_shadow(NAME, &location(&root));
    bench.slow_down(NAME, "2MB");
    let store = opened(&root);
    let since = Instant::now();
    let made = bench.within(UPGRADE, |cx| store.prepare(cx).expect("prepares"));
    // What the filesystem shares is not copied, and nobody waits for it.
    let copied: f64 = made.facts["copied-bytes"].parse().expect("a number");
    let took = since.elapsed().as_secs_f64();
    assert!(took >= copied / 2e6, "{copied} bytes in {took} s");
    bench.within(UPGRADE, |cx| store.prove(cx).expect("proves"));
}

#[test]
fn everything_that_files_can_be_goes_into_the_shadow_and_comes_back() {
    let stage = Stage::with_everything();
    stage.prepare();
    stage.prepare();
    same(&listing(&stage.copy()), &listing(&stage.root));
    stage.prove();
    fs::write(stage.root.join("pictures/deep/one"), "while up").expect("written");
    stage.seal();
    let before = listing(&stage.root);
    same(&listing(&stage.copy()), &before);
    let contents = stage.upgrade(|cx| stage.store.contents(cx).expect("readable"));
    assert_eq!(
        stage.upgrade(|cx| stage.store.sealed_contents(cx, cx.run).expect("told")),
        contents
    );

    assert!(stage.is_restored(UPGRADE), "nothing has touched it");
    fs::write(stage.root.join("pictures/two"), "migrated").expect("written");
    fs::remove_file(stage.root.join("outside")).expect("removed");
    fs::write(stage.root.join("new"), "new").expect("written");
    assert!(!stage.is_restored(UPGRADE));
    // Within the upgrade it is copied: the shadow must still serve the way back.
    stage.upgrade(|cx| stage.store.restore(cx, cx.run).expect("restores"));
    assert!(stage.is_restored(UPGRADE));
    same(&listing(&stage.root), &before);
    same(&listing(&stage.copy()), &before);
    assert_eq!(
        stage.upgrade(|cx| stage.store.contents(cx).expect("readable")),
        contents
    );
    assert_eq!(stage.reached(BackupState::Proven), Finding::Holds);

    fs::write(stage.root.join("many/3/3"), "migrated again").expect("written");
    assert!(!stage.is_restored(ROLLBACK));
    let (copy, run) = (stage.copy(), RunId::new(UPGRADE));
    let inode = fs::metadata(copy.join("large")).expect("there").ino();
    stage.bench.within(ROLLBACK, |cx| {
        stage.store.restore(cx, &run).expect("restores")
    });
    assert!(stage.is_restored(ROLLBACK));
    same(&listing(&stage.root), &before);
    assert_eq!(
        fs::metadata(stage.root.join("large")).expect("there").ino(),
        inode,
        "moved, not copied"
    );
    stage.bench.within(ROLLBACK, |cx| {
        stage.store.restore(cx, &run).expect("is back already");
    });
    assert!(!copy.exists());
    stage.bench.within(ROLLBACK, |cx| {
        stage.store.release(cx, &run).expect("releases");
        assert_eq!(stage.store.look(cx, &released(NAME)), Finding::Holds);
        stage.store.clean(cx).expect("cleans");
    });
    same(&listing(&stage.root), &before);
}

#[test]
fn the_seal_touches_only_what_changed() {
    let stage = Stage::with_everything();
    thread::sleep(SETTLES);
    stage.prepare();
    stage.prove();
    // Inodes are used again: the time of change tells what was made anew.
    let made = |root: &Path| -> BTreeSet<(PathBuf, u64, i64, i64)> {
        let paths = listing(root).into_keys();
        let looked =
            paths.map(|path| (fs::symlink_metadata(root.join(&path)).expect("there"), path));
        looked
            .filter(|(found, _)| !found.is_dir())
            .map(|(found, path)| (path, found.ino(), found.ctime(), found.ctime_nsec()))
            .collect()
    };
    let before = made(&stage.copy());
    // Same size, and the time set back: only the time of change tells.
    let path = stage.root.join("many/1/8");
    let times = fs::metadata(&path)
        .and_then(|found| found.modified())
        .expect("a time");
    fs::write(&path, [9; 8]).expect("written");
    let file = fs::File::options().write(true).open(&path).expect("opened");
    file.set_modified(times).expect("set back");
    fs::remove_dir_all(stage.root.join("pictures/deep/empty")).expect("removed");
    fs::write(stage.root.join("pictures/deep/empty"), "now a file").expect("written");
    fs::rename(stage.root.join("many/2"), stage.root.join("many/moved")).expect("renamed");
    fs::hard_link(stage.root.join("large"), stage.root.join("larger")).expect("linked");
    lsetxattr(
        stage.root.join("many/3/3"),
        "user.colour",
        b"blue",
        XattrFlags::empty(),
    )
    .expect("set");
    stage.seal();
    same(&listing(&stage.copy()), &listing(&stage.root));
    let touched: BTreeSet<String> = made(&stage.copy())
        .difference(&before)
        .map(|(path, ..)| path.display().to_string())
        .collect();
    let mut expected: BTreeSet<String> = (0..50)
        .filter(|number| number % 7 == 2)
        .map(|number| format!("many/moved/{number}"))
        .collect();
    for path in [
        "many/1/8",
        "pictures/deep/empty",
        "large",
        "larger",
        "many/3/3",
    ] {
        expected.insert(path.to_owned());
    }
    assert_eq!(touched, expected);
    let contents = stage.upgrade(|cx| stage.store.contents(cx).expect("readable"));
    assert_eq!(
        stage.upgrade(|cx| stage.store.sealed_contents(cx, cx.run).expect("told")),
        contents
    );
    stage.upgrade(|cx| stage.store.prove(cx).expect("read again"));
}

#[test]
fn a_flipped_byte_is_found_before_anything_stops_and_repaired_by_the_next_try() {
    let stage = Stage::with_everything();
    thread::sleep(SETTLES);
    stage.prepare();
    let path = stage.copy().join("large");
    let times = fs::metadata(&path)
        .and_then(|found| found.modified())
        .expect("a time");
    let file = fs::File::options().write(true).open(&path).expect("opened");
    file.write_all_at(&[0xff], 2 << 20).expect("written");
    file.set_modified(times).expect("set back");
    let refused = stage.upgrade(|cx| stage.store.prove(cx).expect_err("a flipped byte"));
    assert_eq!(
        (refused.code.as_str(), &refused.causes[0][..]),
        ("backup-differs", "\"large\" has other bytes")
    );
    assert_ne!(stage.reached(BackupState::Compared), Finding::Holds);
    stage.prove();
    stage.seal();
    same(&listing(&stage.copy()), &listing(&stage.root));
    // After the seal it is the manifest that knows.
    let times = fs::metadata(&path)
        .and_then(|found| found.modified())
        .expect("a time");
    let file = fs::File::options().write(true).open(&path).expect("opened");
    file.write_all_at(&[0xff], 1 << 20).expect("written");
    file.set_modified(times).expect("set back");
    let refused = stage.upgrade(|cx| stage.store.prove(cx).expect_err("a flipped byte"));
    assert_eq!(refused.code, "backup-differs");
    assert_ne!(stage.reached(BackupState::Proven), Finding::Holds);
}

#[test]
fn what_a_busy_service_does_meanwhile_is_in_the_shadow_once_it_has_stopped() {
    let stage = Stage::with_everything();
    let stopped = AtomicBool::new(false);
    let busy = || {
        let mut number = 0_u64;
        while !stopped.load(Ordering::Relaxed) {
            number += 1;
            let at = |name: u64| stage.root.join(format!("many/busy-{}", name % 40));
            fs::create_dir_all(at(number)).expect("made");
            fs::write(at(number).join("file"), number.to_string().repeat(500)).expect("written");
            // Renamed over, removed, and made a link of: whatever programs do.
            let _ = fs::rename(at(number + 1).join("file"), at(number + 2).join("other"));
            let _ = fs::remove_dir_all(at(number + 20));
            let _ = std::os::unix::fs::symlink("/etc", at(number + 20));
            let _ = fs::remove_file(at(number + 10));
        }
    };
    thread::scope(|scope| {
        let writer = scope.spawn(busy);
        let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            stage.prepare();
            stage.prove();
        }));
        // Nobody has stopped it: something changes while it is read.
        let refused = stage.upgrade(|cx| stage.store.seal(cx));
        stopped.store(true, Ordering::Relaxed);
        writer.join().expect("wrote");
        kept.expect("kept");
        assert_eq!(refused.expect_err("a writer").code, "writers-connected");
    });
    stage.seal();
    same(&listing(&stage.copy()), &listing(&stage.root));
    let contents = stage.upgrade(|cx| stage.store.contents(cx).expect("readable"));
    assert_eq!(
        stage.upgrade(|cx| stage.store.sealed_contents(cx, cx.run).expect("told")),
        contents
    );
    stage.upgrade(|cx| stage.store.prove(cx).expect("read again"));
}

#[test]
fn a_first_pass_that_was_killed_goes_on_and_takes_what_it_left_half_done() {
    let stage = Stage::with_everything();
    thread::sleep(SETTLES);
    stage.prepare();
    // As if killed: no index, one file cut off with the time of its writing, one that the original has lost.
    fs::remove_file(stage.bench.backup(NAME).join("index")).expect("removed");
    let copy = stage.copy();
    fs::write(copy.join("large"), "cut off").expect("written");
    fs::write(copy.join("many/left"), "left").expect("written");
    let inode = fs::metadata(copy.join("many/1/8")).expect("there").ino();
    stage.prepare();
    assert_eq!(
        fs::metadata(copy.join("many/1/8")).expect("there").ino(),
        inode,
        "not copied twice"
    );
    stage.prove();
    same(&listing(&copy), &listing(&stage.root));
    stage.seal();
    stage.seal();
}

#[test]
fn a_way_back_that_was_killed_goes_on_from_everywhere() {
    for point in ["taken", "half aside", "aside", "half in", "in"] {
        let stage = Stage::with_everything();
        stage.prepare();
        stage.prove();
        stage.seal();
        let before = listing(&stage.root);
        fs::write(stage.root.join("large"), "migrated").expect("written");
        let at = |name: &str| stage.root.join(format!(".switchback-{name}-{UPGRADE}"));
        fs::rename(stage.copy(), at("going")).expect("taken");
        let move_names = |from: &Path, to: &Path, most: usize| {
            fs::create_dir_all(to).expect("made");
            let names = fs::read_dir(from)
                .expect("readable")
                .map(|entry| entry.expect("an entry").file_name());
            let ours = names.filter(|name| !name.as_bytes().starts_with(b".switchback-"));
            for name in ours.collect::<Vec<_>>().into_iter().take(most) {
                fs::rename(from.join(&name), to.join(&name)).expect("moved");
            }
        };
        let many = usize::MAX;
        match point {
            "taken" => {}
            "half aside" => move_names(&stage.root, &at("old").join("1"), 3),
            _ => move_names(&stage.root, &at("old").join("1"), many),
        }
        if ["half in", "in"].contains(&point) {
            fs::rename(at("going"), at("in")).expect("renamed");
            move_names(&at("in"), &stage.root, if point == "in" { many } else { 3 });
        }
        let run = RunId::new(UPGRADE);
        assert!(!stage.is_restored(ROLLBACK), "{point}");
        stage.bench.within(ROLLBACK, |cx| {
            stage.store.clean(cx).expect("cleans");
            assert_eq!(
                stage.store.look(
                    cx,
                    &crate::bench::reached_by(NAME, BackupState::Proven, UPGRADE)
                ),
                Finding::Holds,
                "{point}"
            );
            stage.store.restore(cx, &run).expect("goes on");
        });
        assert!(stage.is_restored(ROLLBACK), "{point}");
        same(&listing(&stage.root), &before);
        assert_eq!(
            fs::read(at("old").join("1/large")).expect("kept"),
            b"migrated"
        );
    }
}

#[test]
fn a_shadow_that_somebody_wrote_to_is_not_given_back() {
    let stage = Stage::with_everything();
    stage.prepare();
    stage.prove();
    stage.seal();
    fs::remove_file(stage.copy().join("many/4/11")).expect("removed");
    fs::write(stage.root.join("large"), "migrated").expect("written");
    let before = listing(&stage.root);
    let run = RunId::new(UPGRADE);
    let refused = stage.bench.within(ROLLBACK, |cx| {
        stage.store.restore(cx, &run).expect_err("changed")
    });
    assert_eq!(refused.code, "backup-damaged");
    assert!(refused.causes[0].contains("many/4"), "{refused:?}");
    same(&listing(&stage.root), &before);
}

#[test]
fn a_directory_that_vanished_is_said_and_one_that_never_was_is_kept_as_that() {
    let stage = Stage::with_everything();
    stage.prepare();
    stage.prove();
    let aside = stage.bench.path("aside");
    fs::rename(&stage.root, &aside).expect("moved");
    let refused = stage.upgrade(|cx| stage.store.seal(cx).expect_err("gone"));
    assert_eq!(refused.code, "files-gone");
    // The empty place of a volume that is not mounted.
    fs::create_dir(&stage.root).expect("made");
    let refused = stage.upgrade(|cx| stage.store.seal(cx).expect_err("another"));
    assert_eq!(refused.code, "files-gone");
    fs::remove_dir(&stage.root).expect("removed");
    fs::rename(&aside, &stage.root).expect("moved back");
    stage.seal();

    let bench = Bench::new();
    let root = bench.path("absent/blob");
    let stage = Stage::set(root, bench);
    stage.prepare();
    stage.prove();
    stage.seal();
    assert!(stage.is_restored(ROLLBACK));
    fs::create_dir_all(&stage.root).expect("made");
    fs::write(stage.root.join("made by the new version"), "x").expect("written");
    assert!(!stage.is_restored(ROLLBACK));
    let run = RunId::new(UPGRADE);
    stage.bench.within(ROLLBACK, |cx| {
        stage.store.restore(cx, &run).expect("restores")
    });
    assert!(stage.is_restored(ROLLBACK));
    assert_eq!(listing(&stage.root).len(), 1);
}

#[test]
fn what_a_shadow_cannot_hold_or_has_no_room_for_is_said_first() {
    let stage = Stage::with_everything();
    let inside = SmallDisk::mount(&stage.root.join("many/mounted"), 8);
    let shadow = surveyed(&stage.root);
    let Shadowing::Impossible { because } = shadow else {
        panic!("{shadow:?}");
    };
    assert!(
        because.ends_with("many/mounted in it is a filesystem of its own"),
        "{because}"
    );
    let refused = stage.upgrade(|cx| stage.store.prepare(cx).expect_err("mounted"));
    assert_eq!(refused.code, "files-mounted");
    drop(inside);
    assert_eq!(surveyed(&stage.root), Shadowing::Possible);
    stage.prepare();

    let bench = Bench::new();
    let disk = SmallDisk::mount(&bench.path("disk"), 64);
    let root = disk.0.join("blob");
    fs::create_dir_all(&root).expect("made");
    fs::write(root.join("large"), vec![7; 40 << 20]).expect("written");
    let stage = Stage::set(root, bench);
    let refused = stage.upgrade(|cx| stage.store.prepare(cx).expect_err("no room"));
    assert_eq!(refused.code, "disk-full");
    fs::write(stage.root.join("large"), vec![7; 8 << 20]).expect("written");
    stage.prepare();
    assert!(
        stage.copy().starts_with(&disk.0),
        "beside the directory, on its filesystem"
    );
    stage.prove();
    stage.seal();
    let run = RunId::new(UPGRADE);
    fs::write(stage.root.join("large"), "migrated").expect("written");
    stage.bench.within(ROLLBACK, |cx| {
        stage.store.restore(cx, &run).expect("restores")
    });
    assert_eq!(
        fs::metadata(stage.root.join("large")).expect("there").len(),
        8 << 20
    );
}

fn surveyed(root: &Path) -> Shadowing {
    let bench = Bench::new();
    switchback_datastores::survey(
        &NAME.into(),
        &location(root),
        Box::new(NoServer),
        None,
        &bench.commands,
    )
    .expect("looked at")
    .shadow
}

/// Where the filesystem can, nothing is copied at all.
#[test]
fn files_share_their_bytes_with_the_shadow_where_the_filesystem_can() {
    let mut tried = 0;
    for (make, arguments) in [
        ("mkfs.btrfs", &["-q"][..]),
        ("mkfs.xfs", &["-q", "-m", "reflink=1"]),
    ] {
        let bench = Bench::new();
        let Some(disk) = SmallDisk::make(&bench.path("disk"), make, arguments, 400) else {
            continue;
        };
        tried += 1;
        let root = disk.0.join("blob");
        everything(&root);
        let stage = Stage::set(root, bench);
        let prepared = stage.upgrade(|cx| stage.store.prepare(cx).expect("prepares"));
        let fact = |name: &str| prepared.facts[name].parse::<u64>().expect("a number");
        assert!(fact("shared-bytes") > 3 << 20, "{make}: {prepared:?}");
        assert_eq!(fact("copied-bytes"), 0, "{make}: {prepared:?}");
        stage.prove();
        fs::write(stage.root.join("large"), "while up").expect("written");
        stage.seal();
        let before = listing(&stage.root);
        same(&listing(&stage.copy()), &before);
        fs::write(stage.root.join("large"), "migrated").expect("written");
        stage.upgrade(|cx| stage.store.restore(cx, cx.run).expect("restores"));
        same(&listing(&stage.root), &before);
        assert!(stage.is_restored(UPGRADE));
        fs::write(stage.root.join("large"), "migrated").expect("written");
        let run = RunId::new(UPGRADE);
        stage.bench.within(ROLLBACK, |cx| {
            stage.store.restore(cx, &run).expect("restores")
        });
        same(&listing(&stage.root), &before);
    }
    if tried == 0 {
        // Said where it can be seen: the copying way is what was tested here.
        assert!(
            rustix::fs::access("/dev/loop-control", rustix::fs::Access::EXISTS).is_err()
                || !Path::new("/sbin/mkfs.btrfs").exists()
        );
    }
}
