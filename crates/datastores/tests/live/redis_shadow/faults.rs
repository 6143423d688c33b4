//! What dies or is damaged, and what becomes of it.

use std::fs;
use std::time::{Duration, Instant};

use switchback_engine::ports::Finding;
use switchback_model::RunId;
use switchback_model::plan::BackupState;

use super::site::{compared, contents, place, sealed, shadowed};
use crate::bench::{ROLLBACK, UPGRADE, reached, restored};
use crate::redis::{APPENDING, NAME, emptied_and_back};

#[test]
fn one_flipped_byte_in_memory_or_on_disk_is_found_before_anything_stops() {
    let (server, store) = shadowed(APPENDING);
    server
        .bench
        .within(UPGRADE, |cx| store.prepare(cx).expect("prepares"));
    let shadow = |commands: &str| server.cli_at(&place(&server).join("switchback.sock"), commands);
    for change in ["SETRANGE string:5 3 X", "SET extra key", "DEL list"] {
        shadow("CONFIG SET replica-read-only no");
        shadow(change);
        server.bench.within(UPGRADE, |cx| {
            let refused = store.prove(cx).expect_err("it differs");
            assert_eq!(refused.code, "backup-differs", "{change}: {refused:?}");
            assert!(matches!(
                store.look(cx, &reached(NAME, BackupState::Compared)),
                Finding::Differs { .. }
            ));
            store.follow(cx).expect("begins anew");
        });
    }
    // On disk alone, and in the part that has no checksum of its own.
    server.cli(0, "SET written afterwards-and-appended");
    let parts = place(&server).join("data/appendonlydir");
    let appended = || {
        let mut found = fs::read_dir(&parts)
            .expect("parts")
            .map(|entry| entry.expect("an entry").path());
        found
            .find(|path| path.to_string_lossy().ends_with(".incr.aof"))
            .expect("increments")
    };
    let begun = Instant::now();
    let position = loop {
        let text = fs::read(appended()).expect("readable");
        let found = text.windows(10).position(|window| window == b"afterwards");
        if let Some(found) = found {
            break found;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "never appended");
    };
    flip(&appended(), position);
    server.bench.within(UPGRADE, |cx| {
        assert_eq!(store.prove(cx).expect_err("damaged").code, "backup-differs");
        store.follow(cx).expect("begins anew");
    });
    // In the part that has one.
    flip_base(&parts);
    server.bench.within(UPGRADE, |cx| {
        assert_eq!(store.prove(cx).expect_err("damaged").code, "backup-differs");
        store.follow(cx).expect("begins anew");
        store.prove(cx).expect("proves");
    });
    sealed(&server, store.as_ref());
    assert!(server.runs());
}

/// What comes back from a repository long after is not trusted: it is loaded and read, whatever it was before.
#[test]
fn a_sealed_shadow_is_read_whenever_it_is_proven() {
    let (server, store) = shadowed(APPENDING);
    compared(&server, store.as_ref());
    sealed(&server, store.as_ref());
    server.bench.within(UPGRADE, |cx| {
        let first = store.prove(cx).expect("proves");
        assert!(first.summary.contains("and read: "), "{}", first.summary);
        let again = store.prove(cx).expect("proves again");
        assert!(
            again.summary.contains("read, and equal: "),
            "{}",
            again.summary
        );
    });
    let parts = place(&server).join("data/appendonlydir");
    flip_base(&parts);
    server.bench.within(UPGRADE, |cx| {
        assert_eq!(store.prove(cx).expect_err("damaged").code, "backup-differs");
        assert!(matches!(
            store.look(cx, &reached(NAME, BackupState::Proven)),
            Finding::Differs { .. }
        ));
    });
    assert!(server.runs());
}

/// In the middle of the part that a rewrite made.
fn flip_base(parts: &std::path::Path) {
    let base = fs::read_dir(parts)
        .expect("parts")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.to_string_lossy().contains(".base."))
        .expect("a base");
    let middle = fs::metadata(&base).expect("there").len() / 2;
    flip(&base, usize::try_from(middle).expect("small"));
}

fn flip(path: &std::path::Path, position: usize) {
    use std::os::unix::fs::FileExt as _;
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .expect("opened");
    let mut byte = [0];
    let position = position as u64;
    file.read_exact_at(&mut byte, position).expect("read");
    file.write_all_at(&[byte[0] ^ 0x01], position)
        .expect("written");
}

#[test]
fn whatever_dies_while_it_follows_it_follows_again() {
    let (server, store) = shadowed(APPENDING);
    compared(&server, store.as_ref());
    // The replica, as if memory had run out.
    server.beside().expect("it follows").kill();
    server.cli(0, "SET after kill");
    server.bench.within(UPGRADE, |cx| {
        assert_eq!(
            store.prove(cx).map(|_| ()),
            Ok(()),
            "it is begun anew and compared"
        );
        store.follow(cx).expect("follows");
        assert_eq!(
            store.look(cx, &reached(NAME, BackupState::Compared)),
            Finding::Holds
        );
    });
    server.beside().expect("it follows").kill();
    server.bench.within(UPGRADE, |cx| {
        store.follow(cx).expect("begins anew, and compares");
        assert_eq!(
            store.look(cx, &reached(NAME, BackupState::Compared)),
            Finding::Holds
        );
    });
    // The original: the same replica takes all of it again, and was not compared since.
    server.stop();
    server.up();
    server.cli(0, "SET after restart");
    sealed(&server, store.as_ref());
    let heard = server.bench.progress.0.borrow().join("\n");
    assert!(heard.contains("begun anew since"), "{heard}");
    emptied_and_back(&server, store.as_ref());
    assert_eq!(server.cli(0, "GET after"), "restart");
}

#[test]
fn a_seal_without_its_replica_or_its_original_still_seals() {
    let (server, store) = shadowed(APPENDING);
    compared(&server, store.as_ref());
    server.beside().expect("it follows").kill();
    server.stop();
    sealed(&server, store.as_ref());
    assert!(server.runs());
}

#[test]
fn a_way_back_goes_on_from_wherever_it_was_killed() {
    for stop in 0..4 {
        let (server, store) = shadowed(APPENDING);
        compared(&server, store.as_ref());
        let before = contents(&server, store.as_ref());
        sealed(&server, store.as_ref());
        server.cli(0, "FLUSHALL");
        let (data, run) = (server.data(), RunId::new(UPGRADE));
        let going = data.join(format!(".switchback-going-{UPGRADE}"));
        let old = data.join(format!(".switchback-old-{UPGRADE}/1"));
        // What a kill leaves, step by step.
        let mark = server.bench.backups.join(ROLLBACK).join(NAME);
        fs::create_dir_all(&mark).expect("made");
        fs::write(mark.join("restoring-by-switchback"), UPGRADE).expect("written");
        fs::write(
            mark.join("stopped-by-switchback"),
            data.display().to_string(),
        )
        .expect("written");
        server.stop();
        if stop >= 1 {
            fs::write(place(&server).join("taken-by"), ROLLBACK).expect("written");
        }
        if stop >= 2 {
            fs::rename(place(&server).join("data"), &going).expect("taken");
        }
        if stop >= 3 {
            fs::create_dir_all(&old).expect("made");
            fs::rename(data.join("appendonlydir"), old.join("appendonlydir")).expect("moved");
        }
        server.bench.within(ROLLBACK, |cx| {
            store.clean(cx).expect("cleans");
            assert_eq!(
                server.runs(),
                stop < 2,
                "nobody may use files that are half exchanged"
            );
            store.restore(cx, &run).expect("goes on");
            assert_eq!(store.look(cx, &restored(NAME)), Finding::Holds);
            assert_eq!(
                store.contents(cx).expect("read"),
                before,
                "from point {stop}"
            );
        });
    }
}
