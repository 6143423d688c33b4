//! Flipped bytes, killed passes, what vanished, and what there is no room for.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;

use switchback_engine::ports::Finding;
use switchback_model::RunId;
use switchback_model::observed::Shadowing;
use switchback_model::plan::BackupState;

use super::super::{NAME, NoServer, location};
use super::site::{SETTLES, Stage, listing, same};
use crate::bench::{Bench, ROLLBACK, SmallDisk, UPGRADE};

#[test]
fn a_flipped_byte_is_found_before_anything_stops_and_repaired_by_the_next_try() {
    let stage = Stage::with_everything();
    thread::sleep(SETTLES);
    stage.prepare();
    stage.flip("large", 2 << 20);
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
    stage.flip("large", 1 << 20);
    let refused = stage.upgrade(|cx| stage.store.prove(cx).expect_err("a flipped byte"));
    assert_eq!(refused.code, "backup-differs");
    assert_ne!(stage.reached(BackupState::Proven), Finding::Holds);
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
        Box::new(NoServer::default()),
        None,
        &bench.commands,
    )
    .expect("looked at")
    .shadow
}
