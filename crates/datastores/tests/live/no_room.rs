//! A way back onto a filesystem without room: said before anything of what is there is touched, and gone on with
//! once there is room.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use switchback_engine::ports::Datastore;
use switchback_model::{Contents, RunId};

use crate::bench::{Bench, ROLLBACK, SmallDisk, UPGRADE};
use crate::cluster::Cluster;
use crate::redis_server::RedisServer;
use crate::{files, postgres, redis};

/// Left free: less than any restore wants, and enough for a server to go on.
const LEFT: u64 = 17 << 20;

/// Takes all the room of a filesystem but [`LEFT`]; gives it back when dropped.
struct Filler(PathBuf);

impl Filler {
    fn on(directory: &Path) -> Self {
        let path = directory.join("of-somebody-else");
        let found = statvfs(directory).expect("a filesystem");
        let free = found.f_bavail * found.f_frsize;
        let file = File::create(&path).expect("made");
        fallocate(&file, FallocateFlags::empty(), 0, free - LEFT).expect("taken");
        Self(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Keeps it, lets an upgrade change it, and goes back: first without room on `disk`, then with it.
fn goes_back(bench: &Bench, store: &dyn Datastore, disk: &Path, change: impl FnOnce()) {
    let contents = || -> Contents { bench.within(UPGRADE, |cx| store.contents(cx).expect("read")) };
    bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        store.seal(cx).expect("seals");
        store.prove(cx).expect("proves");
    });
    let before = contents();
    change();
    let changed = contents();
    assert_ne!(changed, before, "the upgrade changed something");
    let run = RunId::new(UPGRADE);
    let filler = Filler::on(disk);
    bench.within(ROLLBACK, |cx| {
        let refused = store.restore(cx, &run).expect_err("no room");
        assert_eq!(refused.code, "disk-full", "{refused:?}");
        let hint = refused.hints.first().expect("a way on");
        assert!(hint.starts_with("free space"), "{hint}");
        assert_eq!(store.contents(cx).expect("read"), changed, "untouched");
    });
    drop(filler);
    bench.within(ROLLBACK, |cx| store.restore(cx, &run).expect("goes back"));
    assert_eq!(contents(), before);
}

#[test]
fn files_stay_until_there_is_room_for_the_way_back() {
    let bench = Bench::new();
    let disk = SmallDisk::mount(&bench.path("disk"), 64);
    let root = disk.0.join("blob");
    fs::create_dir_all(&root).expect("made");
    let large = root.join("large");
    fs::write(&large, vec![7; 4 << 20]).expect("written");
    let store = files::opened(&root);
    goes_back(&bench, store.as_ref(), &disk.0, || {
        fs::write(&large, "migrated").expect("written");
    });
}

#[test]
fn a_redis_server_runs_on_until_there_is_room_for_the_way_back() {
    let server = RedisServer::stopped(redis::APPENDING);
    let disk = SmallDisk::mount(&server.data(), 96);
    server.up();
    redis::filled(&server);
    server.cli(0, &format!("SET big {}", "x".repeat(4 << 20)));
    let store = server.datastore();
    goes_back(&server.bench, store.as_ref(), &disk.0, || {
        server.cli(0, "SET big small");
    });
    assert!(server.runs());
    server.stop();
}

#[test]
fn a_database_stays_until_there_is_room_for_the_way_back() {
    let cluster = Cluster::start_on_disk(300);
    assert!(cluster.has_disk());
    postgres::filled(&cluster, "app");
    let store = cluster.datastore("app");
    goes_back(&cluster.bench, store.as_ref(), cluster.bench.root(), || {
        cluster.sql("app", "CREATE TABLE migrated AS SELECT 1 AS version");
    });
    let old = format!("app_switchback_old_{UPGRADE}");
    assert_eq!(cluster.leftovers(), old, "nothing half is left");
}

#[test]
fn a_shadow_that_has_no_room_is_not_begun() {
    let server = RedisServer::stopped(redis::APPENDING);
    let disk = SmallDisk::mount(server.bench.root(), 96);
    fs::create_dir(server.data()).expect("made");
    server.up();
    server.bench.keep_by_shadow(redis::NAME, &server.location());
    server.cli(0, &format!("SET big {}", "x".repeat(4 << 20)));
    let store = server.datastore();
    let filler = Filler::on(&disk.0);
    server.bench.within(UPGRADE, |cx| {
        let refused = store.prepare(cx).expect_err("no room");
        assert_eq!(refused.code, "disk-full", "{refused:?}");
    });
    assert!(server.beside().is_none() && server.runs());
    drop(filler);
    server.bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
    });
    // Others fill the disk while it follows: it goes, before its original has no room left.
    let filler = Filler::on(&disk.0);
    server.bench.within(UPGRADE, |cx| {
        let refused = store.prove(cx).expect_err("no room for both");
        assert_eq!(refused.code, "disk-full", "{refused:?}");
        assert!(refused.what.starts_with("hardly any space"), "{refused:?}");
    });
    assert!(server.beside().is_none() && server.runs());
    assert!(
        !server
            .bench
            .backup(redis::NAME)
            .join("shadow/data")
            .exists()
    );
    drop(filler);
    server.bench.within(UPGRADE, |cx| {
        store.follow(cx).expect("is begun anew");
        store.prove(cx).expect("proves");
    });
    // Whoever works on the disk ends before it goes.
    let root = server.bench.root().to_owned();
    drop((store, server));
    drop(disk);
    fs::remove_dir_all(root).expect("removed");
}
