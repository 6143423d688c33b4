//! A filled server that is kept by a shadow, and the steps that every test goes through.

use std::path::PathBuf;

use switchback_engine::ports::{Context, Datastore, Failure, Finding};
use switchback_model::Contents;
use switchback_model::event::Outcome;
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
    twice(server, store, BackupState::Prepared, |cx| store.prepare(cx));
    twice(server, store, BackupState::Compared, |cx| store.prove(cx));
}

pub(super) fn sealed(server: &RedisServer, store: &dyn Datastore) {
    twice(server, store, BackupState::Proven, |cx| store.seal(cx));
    assert!(server.beside().is_none(), "nothing of it runs any more");
}

/// Acts twice, and looks each time that the shadow has come so far.
fn twice(
    server: &RedisServer,
    store: &dyn Datastore,
    state: BackupState,
    act: impl Fn(&Context<'_>) -> Result<Outcome, Failure>,
) {
    server.bench.within(UPGRADE, |cx| {
        for _ in 0..2 {
            act(cx).unwrap_or_else(|failure| panic!("{state:?}: {failure:#?}"));
            assert_eq!(store.look(cx, &reached(NAME, state)), Finding::Holds);
        }
    });
}

pub(super) fn contents(server: &RedisServer, store: &dyn Datastore) -> Contents {
    server
        .bench
        .within(UPGRADE, |cx| store.contents(cx).expect("read"))
}

pub(super) fn place(server: &RedisServer) -> PathBuf {
    server.bench.backup(NAME).join("shadow")
}
