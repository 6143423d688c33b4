//! What follows, what is compared, what is sealed, and what comes back.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use switchback_engine::ports::Finding;
use switchback_engine::process::Secret;
use switchback_model::RunId;
use switchback_model::observed::Shadowing;
use switchback_model::plan::BackupState;

use super::site::{compared, contents, place, sealed, shadowed};
use crate::bench::{ROLLBACK, UPGRADE, reached, released, restored};
use crate::certificate;
use crate::redis::{APPENDING, NAME, SNAPSHOTS, emptied_and_back};
use crate::redis_server::{PORT, RedisServer};

/// An upgrade that goes wrong, and its way back.
fn comes_back(settings: &[&str]) {
    let (server, store) = shadowed(settings);
    compared(&server, store.as_ref());
    assert!(
        !place(&server).join("replica.conf").exists(),
        "the password is on no disk"
    );
    assert!(!place(&server).join("tls").exists(), "nor is a key");
    server.cli(0, "SET late arrival\nEXPIRE string:1 10000");
    let before = contents(&server, store.as_ref());
    sealed(&server, store.as_ref());
    let run = RunId::new(UPGRADE);
    server.bench.within(UPGRADE, |cx| {
        assert_eq!(store.sealed_contents(cx, &run).expect("read"), before);
        assert_eq!(store.sealed_contents(cx, &run).expect("kept"), before);
    });
    // A migration that dies half way: the shadow is copied, and stays.
    server.cli(0, "FLUSHALL");
    server.bench.within(UPGRADE, |cx| {
        assert!(matches!(
            store.look(cx, &restored(NAME)),
            Finding::Differs { .. }
        ));
        for _ in 0..2 {
            store.restore(cx, &run).expect("restores");
            assert_eq!(store.look(cx, &restored(NAME)), Finding::Holds);
            assert_eq!(store.contents(cx).expect("read"), before);
        }
        store.release(cx, &run).expect("releases");
        assert_eq!(
            store.look(cx, &reached(NAME, BackupState::Proven)),
            Finding::Holds
        );
    });
    // The way back: it is moved.
    server.cli(0, "DEL late\nSET new version");
    server.cli(3, "FLUSHDB");
    server.bench.within(ROLLBACK, |cx| {
        assert!(matches!(
            store.look(cx, &restored(NAME)),
            Finding::Differs { .. }
        ));
        for _ in 0..2 {
            store.restore(cx, &run).expect("goes back");
            assert_eq!(store.look(cx, &restored(NAME)), Finding::Holds);
            assert_eq!(store.contents(cx).expect("read"), before);
        }
        assert!(matches!(
            store.look(cx, &released(NAME)),
            Finding::Differs { .. }
        ));
        for _ in 0..2 {
            store.release(cx, &run).expect("releases");
            assert_eq!(store.look(cx, &released(NAME)), Finding::Holds);
        }
        store.clean(cx).expect("cleans");
    });
    assert_eq!(server.cli(0, "TTL soon").len(), 4, "still expires");
    assert_eq!(contents(&server, store.as_ref()), before);
    let strange = fs::read_dir(server.data())
        .expect("readable")
        .filter(|entry| {
            let name = entry.as_ref().expect("an entry").file_name();
            name.to_string_lossy().starts_with('.')
        });
    assert_eq!(strange.count(), 0);
}

#[test]
fn comes_back_with_append_only_parts() {
    comes_back(APPENDING);
}

#[test]
fn comes_back_with_snapshots_alone() {
    comes_back(SNAPSHOTS);
}

#[test]
fn comes_back_with_names_of_its_own_and_nobody_to_ask_for_the_configuration() {
    let names = [
        "--appendonly",
        "yes",
        "--appendfilename",
        "mine.aof",
        "--appenddirname",
        "parts",
        "--databases",
        "40",
    ];
    comes_back(&names);
    let renamed = [APPENDING, &["--rename-command", "EVAL", ""]];
    comes_back(&renamed.concat());
}

#[test]
fn a_user_with_just_enough_rights_and_one_without() {
    let (server, _) = shadowed(APPENDING);
    server.cli(0, "ACL SETUSER keeper on >keeper-secret ~* &* +@all");
    server.cli(0, "ACL SETUSER reader on >reader-secret ~* &* +@all -psync");
    let as_user = |user: &str| {
        let mut location = server.location();
        location.user = Some(user.to_owned());
        let password = Some(Secret::new(format!("{user}-secret")));
        let survey = switchback_datastores::survey(
            &NAME.into(),
            &location,
            server.reach(),
            password.clone(),
            &server.bench.commands,
        );
        let store = switchback_datastores::open(&NAME.into(), &location, server.reach(), password);
        (survey.expect("answers").shadow, store)
    };
    let (found, store) = as_user("reader");
    assert_eq!(
        found,
        Shadowing::Impossible {
            because: "its user `reader` may not replicate: it lacks `PSYNC`".to_owned()
        }
    );
    server.bench.within(UPGRADE, |cx| {
        let refused = store.prepare(cx).expect_err("no right");
        assert_eq!(refused.code, "shadow-impossible");
        assert!(server.beside().is_none());
    });
    let (found, store) = as_user("keeper");
    assert_eq!(found, Shadowing::Possible);
    compared(&server, store.as_ref());
    sealed(&server, store.as_ref());
}

#[test]
fn comes_back_from_behind_tls_and_leaves_no_key() {
    let made = tempfile::tempdir().expect("temporary directory");
    let [certificate, key] = certificate::made(made.path()).map(|path| path.display().to_string());
    let behind = [
        "--port",
        "0",
        "--tls-port",
        PORT,
        "--tls-auth-clients",
        "optional",
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &certificate,
    ];
    comes_back(&[APPENDING, &behind].concat());
    // One that tells nobody where its files are gets no shadow.
    let silent = ["--rename-command", "CONFIG", ""];
    let server = RedisServer::start(&[APPENDING, &behind, &silent].concat());
    let survey = switchback_datastores::survey(
        &NAME.into(),
        &server.location(),
        server.reach(),
        Some(Secret::new("hunter2-secret")),
        &server.bench.commands,
    );
    let because =
        "the server takes TLS alone and does not tell its `tls-cert-file`, which a follower needs";
    assert_eq!(
        survey.expect("answers").shadow,
        Shadowing::Impossible {
            because: because.to_owned()
        }
    );
}

#[test]
fn what_cannot_be_followed_says_why() {
    let found = |settings: &[&str]| {
        let server = RedisServer::start(settings);
        let survey = switchback_datastores::survey(
            &NAME.into(),
            &server.location(),
            server.reach(),
            Some(Secret::new("hunter2-secret")),
            &server.bench.commands,
        );
        match survey.expect("answers").shadow {
            Shadowing::Impossible { because } => because,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        found(&["--cluster-enabled", "yes"]),
        "the server runs in cluster mode"
    );
    assert_eq!(
        found(&["--rename-command", "PSYNC", "hidden"]),
        "the server has no command `PSYNC`: it was renamed"
    );
    assert!(found(&["--replicaof", "127.0.0.1", "1"]).starts_with("the server is a replica"));
    let server = RedisServer::start(APPENDING);
    let mut sentinel = server.connect();
    std::io::Write::write_all(&mut sentinel, b"CLIENT SETNAME sentinel-12345678-cmd\r\n")
        .expect("told");
    while !server.cli(0, "CLIENT LIST").contains("name=sentinel-") {
        thread::sleep(Duration::from_millis(10));
    }
    let password = Some(Secret::new("hunter2-secret"));
    let survey = switchback_datastores::survey(
        &NAME.into(),
        &server.location(),
        server.reach(),
        password,
        &server.bench.commands,
    );
    assert!(survey.expect("answers").obstacles[0].starts_with("Sentinel watches the server"));
}

/// Writes as fast as one client can, until it is dropped.
struct Writer {
    ended: std::sync::Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    fn begin(server: &RedisServer) -> Self {
        use std::io::{Read as _, Write as _};
        let ended = std::sync::Arc::new(AtomicBool::new(false));
        let mut stream = server.connect();
        let told = std::sync::Arc::clone(&ended);
        let thread = thread::spawn(move || {
            let mut number = 0_u64;
            let mut answer = [0; 4096];
            while !told.load(Ordering::Relaxed) {
                let text = format!(
                    "INCR counter\r\nSET hot:{} {number}\r\nDEL hot:{}\r\nRPUSH log {number}\r\nLTRIM log -300 -1\r\nSET brief:{number} x PX 5\r\n",
                    number % 100,
                    (number + 50) % 100
                );
                stream.write_all(text.as_bytes()).expect("told");
                let _ = stream.read(&mut answer).expect("answered");
                number += 1;
            }
        });
        Self {
            ended,
            thread: Some(thread),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn a_shadow_is_compared_while_everything_moves_and_sealed_when_nothing_does() {
    let (server, store) = shadowed(APPENDING);
    let writer = Writer::begin(&server);
    compared(&server, store.as_ref());
    server.bench.within(UPGRADE, |cx| {
        assert_eq!(
            store.seal(cx).expect_err("a writer").code,
            "writers-connected"
        );
    });
    drop(writer);
    let before = contents(&server, store.as_ref());
    sealed(&server, store.as_ref());
    emptied_and_back(&server, store.as_ref());
    assert_eq!(contents(&server, store.as_ref()), before);
}

#[test]
fn groups_functions_and_every_database_come_back() {
    let (server, store) = shadowed(APPENDING);
    server.cli(0, "FUNCTION LOAD \"#!lua name=mine\\nredis.register_function('one', function() return 1 end)\"");
    server.cli(7, "XADD stream 1-1 a b\nXGROUP CREATE stream workers 0\nXREADGROUP GROUP workers one COUNT 1 STREAMS stream >");
    compared(&server, store.as_ref());
    let before = contents(&server, store.as_ref());
    sealed(&server, store.as_ref());
    server.cli(0, "FLUSHALL\nFUNCTION FLUSH");
    server.bench.within(ROLLBACK, |cx| {
        store.restore(cx, &RunId::new(UPGRADE)).expect("goes back")
    });
    assert_eq!(server.cli(0, "FCALL one 0"), "1");
    assert_eq!(contents(&server, store.as_ref()), before);
    assert!(server.cli(7, "XPENDING stream workers").starts_with('1'));
}

/// What dies by itself while it is sealed is gone when it comes back, and its loss is no damage.
#[test]
fn keys_that_expire_while_sealed_are_missed_by_nobody() {
    let (server, store) = shadowed(APPENDING);
    server.cli(0, "SET brief x PX 4000\nSET long x EX 10000");
    compared(&server, store.as_ref());
    let before = contents(&server, store.as_ref());
    sealed(&server, store.as_ref());
    let run = RunId::new(UPGRADE);
    server.bench.within(UPGRADE, |cx| {
        assert_eq!(store.sealed_contents(cx, &run).expect("read"), before);
    });
    thread::sleep(Duration::from_secs(4));
    server.bench.within(UPGRADE, |cx| {
        let proven = store.prove(cx).expect("it is as it was sealed");
        assert!(proven.summary.contains("equal"), "{}", proven.summary);
    });
    server.cli(0, "FLUSHALL");
    server
        .bench
        .within(ROLLBACK, |cx| store.restore(cx, &run).expect("goes back"));
    assert_eq!(server.cli(0, "EXISTS brief\nGET long"), "0\nx");
    assert_eq!(contents(&server, store.as_ref()), before);
}

#[test]
fn a_shadow_becomes_a_server_of_its_own_for_a_rehearsal() {
    for settings in [APPENDING, SNAPSHOTS] {
        let (server, store) = shadowed(settings);
        server
            .bench
            .within(UPGRADE, |cx| store.prepare(cx).expect("prepares"));
        let before = contents(&server, store.as_ref());
        let copy = RedisServer::stopped(settings);
        server.bench.within(UPGRADE, |cx| {
            store
                .promote(cx, &copy.data())
                .expect("promoted")
                .expect("a shadow was there");
        });
        assert!(server.beside().is_none() && !place(&server).exists());
        server.cli(0, "FLUSHALL");
        copy.up();
        let found = contents(&copy, copy.datastore().as_ref());
        assert_eq!(found, before);
    }
}

#[test]
fn a_shadow_counts_from_when_it_follows() {
    let (server, store) = shadowed(&[SNAPSHOTS, &["--repl-diskless-sync-delay", "5"]].concat());
    // Whatever it waits for first, the replica is started and has not everything yet.
    server.bench.dying(UPGRADE, "", |cx| store.prepare(cx));
    assert!(server.bench.backup(NAME).join("manifest.json").exists());
    let look = || {
        server.bench.within(UPGRADE, |cx| {
            store.look(cx, &reached(NAME, BackupState::Prepared))
        })
    };
    assert!(matches!(look(), Finding::Differs { .. }), "{:?}", look());
    server.cli(0, "SET after death");
    compared(&server, store.as_ref());
    sealed(&server, store.as_ref());
    emptied_and_back(&server, store.as_ref());
    assert_eq!(server.cli(0, "GET after"), "death");
}

#[test]
fn a_dead_run_leaves_no_password_and_no_second_copy() {
    let (server, store) = shadowed(APPENDING);
    compared(&server, store.as_ref());
    fs::write(place(&server).join("replica.conf"), "masterauth x").expect("written");
    fs::create_dir(place(&server).join("scratch")).expect("made");
    server
        .bench
        .within(UPGRADE, |cx| store.clean(cx).expect("cleans"));
    assert!(
        !place(&server).join("replica.conf").exists() && !place(&server).join("scratch").exists()
    );
    sealed(&server, store.as_ref());
    let text =
        fs::read_to_string(server.bench.backup(NAME).join("manifest.json")).expect("a manifest");
    assert!(!text.contains("hunter2"), "{text}");
}
