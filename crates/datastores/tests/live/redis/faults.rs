//! What dies in the middle, and disks that are full.

use std::fs;

use switchback_engine::ports::Finding;
use switchback_model::RunId;
use switchback_model::plan::Expectation;

use super::{APPENDING, NAME, filled, kept};
use crate::bench::{ROLLBACK, SmallDisk, UPGRADE, released, restored};
use crate::redis_server::RedisServer;

#[test]
fn a_process_killed_while_the_server_was_stopped_leaves_nobody_without_it() {
    let server = RedisServer::start(APPENDING);
    filled(&server);
    let store = server.datastore();
    server
        .bench
        .within(UPGRADE, |cx| store.prepare(cx).expect("prepares"));
    // What a kill in the middle of copying leaves.
    let backup = server.bench.backup(NAME);
    fs::write(
        backup.join("stopped-by-switchback"),
        server.data().display().to_string(),
    )
    .expect("written");
    fs::create_dir(backup.join("copy.part")).expect("made");
    server.stop();
    server.bench.within(UPGRADE, |cx| {
        let writers = Expectation::NoWriters {
            datastore: NAME.into(),
        };
        assert_eq!(
            store.look(cx, &writers),
            Finding::Holds,
            "nobody is connected to what does not run"
        );
        store.clean(cx).expect("cleans");
    });
    assert!(server.runs() && !backup.join("copy.part").exists());
    server.stop();
    kept(&server, store.as_ref());
    assert!(server.runs());
    server.stop();
    server
        .bench
        .within(UPGRADE, |cx| store.clean(cx).expect("cleans"));
    assert!(!server.runs(), "what somebody else stopped stays stopped");
}

#[test]
fn a_restore_goes_on_from_where_it_was_killed() {
    let server = RedisServer::start(APPENDING);
    filled(&server);
    let store = server.datastore();
    kept(&server, store.as_ref());
    server.cli(0, "FLUSHALL");
    let (data, run) = (server.data(), RunId::new(UPGRADE));
    // Killed after the broken files were moved away and before the good ones were in place; and then
    // somebody's restart made the server create empty ones.
    server.stop();
    let coming = data.join(format!(".switchback-in-{UPGRADE}"));
    let old = data.join(format!(".switchback-old-{UPGRADE}/1"));
    fs::create_dir_all(&old).expect("made");
    fs::rename(data.join("appendonlydir"), old.join("appendonlydir")).expect("moved");
    let copied = std::process::Command::new("cp")
        .args(["-a"])
        .arg(server.bench.backup(NAME).join("copy"))
        .arg(&coming)
        .status();
    assert!(copied.expect("cp starts").success());
    // The mark of the run that takes back, which is not the run whose files these are.
    let mark = server.bench.backups.join(ROLLBACK).join(NAME);
    fs::create_dir_all(&mark).expect("made");
    fs::write(
        mark.join("stopped-by-switchback"),
        data.display().to_string(),
    )
    .expect("written");
    server
        .bench
        .within(ROLLBACK, |cx| store.clean(cx).expect("cleans"));
    assert!(
        !server.runs(),
        "nobody may use files that are half exchanged"
    );
    server.up();
    server.bench.within(ROLLBACK, |cx| {
        assert!(matches!(store.look(cx, &restored(NAME)), Finding::Differs { found } if found.contains("half exchanged")));
        store.clean(cx).expect("cleans");
        assert!(coming.exists(), "cleaning never touches what is half exchanged");
        store.restore(cx, &run).expect("goes on");
        assert_eq!(store.look(cx, &restored(NAME)), Finding::Holds);
        assert!(matches!(store.look(cx, &released(NAME)), Finding::Differs { .. }));
        assert!(old.join("appendonlydir").exists() && old.with_file_name("2").join("appendonlydir").exists());
        store.release(cx, &run).expect("releases");
        assert_eq!(store.look(cx, &released(NAME)), Finding::Holds);
    });
}

#[test]
fn a_rollback_never_starts_the_server_on_half_exchanged_files() {
    let server = RedisServer::start(APPENDING);
    filled(&server);
    let store = server.datastore();
    kept(&server, store.as_ref());
    server.cli(0, "FLUSHALL");
    let (data, run) = (server.data(), RunId::new(UPGRADE));
    let place = |what: &str| data.join(format!(".switchback-{what}-{UPGRADE}"));
    // In the way of what is to be moved aside: the exchange begins and fails.
    fs::write(place("old"), "").expect("written");
    server.bench.within(ROLLBACK, |cx| {
        assert_eq!(
            store.restore(cx, &run).expect_err("in the way").code,
            "restore-io"
        );
        assert!(place("going").exists());
        store.clean(cx).expect("cleans");
        assert!(!server.runs(), "its files are half exchanged");
        // As if it had ended just before the exchange began.
        fs::rename(place("going"), place("new")).expect("renamed");
        store.clean(cx).expect("cleans");
        assert!(server.runs() && !place("new").exists());
        fs::remove_file(place("old")).expect("removed");
        store.restore(cx, &run).expect("restores");
        assert_eq!(store.look(cx, &restored(NAME)), Finding::Holds);
    });
}

#[test]
fn a_full_disk_is_said_the_server_runs_again_and_nothing_half_stays() {
    let server = RedisServer::start(APPENDING);
    filled(&server);
    server.cli(0, &format!("SET big {}", "x".repeat(6 << 20)));
    let store = server.datastore();
    server
        .bench
        .within(UPGRADE, |cx| store.prepare(cx).expect("prepares"));
    let disk = SmallDisk::mount(&server.bench.backup(NAME), 18);
    server.bench.within(UPGRADE, |cx| {
        let refused = store.seal(cx).expect_err("no room");
        assert_eq!(refused.code, "disk-full", "{refused:?}");
        assert!(!server.bench.backup(NAME).join("copy.part").exists());
        assert!(server.runs() && server.cli(3, "GET other") == "database");
    });
    drop(disk);
    kept(&server, store.as_ref());
}
