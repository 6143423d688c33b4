//! A server with one database that is kept by a shadow, and somebody who writes to it.

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::Child;

use switchback_datastores::Survey;
use switchback_engine::ports::{Context, Datastore, Failure, Finding, Progress};
use switchback_engine::process::Secret;
use switchback_model::event::Outcome;
use switchback_model::observed::Shadowing;
use switchback_model::plan::BackupState;
use switchback_model::{Contents, RunId};

use crate::bench::{ROLLBACK, UPGRADE, reached, restored};
use crate::cluster::{Cluster, PASSWORD, signal, until};

pub(crate) const NAME: &str = "identity";

/// A server with one database that is kept by a shadow.
pub(crate) struct Site {
    pub(crate) cluster: Cluster,
    pub(crate) store: Box<dyn Datastore>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::on(Cluster::start())
    }

    pub(crate) fn on(cluster: Cluster) -> Self {
        cluster.sql("postgres", "CREATE DATABASE app");
        cluster.sql(
            "app",
            "CREATE TABLE users (id bigserial PRIMARY KEY, name text, photo bytea);
             INSERT INTO users (name, photo) SELECT 'user ' || i, decode(md5(i::text), 'hex') FROM generate_series(1, 5000) i;
             CREATE TABLE ones (n int); CREATE TABLE others (n int);
             CREATE SEQUENCE counter INCREMENT 3 CACHE 5; SELECT nextval('counter');
             CREATE UNLOGGED TABLE cache (k text);
             SELECT lo_from_bytea(0, '\\xdeadbeef')",
        );
        let location = cluster.location("app", "admin");
        cluster.bench.keep_by_shadow(NAME, &location);
        let store = cluster.datastore("app");
        Self { cluster, store }
    }

    pub(crate) fn within<T>(
        &self,
        run: &str,
        call: impl FnOnce(&dyn Datastore, &Context<'_>) -> T,
    ) -> T {
        self.cluster
            .bench
            .within(run, |cx| call(self.store.as_ref(), cx))
    }

    pub(crate) fn prepared(&self) {
        self.within(UPGRADE, |store, cx| store.prepare(cx).expect("prepares"));
    }

    pub(crate) fn proven(&self) {
        self.prepared();
        self.within(UPGRADE, |store, cx| store.prove(cx).expect("proves"));
    }

    pub(crate) fn sealed(&self) {
        self.proven();
        self.within(UPGRADE, |store, cx| store.seal(cx).expect("seals"));
    }

    pub(crate) fn look(&self, state: BackupState) -> Finding {
        self.within(UPGRADE, |store, cx| store.look(cx, &reached(NAME, state)))
    }

    pub(crate) fn contents(&self) -> Contents {
        self.within(UPGRADE, |store, cx| store.contents(cx).expect("counts"))
    }

    pub(crate) fn rolled_back(&self) {
        let run = RunId::new(UPGRADE);
        self.within(ROLLBACK, |store, cx| {
            assert_ne!(store.look(cx, &restored(NAME)), Finding::Holds);
            store.restore(cx, &run).expect("restores");
            assert_eq!(store.look(cx, &restored(NAME)), Finding::Holds);
        });
    }

    pub(crate) fn shadow(&self) -> PathBuf {
        self.cluster
            .bench
            .root()
            .join(format!(".switchback-shadow-{UPGRADE}-{NAME}"))
    }

    pub(crate) fn sql(&self, script: &str) -> String {
        self.cluster.sql("app", script)
    }

    /// The companion of that name, killed as by a machine without memory.
    pub(crate) fn kill(&self, name: &str) {
        let pid = self.cluster.companion(UPGRADE, name).expect("it runs");
        signal(pid, "KILL");
        until("it is gone", || {
            self.cluster.companion(UPGRADE, name).is_none()
        });
    }

    pub(crate) fn survey(&self) -> Shadowing {
        self.survey_as("admin", PASSWORD)
    }

    pub(crate) fn survey_as(&self, user: &str, password: &str) -> Shadowing {
        self.whole_survey_as(user, password).shadow
    }

    pub(crate) fn whole_survey_as(&self, user: &str, password: &str) -> Survey {
        switchback_datastores::survey(
            &NAME.into(),
            &self.cluster.location("app", user),
            self.cluster.reach(),
            Some(Secret::new(password)),
            &self.cluster.bench.commands,
        )
        .expect("surveyed")
    }
}

/// A client that writes until it goes out of scope.
pub(crate) struct Writer(Child);

impl Writer {
    pub(crate) fn on(cluster: &Cluster, script: &str) -> Self {
        Self(cluster.psql("app", script).spawn().expect("it writes"))
    }

    /// Two tables that hold as many rows at every moment, sequences, updates, savepoints, and commits that
    /// do not wait for the disk.
    pub(crate) fn busy(cluster: &Cluster) -> Self {
        cluster.sql(
            "postgres",
            "ALTER DATABASE app SET synchronous_commit = off",
        );
        let writer = Self::on(
            cluster,
            "DO $$ BEGIN FOR i IN 1..10000000 LOOP
               INSERT INTO ones VALUES (i); INSERT INTO others VALUES (i);
               UPDATE users SET name = 'changed ' || i WHERE id = 1 + i % 5000;
               BEGIN PERFORM nextval('counter'); INSERT INTO users (name) VALUES ('x');
                 IF i % 3 = 0 THEN RAISE EXCEPTION 'no'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END;
               COMMIT; PERFORM pg_sleep(0.0005);
             END LOOP; END $$",
        );
        let begun: u64 = cluster
            .sql("app", "SELECT count(*) FROM ones")
            .parse()
            .expect("a number");
        until("it writes", || {
            let now = cluster.sql("app", "SELECT count(*) FROM ones");
            now.parse::<u64>().expect("a number") > begun + 50
        });
        writer
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn nobody_writes(site: &Site) {
    site.cluster.sql(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'app'",
    );
    until("nobody is connected", || {
        site.cluster.sql(
            "postgres",
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app'",
        ) == "0"
    });
}

/// Does something at the first time that it is told of something else.
pub(crate) struct Then<'a> {
    at: &'static str,
    act: RefCell<Option<Box<dyn FnMut() + 'a>>>,
    again: bool,
}

impl<'a> Then<'a> {
    pub(crate) fn once(at: &'static str, act: impl FnMut() + 'a) -> Self {
        Self {
            at,
            act: RefCell::new(Some(Box::new(act))),
            again: false,
        }
    }

    pub(crate) fn always(at: &'static str, act: impl FnMut() + 'a) -> Self {
        Self {
            again: true,
            ..Self::once(at, act)
        }
    }
}

impl Progress for Then<'_> {
    fn report(&self, doing: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {
        if doing != self.at {
            return;
        }
        // What it does may take its time, and is told of as well.
        let taken = self.act.borrow_mut().take();
        if let Some(mut act) = taken {
            act();
            if self.again {
                *self.act.borrow_mut() = Some(act);
            }
        }
    }
}

/// Dies where it says `at`.
pub(crate) fn dying(
    site: &Site,
    run: &str,
    at: &'static str,
    call: impl FnOnce(&dyn Datastore, &Context<'_>) -> Result<Outcome, Failure>,
) {
    let bench = &site.cluster.bench;
    bench.dying(run, at, |cx| call(site.store.as_ref(), cx));
}
