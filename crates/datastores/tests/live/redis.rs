//! Redis.

use std::fs;

use switchback_engine::ports::{Datastore, Finding};
use switchback_engine::process::Secret;
use switchback_model::RunId;
use switchback_model::plan::BackupState;
use switchback_testkit::contract;

use crate::bench::{ROLLBACK, UPGRADE, reached};
use crate::redis_server::RedisServer;

mod faults;

pub(crate) const NAME: &str = "redis";
pub(crate) const APPENDING: &[&str] = &["--appendonly", "yes"];
pub(crate) const SNAPSHOTS: &[&str] = &["--appendonly", "no"];
const NOTHING: &[&str] = &["--appendonly", "no", "--save", ""];

/// Every type, odd keys, several databases, large and small encodings.
pub(crate) fn filled(server: &RedisServer) {
    let mut commands = String::new();
    for number in 0..3000 {
        commands.push_str(&format!("SET string:{number} value-{number}\n"));
        commands.push_str(&format!(
            "HSET hash:{} field-{number} {number}\n",
            number % 5
        ));
        commands.push_str(&format!(
            "SADD set member-{number}\nZADD zset {number}.5 member-{number}\n"
        ));
    }
    commands.push_str(concat!(
        "SADD numbers 3 1 2\nRPUSH list c a b a\nXADD stream 1-1 field value\nXGROUP CREATE waiting workers $ MKSTREAM\n",
        "SET \"\\x00\\xff\\r\\n\\\"odd, key\" \"\\x00\\x01\\n(nil)\\xfe\"\nSET \"\" empty\nSET empty \"\"\n",
        "SET soon gone EX 10000\nSET later gone EX 20000\n",
    ));
    server.cli(0, &commands);
    server.cli(3, "SET other database\nHSET ttn:v3:as:schema version 1");
}

/// Everything is deleted, and the way back brings it.
pub(crate) fn emptied_and_back(server: &RedisServer, store: &dyn Datastore) {
    server.cli(0, "FLUSHALL");
    server.bench.within(ROLLBACK, |cx| {
        store.restore(cx, &RunId::new(UPGRADE)).expect("goes back")
    });
}

fn kept(server: &RedisServer, store: &dyn Datastore) {
    server.bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        store.seal(cx).expect("seals");
        store.prove(cx).expect("proves");
    });
}

fn keeps_the_contract(settings: &[&str]) {
    let server = RedisServer::start(settings);
    filled(&server);
    let store = server.datastore();
    server.bench.within(UPGRADE, |cx| {
        contract::datastore(
            store.as_ref(),
            cx,
            contract::DatastoreTrial {
                name: NAME.into(),
                change: &mut || {
                    server.cli(0, "DEL string:17\nHSET hash:1 field-1 other\nSET new one");
                    server.cli(3, "FLUSHDB");
                },
            },
        );
    });
    assert_eq!(server.cli(3, "GET other"), "database");
    assert_eq!(server.cli(0, "TTL soon").len(), 4, "still expires");
    let left: Vec<String> = fs::read_dir(server.data())
        .expect("readable")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn keeps_the_contract_with_append_only_parts() {
    keeps_the_contract(APPENDING);
}

#[test]
fn keeps_the_contract_with_snapshots_alone() {
    keeps_the_contract(SNAPSHOTS);
}

#[test]
fn keeps_the_contract_where_nothing_would_ever_be_saved() {
    keeps_the_contract(NOTHING);
}

#[test]
fn keeps_the_contract_with_names_of_its_own_and_renamed_commands() {
    let names = [
        "--appendonly",
        "yes",
        "--appendfilename",
        "mine.aof",
        "--appenddirname",
        "parts",
        "--dbfilename",
        "mine.rdb",
    ];
    keeps_the_contract(&names);
    // Nobody may ask for the configuration: the defaults, and what `INFO` tells, must do.
    let renamed = [
        APPENDING,
        &[
            "--rename-command",
            "CONFIG",
            "",
            "--rename-command",
            "DEBUG",
            "",
            "--rename-command",
            "EVAL",
            "",
        ],
    ];
    keeps_the_contract(&renamed.concat());
}

#[test]
fn one_changed_byte_is_seen_in_every_type() {
    let server = RedisServer::start(SNAPSHOTS);
    filled(&server);
    let store = server.datastore();
    let contents = || {
        server
            .bench
            .within(UPGRADE, |cx| store.contents(cx).expect("read"))
    };
    let begun = contents();
    assert_eq!(begun.collections["db0/string"].count, 3003);
    assert_eq!(begun.collections["db0/hash"].count, 5);
    assert_eq!(begun.collections["db3/string"].count, 1);
    for (change, seen) in [
        ("SETRANGE string:5 3 X", "db0/string"),
        ("HSET hash:2 field-2 x", "db0/hash"),
        ("SREM set member-77", "db0/set"),
        ("ZINCRBY zset 0.25 member-9", "db0/zset"),
        ("LSET list 1 z", "db0/list"),
        ("XADD stream 2-1 field other", "db0/stream"),
        ("XGROUP CREATE stream workers 0", "db0/stream"),
        (
            "XREADGROUP GROUP workers one COUNT 1 STREAMS stream >",
            "db0/stream",
        ),
        ("XACK stream workers 1-1", "db0/stream"),
        ("XGROUP CREATE idle workers $ MKSTREAM", "db0/stream"),
    ] {
        let before = contents();
        server.cli(0, change);
        let changed: Vec<String> = before
            .differences(&contents())
            .into_iter()
            .map(|found| found.collection)
            .collect();
        assert_eq!(changed, [seen], "{change}");
    }
    let before = contents();
    server.cli(0, "SET third gone EX 10000\nDEL soon");
    assert_eq!(contents(), before, "what expires by itself proves nothing");
}

/// Where scripts are allowed the server makes the digests, elsewhere we do.
#[test]
fn the_server_and_we_make_the_same_digests() {
    let contents = |settings: &[&str]| {
        let server = RedisServer::start(&[SNAPSHOTS, settings].concat());
        filled(&server);
        let mut more =
            "ZADD scores 0.1 a 1e300 b -inf c 3 d\nXADD stream 2-1 f \"\\x00,\\\"\" g \"\"\n"
                .to_owned();
        more.push_str("XGROUP CREATE stream workers 0\nXREADGROUP GROUP workers one COUNT 1 STREAMS stream >\n");
        // More than one script does: what it leaves is asked for again.
        for number in 0..700 {
            more.push_str(&format!(
                "RPUSH many:{number} {}\n",
                "element ".repeat(number % 90 + 1)
            ));
        }
        server.cli(5, &more);
        let store = server.datastore();
        let contents = server
            .bench
            .within(UPGRADE, |cx| store.contents(cx).expect("read"));
        assert_eq!(contents.collections["db5/list"].count, 700);
        contents
    };
    assert_eq!(contents(&[]), contents(&["--rename-command", "EVAL", ""]));
}

/// The single file of Redis 6, which a newer server takes over when nothing of its own is there.
#[test]
fn a_stale_single_file_beside_the_parts_changes_nothing() {
    let server = RedisServer::start(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]);
    filled(&server);
    server.stop();
    let parts = server.data().join("appendonlydir");
    let base = fs::read_dir(&parts)
        .expect("parts")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .expect("increments");
    fs::copy(base, server.data().join("appendonly.aof")).expect("copied");
    fs::remove_dir_all(&parts).expect("removed");
    server.up();
    assert_eq!(
        server.cli(3, "GET other"),
        "database",
        "the single file was loaded"
    );
    // Now both are there, as after an upgrade from 6, and the single one is a stale leftover.
    fs::write(
        server.data().join("appendonly.aof"),
        "*1\r\n$8\r\nFLUSHALL\r\n",
    )
    .expect("written");
    let store = server.datastore();
    server.bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        let outcome = store.seal(cx).expect("seals");
        assert!(
            outcome.summary.contains("stale `appendonly.aof`"),
            "{}",
            outcome.summary
        );
        store.prove(cx).expect("proves");
    });
    emptied_and_back(&server, store.as_ref());
    assert_eq!(server.cli(3, "GET other"), "database");
}

#[test]
fn appendonly_switched_at_run_time_loses_nothing() {
    // On now, off at the start: the snapshot is what is loaded again.
    let server = RedisServer::start(NOTHING);
    server.cli(0, "SET kept yes\nCONFIG SET appendonly yes");
    while !server
        .cli(0, "INFO persistence")
        .contains("aof_rewrite_in_progress:0")
    {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    kept(&server, server.datastore().as_ref());
    assert_eq!(server.cli(0, "GET kept"), "yes");
    // Off now, on at the start: the old append-only files would be loaded.
    let server = RedisServer::start(APPENDING);
    server.cli(0, "CONFIG SET appendonly no\nSET kept yes");
    server.bench.within(UPGRADE, |cx| {
        for refused in [server.datastore().prepare(cx), server.datastore().seal(cx)] {
            assert_eq!(refused.expect_err("would be lost").code, "redis-appendonly");
        }
    });
    assert_eq!(server.cli(0, "GET kept"), "yes");
    // Off now, and its files are gone: seen when it came back, and never sealed over.
    fs::remove_dir_all(server.data().join("appendonlydir")).expect("removed");
    server.bench.within(UPGRADE, |cx| {
        for _ in 0..2 {
            let refused = server.datastore().seal(cx).expect_err("lost");
            assert_eq!(refused.code, "redis-restart-differs");
        }
    });
    assert!(
        server
            .bench
            .backup(NAME)
            .join("before-restart/dump.rdb")
            .exists()
    );
}

#[test]
fn a_snapshot_that_is_being_saved_is_waited_for() {
    let server = RedisServer::start(NOTHING);
    filled(&server);
    // A tenth of a millisecond or more for each of some thousand keys.
    server.cli(0, "CONFIG SET rdb-key-save-delay 300\nBGSAVE");
    assert!(
        server
            .cli(0, "INFO persistence")
            .contains("rdb_bgsave_in_progress:1")
    );
    kept(&server, server.datastore().as_ref());
    let heard = server.bench.progress.0.borrow();
    assert!(heard.iter().any(|doing| doing.contains("already saving")));
}

#[test]
fn a_client_that_could_write_is_named() {
    let server = RedisServer::start(APPENDING);
    let store = server.datastore();
    let _strays = [server.connect(), server.connect()];
    server.bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        let refused = store.seal(cx).expect_err("a writer is connected");
        assert_eq!(refused.code, "writers-connected");
        assert!(
            refused.causes[0].starts_with("`stray-writer` from 127.0.0.1:"),
            "{refused:?}"
        );
    });
    assert!(server.runs());
}

#[test]
fn a_wrong_password_a_dead_server_and_a_cluster_are_told_apart() {
    let server = RedisServer::start(&["--cluster-enabled", "yes"]);
    let survey = |password: &str| {
        let password = Some(Secret::new(password));
        switchback_datastores::survey(
            &NAME.into(),
            &server.location(),
            server.reach(),
            password,
            &server.bench.commands,
        )
    };
    let denied = survey("wrong-password").expect_err("refused");
    assert_eq!(denied.code, "datastore-password-wrong");
    assert!(
        denied.hints[0].contains("[datastores.redis] password"),
        "{denied:?}"
    );
    assert_eq!(
        survey("hunter2-secret").expect("answers").obstacles[0],
        "the server runs in cluster mode"
    );
    server.bench.within(UPGRADE, |cx| {
        let refused = server.datastore().prepare(cx).expect_err("a cluster");
        assert_eq!(refused.code, "datastore-unsupported");
    });
    server.stop();
    assert_eq!(
        survey("hunter2-secret").expect_err("dead").code,
        "datastore-silent"
    );
}

#[test]
fn files_that_this_host_cannot_see_are_said_before_anything_stops() {
    let server = RedisServer::start(APPENDING);
    let mut location = server.location();
    location.directory = None;
    let store = switchback_datastores::open(
        &NAME.into(),
        &location,
        server.reach(),
        Some(Secret::new("hunter2-secret")),
    );
    server.bench.within(UPGRADE, |cx| {
        assert_eq!(
            store.prepare(cx).expect_err("no files").code,
            "redis-files-unreachable"
        );
        assert!(matches!(
            store.look(cx, &reached(NAME, BackupState::Prepared)),
            Finding::Differs { .. }
        ));
    });
}
