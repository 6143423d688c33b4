//! PostgreSQL kept by a shadow: what follows, what is found, and what is said.

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use switchback_engine::ports::{Datastore, Failure, Finding};
use switchback_engine::process::Secret;
use switchback_model::event::Completed;
use switchback_model::observed::Shadowing;
use switchback_model::plan::BackupState;
use switchback_model::{Contents, RunId};

use crate::bench::{ROLLBACK, SmallDisk, UPGRADE, reached, released, restored};
use crate::cluster::{Cluster, PASSWORD, signal, until};

const NAME: &str = "identity";

/// A server with one database that is kept by a shadow.
struct Site {
    cluster: Cluster,
    store: Box<dyn Datastore>,
}

impl Site {
    fn new() -> Self {
        Self::on(Cluster::start())
    }

    fn on(cluster: Cluster) -> Self {
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

    fn within<T>(
        &self,
        run: &str,
        call: impl FnOnce(&dyn Datastore, &switchback_engine::ports::Context<'_>) -> T,
    ) -> T {
        self.cluster
            .bench
            .within(run, |cx| call(self.store.as_ref(), cx))
    }

    fn prepared(&self) {
        self.within(UPGRADE, |store, cx| store.prepare(cx).expect("prepares"));
    }

    fn proven(&self) {
        self.prepared();
        self.within(UPGRADE, |store, cx| store.prove(cx).expect("proves"));
    }

    fn sealed(&self) {
        self.proven();
        self.within(UPGRADE, |store, cx| store.seal(cx).expect("seals"));
    }

    fn look(&self, state: BackupState) -> Finding {
        self.within(UPGRADE, |store, cx| store.look(cx, &reached(NAME, state)))
    }

    fn contents(&self) -> Contents {
        self.within(UPGRADE, |store, cx| store.contents(cx).expect("counts"))
    }

    fn rolled_back(&self) {
        let run = RunId::new(UPGRADE);
        self.within(ROLLBACK, |store, cx| {
            assert_ne!(store.look(cx, &restored(NAME)), Finding::Holds);
            store.restore(cx, &run).expect("restores");
            assert_eq!(store.look(cx, &restored(NAME)), Finding::Holds);
        });
    }

    fn shadow(&self) -> PathBuf {
        self.cluster
            .bench
            .root()
            .join(format!(".switchback-shadow-{UPGRADE}-{NAME}"))
    }

    fn sql(&self, script: &str) -> String {
        self.cluster.sql("app", script)
    }

    /// The companion of that name, killed as by a machine without memory.
    fn kill(&self, name: &str) {
        let pid = self.cluster.companion(UPGRADE, name).expect("it runs");
        signal(pid, "KILL");
        until("it is gone", || {
            self.cluster.companion(UPGRADE, name).is_none()
        });
    }

    fn survey(&self) -> Shadowing {
        self.survey_as("admin", PASSWORD)
    }

    fn survey_as(&self, user: &str, password: &str) -> Shadowing {
        switchback_datastores::survey(
            &NAME.into(),
            &self.cluster.location("app", user),
            self.cluster.reach(),
            Some(Secret::new(password)),
            &self.cluster.bench.commands,
        )
        .expect("surveyed")
        .shadow
    }
}

/// A client that writes until it goes out of scope.
struct Writer(Child);

impl Writer {
    fn on(cluster: &Cluster, script: &str) -> Self {
        Self(cluster.psql("app", script).spawn().expect("it writes"))
    }

    /// Two tables that hold as many rows at every moment, sequences, updates, savepoints, and commits that
    /// do not wait for the disk.
    fn busy(cluster: &Cluster) -> Self {
        let writer = Self::on(
            cluster,
            "SET synchronous_commit = off;
             DO $$ BEGIN FOR i IN 1..10000000 LOOP
               INSERT INTO ones VALUES (i); INSERT INTO others VALUES (i);
               UPDATE users SET name = 'changed ' || i WHERE id = 1 + i % 5000;
               BEGIN PERFORM nextval('counter'); INSERT INTO users (name) VALUES ('x');
                 IF i % 3 = 0 THEN RAISE EXCEPTION 'no'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END;
               COMMIT;
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

fn nobody_writes(site: &Site) {
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

#[test]
fn up_and_back() {
    let site = Site::new();
    assert_eq!(site.survey(), Shadowing::Possible);
    assert_eq!(
        site.within(UPGRADE, |store, cx| store
            .follow(cx)
            .expect("nothing to do")
            .completed),
        Completed::AlreadyDone
    );
    site.prepared();
    assert_eq!(site.look(BackupState::Prepared), Finding::Holds);
    site.sql("INSERT INTO users (name) VALUES ('later')");
    site.within(UPGRADE, |store, cx| {
        let refused = store.seal(cx).expect_err("nothing was compared");
        assert_eq!(refused.code, "backup-unproven");
    });
    site.proven();
    assert_eq!(site.look(BackupState::Compared), Finding::Holds);
    assert!(matches!(
        site.look(BackupState::Sealed),
        Finding::Differs { .. }
    ));
    site.sql("UPDATE users SET name = 'last' WHERE id = 1; SELECT nextval('counter')");
    let before = site.contents();
    let begun = Instant::now();
    site.within(UPGRADE, |store, cx| store.seal(cx).expect("seals"));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(site.look(BackupState::Proven), Finding::Holds);
    assert_eq!(site.cluster.companion(UPGRADE, "follow"), None);
    assert_eq!(
        site.cluster
            .sql("postgres", "SELECT count(*) FROM pg_replication_slots"),
        "0"
    );
    for name in ["standby.signal", "backup_manifest", "backup_label.old"] {
        assert!(!site.shadow().join("data").join(name).exists(), "{name}");
    }
    assert!(!site.shadow().join("passfile").exists());
    for call in ["prepare", "follow", "seal"] {
        let again = site.within(UPGRADE, |store, cx| match call {
            "prepare" => store.prepare(cx),
            "follow" => store.follow(cx),
            _ => store.seal(cx),
        });
        assert_eq!(again.expect(call).completed, Completed::AlreadyDone);
    }

    site.sql("DELETE FROM users WHERE id > 10; DROP TABLE ones; CREATE TABLE more (x int)");
    let kept = site.within(UPGRADE, |store, cx| {
        store
            .sealed_contents(cx, &RunId::new(UPGRADE))
            .expect("read")
    });
    assert_eq!(
        kept.collections["public.users"],
        before.collections["public.users"]
    );
    site.within(UPGRADE, |store, cx| {
        store.prove(cx).expect("proves what is sealed")
    });
    site.rolled_back();
    let after = site.contents();
    assert!(!site.shadow().join("data").exists());
    assert_eq!(kept, after, "to the last sequence");
    for (name, collection) in &before.collections {
        if name != "(sequences)" {
            assert_eq!(Some(collection), after.collections.get(name), "{name}");
        }
    }
    assert_eq!(
        site.sql("SELECT pg_is_in_recovery(), timeline_id FROM pg_control_checkpoint()"),
        "f|1"
    );
    site.sql("INSERT INTO users (name) VALUES ('it is an ordinary server')");
    site.within(ROLLBACK, |store, cx| {
        let run = RunId::new(UPGRADE);
        let again = store.restore(cx, &run).expect("twice");
        assert_eq!(again.completed, Completed::AlreadyDone);
        assert!(matches!(
            store.look(cx, &released(NAME)),
            Finding::Differs { .. }
        ));
        store.release(cx, &run).expect("releases");
        assert_eq!(store.look(cx, &released(NAME)), Finding::Holds);
        store.clean(cx).expect("cleans");
    });
    assert_eq!(
        site.sql("SELECT count(*) FROM users WHERE name = 'it is an ordinary server'"),
        "1"
    );
}
