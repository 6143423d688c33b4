//! PostgreSQL kept by a shadow: what follows, what is found, and what is said.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::Instant;

use switchback_engine::ports::{Context, Datastore, Failure, Finding, Progress};
use switchback_engine::process::Secret;
use switchback_model::event::{Completed, Outcome};
use switchback_model::observed::Shadowing;
use switchback_model::plan::{BackupState, Expectation};
use switchback_model::{Contents, RunId};

use crate::bench::{ROLLBACK, UPGRADE, reached, released, restored};
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

    fn within<T>(&self, run: &str, call: impl FnOnce(&dyn Datastore, &Context<'_>) -> T) -> T {
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
    site.within(UPGRADE, |store, cx| store.seal(cx).expect("seals"));
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

fn dying(
    site: &Site,
    run: &str,
    at: &'static str,
    call: impl FnOnce(&dyn Datastore, &Context<'_>) -> Result<Outcome, Failure>,
) {
    let bench = &site.cluster.bench;
    bench.dying(run, at, |cx| call(site.store.as_ref(), cx));
}

#[test]
fn the_first_copy_is_no_faster_than_it_may_be() {
    const RATE: f64 = 16e6;
    let site = Site::new();
    let bytes: f64 = site
        .sql("SELECT sum(pg_database_size(oid)) FROM pg_database")
        .trim()
        .parse()
        .expect("a number");
    site.cluster.bench.slow_down(NAME, "16MB");
    let since = Instant::now();
    site.prepared();
    let took = since.elapsed().as_secs_f64();
    // The server counts after it has sent: what is under way at the end may come too early.
    assert!(took >= 0.8 * bytes / RATE, "{bytes} bytes in {took} s");
    site.within(UPGRADE, |store, cx| store.prove(cx).expect("proves"));
}

#[test]
fn killed_anywhere_it_goes_on() {
    let site = Site::new();
    let expected = |count: &str| assert_eq!(site.sql("SELECT count(*) FROM users"), count);
    dying(&site, UPGRADE, "copying the data", |store, cx| {
        store.prepare(cx)
    });
    assert!(matches!(
        site.look(BackupState::Prepared),
        Finding::Differs { .. }
    ));
    // Whoever made the copy goes on without us.
    dying(
        &site,
        UPGRADE,
        "waiting for the shadow's server",
        |store, cx| store.prepare(cx),
    );
    site.within(UPGRADE, |store, cx| {
        store.clean(cx).expect("cleans");
        store.follow(cx).expect("follows");
    });
    assert_eq!(site.look(BackupState::Prepared), Finding::Holds);
    dying(&site, UPGRADE, "finding a moment", |store, cx| {
        store.prove(cx)
    });
    dying(&site, UPGRADE, "comparing", |store, cx| store.prove(cx));
    site.proven();
    site.sql("INSERT INTO users (name) VALUES ('last')");
    for place in [
        "waiting for the last records",
        "ending the shadow",
        "sealed",
    ] {
        dying(&site, UPGRADE, place, |store, cx| store.seal(cx));
        site.within(UPGRADE, |store, cx| {
            store.clean(cx).expect("cleans");
            store.follow(cx).expect("follows");
        });
    }
    assert_eq!(site.look(BackupState::Proven), Finding::Holds);
    dying(&site, UPGRADE, "reading the shadow", |store, cx| {
        store
            .sealed_contents(cx, &RunId::new(UPGRADE))
            .map(|_| Outcome::default())
    });
    site.sql("DELETE FROM users");
    let run = RunId::new(UPGRADE);
    for place in ["stopping the server", "waiting for the server to answer"] {
        dying(&site, ROLLBACK, place, |store, cx| store.restore(cx, &run));
        let reached = site.within(ROLLBACK, |store, cx| {
            let expectation = Expectation::Backup {
                datastore: NAME.into(),
                state: BackupState::Proven,
                run: Some(run.clone()),
            };
            assert_ne!(store.look(cx, &restored(NAME)), Finding::Holds, "{place}");
            store.look(cx, &expectation)
        });
        assert_eq!(reached, Finding::Holds, "{place}: the guard lets it go on");
    }
    site.rolled_back();
    expected("5001");
}

#[test]
fn a_busy_server_is_copied_compared_and_brought_back_to_one_moment() {
    let site = Site::on(Cluster::start_with("--data-checksums", ""));
    let writer = Writer::busy(&site.cluster);
    site.prepared();
    for _ in 0..3 {
        site.within(UPGRADE, |store, cx| {
            store.prove(cx).expect("proves while somebody writes")
        });
    }
    site.within(UPGRADE, |store, cx| {
        let refused = store.seal(cx).expect_err("somebody writes");
        assert_eq!(refused.code, "writers-connected");
        assert!(refused.causes[0].starts_with("`admin`"), "{refused:?}");
    });
    drop(writer);
    nobody_writes(&site);
    site.within(UPGRADE, |store, cx| store.seal(cx).expect("seals"));
    let before = site.contents();
    site.sql("TRUNCATE ones");
    let kept = site.within(UPGRADE, |store, cx| {
        store
            .sealed_contents(cx, &RunId::new(UPGRADE))
            .expect("read where it lies")
    });
    let count = |contents: &Contents, name: &str| contents.collections[name].count;
    assert_eq!(count(&kept, "public.ones"), count(&kept, "public.others"));
    site.rolled_back();
    let after = site.contents();
    for name in [
        "public.ones",
        "public.others",
        "public.users",
        "(large objects)",
        "(schema)",
    ] {
        assert_eq!(before.collections[name], after.collections[name], "{name}");
    }
    assert_eq!(kept, after);
}

/// Changes one byte of a row of the shadow, in a table or an index, under its server.
fn flip(site: &Site, relation: &str, row: &str) {
    let file = site
        .shadow()
        .join("data")
        .join(site.sql(&format!("SELECT pg_relation_filepath('{relation}')")));
    let mut bytes = fs::read(&file).expect("readable");
    let at = bytes
        .windows(row.len())
        .position(|window| window == row.as_bytes())
        .expect("the row is there");
    bytes[at] ^= 1;
    fs::write(&file, bytes).expect("written");
}

fn one_flipped_byte_is_found(initdb: &str, relation: &str, code: &str) {
    let site = Site::on(Cluster::start_with(initdb, ""));
    site.sql("CREATE INDEX by_name ON users (name); CREATE EXTENSION amcheck");
    site.sql("CHECKPOINT");
    site.prepared();
    flip(&site, relation, "user 4777");
    let refuted = site.within(UPGRADE, |store, cx| store.prove(cx).expect_err("damaged"));
    assert_eq!(refuted.code, code, "{refuted:?}");
    assert!(refuted.hints[0].contains("begun anew"), "{refuted:?}");
    assert!(matches!(
        site.look(BackupState::Prepared),
        Finding::Differs { .. }
    ));
    site.within(UPGRADE, |store, cx| {
        let refused = store.seal(cx).expect_err("not compared");
        assert_eq!(refused.code, "backup-unproven");
        store.follow(cx).expect("begins anew");
        store.prove(cx).expect("proves");
    });
    assert_eq!(site.look(BackupState::Compared), Finding::Holds);
}

#[test]
fn one_flipped_byte_of_a_row_is_found_and_the_shadow_begun_anew() {
    one_flipped_byte_is_found("", "users", "backup-differs");
}

#[test]
fn one_flipped_byte_of_an_index_is_found_where_amcheck_is_installed() {
    one_flipped_byte_is_found("", "by_name", "backup-damaged");
}

#[test]
fn one_flipped_byte_of_a_page_with_a_checksum_is_found() {
    one_flipped_byte_is_found("--data-checksums", "users", "backup-damaged");
}

#[test]
fn what_follows_may_be_killed_and_the_original_started_anew() {
    let site = Site::new();
    site.proven();
    site.kill("follow");
    site.sql("INSERT INTO users (name) VALUES ('while nothing followed')");
    site.within(UPGRADE, |store, cx| {
        let again = store.follow(cx).expect("follows again");
        assert_eq!(again.completed, Completed::Adopted);
    });
    assert_eq!(
        site.look(BackupState::Compared),
        Finding::Holds,
        "what was compared stays so"
    );
    site.cluster.down();
    site.cluster.up();
    site.sql("INSERT INTO users (name) VALUES ('after a start')");
    site.within(UPGRADE, |store, cx| {
        store.prove(cx).expect("proves");
        store.seal(cx).expect("seals");
    });
    site.sql("TRUNCATE users");
    site.rolled_back();
    assert_eq!(site.sql("SELECT count(*) FROM users"), "5002");
}

#[test]
fn a_copy_that_is_killed_is_made_anew() {
    // A small copy may be whole before it is killed, and is adopted then: not what is tried here.
    let site = (0..20)
        .map(|_| Site::new())
        .find(|site| {
            dying(site, UPGRADE, "copying the data", |store, cx| {
                store.prepare(cx)
            });
            let copying = site.cluster.companion(UPGRADE, "copy");
            copying.inspect(|pid| signal(*pid, "KILL")).is_some()
        })
        .expect("a copy is met while it is made");
    until("the copy ended", || {
        site.cluster.companion(UPGRADE, "copy").is_none()
    });
    fs::create_dir_all(site.shadow().join("data")).expect("made");
    fs::write(site.shadow().join("data/half"), "of a copy").expect("written");
    site.proven();
    assert!(
        !site.shadow().join("data/half").exists(),
        "nothing of the half copy is left"
    );
    assert_eq!(site.look(BackupState::Compared), Finding::Holds);
    let note = site.cluster.data().join("postmaster.pid");
    assert!(note.exists(), "the original runs");
}

#[test]
fn a_shadow_that_missed_too_much_is_begun_anew_and_compared_again() {
    let options = "-c wal_keep_size=0 -c min_wal_size=32MB -c max_wal_size=32MB";
    let site = Site::on(Cluster::start_with("", options));
    site.proven();
    site.kill("follow");
    for _ in 0..6 {
        site.sql("CREATE TABLE noise AS SELECT generate_series(1, 1000) i; DROP TABLE noise");
        site.sql("SELECT pg_switch_wal()");
        site.sql("CHECKPOINT");
    }
    site.sql("INSERT INTO users (name) VALUES ('while nothing followed')");
    site.within(UPGRADE, |store, cx| {
        let again = store.follow(cx).expect("begun anew");
        assert!(again.summary.contains("begun anew"), "{again:?}");
        assert_eq!(
            store.look(cx, &reached(NAME, BackupState::Compared)),
            Finding::Holds
        );
        store.seal(cx).expect("seals");
    });
    site.sql("TRUNCATE users");
    site.rolled_back();
    assert_eq!(site.sql("SELECT count(*) FROM users"), "5001");
}

#[test]
fn a_writer_that_comes_back_is_seen_and_what_it_wrote_is_kept() {
    struct Then<'a>(&'static str, RefCell<Option<Box<dyn FnOnce() + 'a>>>);
    impl Progress for Then<'_> {
        fn report(&self, doing: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {
            if doing == self.0
                && let Some(act) = self.1.borrow_mut().take()
            {
                act();
            }
        }
    }
    let site = Site::new();
    site.proven();
    let came: RefCell<Option<Writer>> = RefCell::default();
    let refused = site.within(UPGRADE, |store, cx| {
        let progress = Then(
            "waiting for the last records",
            RefCell::new(Some(Box::new(|| {
                let writer = Writer::on(
                    &site.cluster,
                    "INSERT INTO users (name) VALUES ('somebody else'); SELECT pg_sleep(100)",
                );
                until("it wrote", || {
                    site.cluster.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app' AND wait_event = 'PgSleep'") == "1"
                });
                *came.borrow_mut() = Some(writer);
            }))),
        );
        let cx = Context {
            progress: &progress,
            ..*cx
        };
        store.seal(&cx).expect_err("somebody came back")
    });
    assert_eq!(refused.code, "writers-connected", "{refused:?}");
    assert!(
        site.cluster.companion(UPGRADE, "follow").is_some(),
        "it still follows"
    );
    drop(came.borrow_mut().take());
    nobody_writes(&site);
    site.within(UPGRADE, |store, cx| store.seal(cx).expect("seals"));
    let before = site.contents();
    site.sql("TRUNCATE users");
    site.rolled_back();
    assert_eq!(
        before.collections["public.users"],
        site.contents().collections["public.users"]
    );
}

#[test]
fn a_restore_within_an_upgrade_copies_so_that_the_shadow_still_serves() {
    let site = Site::on(Cluster::start_on_disk(400));
    assert!(site.cluster.has_disk());
    site.sealed();
    site.sql("DELETE FROM users WHERE id > 3");
    let run = RunId::new(UPGRADE);
    // Not enough room for a copy: said before anything is touched.
    let free = |root: &std::path::Path| {
        let found = rustix::fs::statvfs(root).expect("asked");
        found.f_bavail * found.f_frsize
    };
    let filler = site.cluster.bench.path("filler");
    let size = free(site.cluster.bench.root()) - (20 << 20);
    let file = fs::File::create(&filler).expect("made");
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, size).expect("filled");
    let refused = site.within(UPGRADE, |store, cx| {
        store.restore(cx, &run).expect_err("no room")
    });
    assert_eq!(refused.code, "disk-full", "{refused:?}");
    assert_eq!(
        site.sql("SELECT count(*) FROM users"),
        "3",
        "the server still runs"
    );
    drop(file);
    fs::remove_file(&filler).expect("removed");
    for time in ["once", "twice"] {
        site.within(UPGRADE, |store, cx| {
            store.restore(cx, &run).expect(time);
            assert_eq!(store.look(cx, &restored(NAME)), Finding::Holds, "{time}");
            store.release(cx, &run).expect(time);
        });
        assert_eq!(site.sql("SELECT count(*) FROM users"), "5000", "{time}");
        site.sql("DELETE FROM users WHERE id > 3");
    }
    assert_eq!(
        site.look(BackupState::Proven),
        Finding::Holds,
        "it was not used up"
    );
    site.rolled_back();
    assert_eq!(site.sql("SELECT count(*) FROM users"), "5000");
    // It was used up by that; another way back must not take the data of today for it.
    site.sql("INSERT INTO users (name) VALUES ('after')");
    site.within("r-7c1d0003", |store, cx| {
        let refused = store.restore(cx, &run).expect_err("gone");
        assert_eq!(refused.code, "backup-missing", "{refused:?}");
    });
}

#[test]
fn what_makes_a_shadow_impossible_is_said() {
    let site = Site::new();
    let because = |shadowing: Shadowing| match shadowing {
        Shadowing::Impossible { because } => because,
        other => panic!("{other:?}"),
    };
    let says = |words: &str| {
        let because = because(site.survey());
        assert!(because.contains(words), "{because}");
    };
    site.sql("INSERT INTO cache VALUES ('k')");
    says("unlogged tables hold rows that no follower gets: `public.cache`");
    site.sql("TRUNCATE cache");
    let place = site.cluster.bench.path("space");
    fs::create_dir(&place).expect("made");
    site.cluster.give(&place);
    site.sql(&format!(
        "CREATE TABLESPACE fast LOCATION '{}'",
        place.display()
    ));
    says("`fast`");
    site.sql("DROP TABLESPACE fast");
    site.cluster.sql("postgres", "CREATE DATABASE neighbour");
    assert_eq!(
        site.survey(),
        Shadowing::Possible,
        "an empty one is nobody's loss"
    );
    site.cluster.sql("neighbour", "CREATE TABLE theirs (x int)");
    says("take along what others wrote meanwhile in the same server: `neighbour`");
    site.cluster.sql("postgres", "DROP DATABASE neighbour");
    site.cluster
        .sql("postgres", "CREATE ROLE app LOGIN PASSWORD 'app-secret'");
    let denied = because(site.survey_as("app", "app-secret"));
    assert!(
        denied.contains("ALTER ROLE \"app\" REPLICATION"),
        "{denied}"
    );
    site.cluster
        .restart_with("-c max_wal_senders=0 -c wal_level=minimal");
    says("wal_level = minimal");
    site.cluster.restart_with("-c max_wal_senders=1");
    says("max_wal_senders");
    site.cluster.restart_with("-c max_replication_slots=0");
    says("max_replication_slots");
    site.cluster.restart_with("");
    let hba = site.cluster.data().join("pg_hba.conf");
    fs::write(&hba, "local all all scram-sha-256\n").expect("written");
    site.sql("SELECT pg_reload_conf()");
    until("it is loaded", || site.survey() != Shadowing::Possible);
    says("does not let a follower in from the same machine: no pg_hba.conf entry for replication");
    let refused = site.within(UPGRADE, |store, cx| {
        store.prepare(cx).expect_err("impossible")
    });
    assert_eq!(refused.code, "shadow-impossible", "{refused:?}");
    assert!(!site.shadow().exists());
}

#[test]
fn what_the_operator_configured_does_no_harm() {
    let options = "-c archive_mode=on -c max_connections=150";
    let site = Site::on(Cluster::start_with("", options));
    let archive = site.cluster.bench.path("archive");
    fs::create_dir(&archive).expect("made");
    site.cluster.give(&archive);
    let command = format!("cp %p {}/$(date +%%s%%N)-%f", archive.display());
    for setting in [
        format!("archive_command = '{command}'"),
        "restore_command = 'false'".to_owned(),
        "listen_addresses = '*'".to_owned(),
        "log_min_duration_statement = 0".to_owned(),
        "shared_preload_libraries = 'pg_stat_statements'".to_owned(),
    ] {
        site.sql(&format!("ALTER SYSTEM SET {setting}"));
    }
    site.cluster.down();
    site.cluster.up();
    site.proven();
    site.sql("CREATE TABLE after_it AS SELECT 1 AS x; SELECT pg_switch_wal()");
    let root = site.cluster.bench.root().display().to_string();
    let pid = site
        .cluster
        .companion(UPGRADE, "follow")
        .expect("it follows");
    let listening = std::process::Command::new("sh")
        .args([
            "-c",
            &format!(
                "ls -l /proc/{pid}/fd | grep -c socket; cat /proc/{pid}/cmdline | tr '\\0' ' '"
            ),
        ])
        .output()
        .expect("asked");
    let words = String::from_utf8_lossy(&listening.stdout).into_owned();
    assert!(
        words.contains(&root) && !words.contains(PASSWORD),
        "{words}"
    );
    site.within(UPGRADE, |store, cx| store.seal(cx).expect("seals"));
    let kept =
        fs::read_to_string(site.cluster.bench.backup(NAME).join("manifest.json")).expect("written");
    assert!(!kept.contains(PASSWORD));
    site.rolled_back();
    assert_eq!(site.sql("SHOW archive_command"), command);
    assert_eq!(site.sql("SELECT x FROM after_it"), "1");
    let archived = fs::read_dir(&archive).expect("there").count();
    site.sql("CREATE TABLE more (x int); SELECT pg_switch_wal()");
    until("the original archives as before", || {
        fs::read_dir(&archive).expect("there").count() > archived
    });
}
