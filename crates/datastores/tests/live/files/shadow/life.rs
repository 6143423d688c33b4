//! There and back, with a service that is up.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use rustix::fs::{XattrFlags, lsetxattr};
use switchback_engine::ports::Finding;
use switchback_model::RunId;
use switchback_model::plan::BackupState;

use super::super::{NAME, filled, location, opened};
use super::site::{SETTLES, Stage, everything, listing, same};
use crate::bench::{Bench, ROLLBACK, SmallDisk, UPGRADE, released};

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
