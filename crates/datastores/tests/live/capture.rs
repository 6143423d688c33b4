//! Backups of one moment, taken while somebody writes all the time.

use std::io::{Read as _, Write as _};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use switchback_engine::ports::{Datastore, Finding};
use switchback_model::RunId;
use switchback_model::event::Completed;
use switchback_model::plan::BackupState;

use crate::bench::{ROLLBACK, UPGRADE, reached, restored};
use crate::cluster::Cluster;
use crate::redis_server::RedisServer;

/// Raised when it goes out of scope, also where a test fails, so that no writer goes on for ever.
struct Until<'a>(&'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A client that writes until it goes out of scope.
struct Writer(Child);

impl Writer {
    fn writes(&mut self) -> bool {
        self.0.try_wait().expect("asked").is_none()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_database_is_dumped_and_counted_at_one_moment() {
    let cluster = Cluster::start();
    cluster.sql("postgres", "CREATE DATABASE app");
    cluster.sql(
        "app",
        "CREATE TABLE ones (n int); CREATE TABLE others (n int);
         INSERT INTO ones SELECT generate_series(1, 20000); INSERT INTO others SELECT generate_series(1, 20000)",
    );
    let store = cluster.datastore("app");
    // Both tables always hold as many rows: a copy of two moments would show it.
    let mut writer = Writer(
        cluster
            .psql(
                "app",
                "DO $$ BEGIN FOR i IN 1..100000 LOOP
                   INSERT INTO ones VALUES (i); INSERT INTO others VALUES (i); COMMIT; PERFORM pg_sleep(0.0005);
                 END LOOP; END $$",
            )
            .spawn()
            .expect("it writes"),
    );
    while cluster.sql("app", "SELECT count(*) > 20010 FROM ones") != "t" {
        assert!(writer.writes(), "the writer ended");
    }
    cluster.bench.within(UPGRADE, |cx| {
        let refused = store.seal(cx).expect_err("somebody writes");
        assert_eq!(refused.code, "writers-connected");
        store.capture(cx).expect("captured");
        store.prove(cx).expect("proven");
        let again = store.capture(cx).expect("captured");
        assert_eq!(again.completed, Completed::AlreadyDone);
    });
    assert!(writer.writes(), "the writer ended too soon");
    drop(writer);
    let kept = cluster.bench.within(UPGRADE, |cx| {
        store
            .sealed_contents(cx, &RunId::new(UPGRADE))
            .expect("sealed")
    });
    let count = |name: &str| kept.collections[name].count;
    assert_eq!(count("public.ones"), count("public.others"));
    assert!(count("public.ones") > 20_010);
    assert_eq!(cluster.leftovers(), "");
}

fn is_captured_while_written(settings: &[&str]) {
    let server = RedisServer::start(settings);
    let mut commands = String::new();
    for number in 0..3_000 {
        commands.push_str(&format!(
            "SET string:{number} {number}\nSADD set {number}\n"
        ));
    }
    server.cli(0, &commands);
    server.cli(3, "HSET hash field value\nSET soon gone EX 10000");
    let store = server.datastore();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let until = Until(&ended);
        let mut connection = server.connect();
        let ended = &ended;
        let writer = scope.spawn(move || {
            let mut answer = [0; 4_096];
            let mut number = 0_u64;
            while !ended.load(Ordering::Relaxed) {
                number += 1;
                let told = format!("SET written:{number} x\r\nRPUSH list {number}\r\n");
                connection.write_all(told.as_bytes()).expect("told");
                let heard = connection.read(&mut answer).expect("answered");
                assert!(heard > 0);
                // As fast as it can, it would need a core to itself.
                thread::sleep(std::time::Duration::from_millis(2));
            }
            number
        });
        let pid = server.cli(0, "INFO server");
        server.bench.within(UPGRADE, |cx| {
            store.capture(cx).expect("captured");
            let proven = store.look(cx, &reached("redis", BackupState::Proven));
            assert_eq!(proven, Finding::Holds);
        });
        let process = |info: &str| {
            info.lines()
                .find(|line| line.starts_with("process_id"))
                .map(str::to_owned)
        };
        assert_eq!(
            process(&server.cli(0, "INFO server")),
            process(&pid),
            "the server was restarted"
        );
        drop(until);
        assert!(writer.join().expect("it wrote") > 10);
    });
    brought_back(&server, store.as_ref());
}

/// What was captured can be brought back where it came from, also where append-only files are loaded.
fn brought_back(server: &RedisServer, store: &dyn Datastore) {
    let run = RunId::new(UPGRADE);
    let kept = server.bench.within(UPGRADE, |cx| {
        store.sealed_contents(cx, &run).expect("sealed")
    });
    assert_eq!(kept.collections["db3/hash"].count, 1);
    server.cli(0, "FLUSHALL");
    server.bench.within(ROLLBACK, |cx| {
        store.restore(cx, &run).expect("restored");
        assert_eq!(store.look(cx, &restored("redis")), Finding::Holds);
        store.release(cx, &run).expect("released");
    });
    assert_eq!(server.cli(0, "GET string:17"), "17");
    assert_eq!(server.cli(3, "TTL soon").len(), 4, "still expires");
}

#[test]
fn a_server_with_append_only_parts_is_captured_while_written() {
    is_captured_while_written(&["--appendonly", "yes", "--appendfilename", "mine.aof"]);
}

#[test]
fn a_server_with_snapshots_is_captured_while_written() {
    is_captured_while_written(&["--appendonly", "no"]);
}

#[test]
fn a_server_that_saves_nothing_is_captured_while_written() {
    is_captured_while_written(&["--appendonly", "no", "--save", ""]);
}
