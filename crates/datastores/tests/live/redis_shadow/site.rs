//! A filled server that is kept by a shadow, and the steps that every test goes through.

use std::path::PathBuf;

use switchback_engine::ports::{Datastore, Finding};
use switchback_model::Contents;
use switchback_model::plan::BackupState;

use crate::bench::{UPGRADE, reached};
use crate::redis::{NAME, filled};
use crate::redis_server::RedisServer;

pub(super) fn shadowed(settings: &[&str]) -> (RedisServer, Box<dyn Datastore>) {
    let server = RedisServer::start(settings);
    server.bench.keep_by_shadow(NAME, &server.location());
    filled(&server);
    let store = server.datastore();
    (server, store)
}

/// From nothing to a shadow that was compared.
pub(super) fn compared(server: &RedisServer, store: &dyn Datastore) {
    server.bench.within(UPGRADE, |cx| {
        for _ in 0..2 {
            store.prepare(cx).expect("prepares");
            assert_eq!(
                store.look(cx, &reached(NAME, BackupState::Prepared)),
                Finding::Holds
            );
        }
        for _ in 0..2 {
            store.prove(cx).expect("proves");
            assert_eq!(
                store.look(cx, &reached(NAME, BackupState::Compared)),
                Finding::Holds
            );
        }
    });
}

pub(super) fn sealed(server: &RedisServer, store: &dyn Datastore) {
    server.bench.within(UPGRADE, |cx| {
        for _ in 0..2 {
            store.seal(cx).expect("seals");
            assert_eq!(
                store.look(cx, &reached(NAME, BackupState::Proven)),
                Finding::Holds
            );
        }
    });
    assert!(server.beside().is_none(), "nothing of it runs any more");
}

pub(super) fn contents(server: &RedisServer, store: &dyn Datastore) -> Contents {
    server
        .bench
        .within(UPGRADE, |cx| store.contents(cx).expect("read"))
}

pub(super) fn place(server: &RedisServer) -> PathBuf {
    server.bench.backup(NAME).join("shadow")
}
