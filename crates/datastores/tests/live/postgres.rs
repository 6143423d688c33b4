//! PostgreSQL.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use switchback_engine::ports::{Datastore, Failure, Finding};
use switchback_engine::process::Secret;
use switchback_model::RunId;
use switchback_model::plan::{BackupState, Expectation};
use switchback_testkit::contract;

use crate::bench::{ROLLBACK, SmallDisk, UPGRADE, reached, released, restored};
use crate::cluster::{Cluster, PASSWORD};

const NAME: &str = "identity";

/// A database with the odd things that real ones have.
fn filled(cluster: &Cluster, name: &str) {
    let quoted = name.replace('"', "\"\"");
    cluster.sql("postgres", "CREATE ROLE reader; CREATE ROLE \"App Owner\"");
    cluster.sql(
        "postgres",
        &format!("CREATE DATABASE \"{quoted}\" OWNER \"App Owner\""),
    );
    for statement in [
        "ALTER DATABASE \"%\" SET search_path TO public, \"Odd Schema\"",
        "ALTER DATABASE \"%\" SET application_name TO '50% it''s'",
        "ALTER ROLE reader IN DATABASE \"%\" SET work_mem TO '7MB'",
        "GRANT CONNECT ON DATABASE \"%\" TO reader WITH GRANT OPTION",
        "COMMENT ON DATABASE \"%\" IS 'the one that matters'",
    ] {
        cluster.sql("postgres", &statement.replacen('%', &quoted, 1));
    }
    cluster.sql(
        name,
        r#"CREATE TABLE users (id bigserial PRIMARY KEY, name text, score double precision, photo bytea, at timestamptz);
           INSERT INTO users (name, score, photo, at)
             SELECT 'user ' || i, i / 3.0, decode(md5(i::text), 'hex'), timestamptz '2024-01-01' + i * interval '1 second'
             FROM generate_series(1, 20000) i;
           GRANT SELECT ON users TO reader;
           CREATE SCHEMA "Odd Schema";
           CREATE TABLE "Odd Schema"."a ""table""	tab" (x int, "y'z" jsonb, t text);
           INSERT INTO "Odd Schema"."a ""table""	tab" VALUES (1, '{"a": [1, 2]}'), (1, '{"a": [1, 2]}'), (NULL, NULL);
           CREATE TABLE parted (k int, v text) PARTITION BY RANGE (k);
           CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
           INSERT INTO parted VALUES (7, 'seven');
           CREATE TYPE mood AS ENUM ('good', 'bad');
           CREATE TABLE moods (m mood, n varchar CHECK (n IN ('a', 'b')));
           CREATE VIEW happy AS SELECT * FROM moods WHERE m = 'good';
           CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM users;
           CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql AS 'SELECT i * 2';
           CREATE TABLE nothing ();
           CREATE UNLOGGED TABLE cache (k text);
           INSERT INTO cache VALUES ('k');
           SELECT lo_from_bytea(0, '\xdeadbeef');"#,
    );
}

fn kept(cluster: &Cluster, store: &dyn Datastore) {
    cluster.bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        store.seal(cx).expect("seals");
        store.prove(cx).expect("proves");
    });
}

#[test]
fn keeps_the_contract_with_a_name_that_needs_quoting() {
    let cluster = Cluster::start();
    filled(&cluster, "App \"One\" it's");
    cluster.sql("postgres", "CREATE DATABASE neighbour");
    cluster.sql(
        "neighbour",
        "CREATE TABLE mine (x int); INSERT INTO mine VALUES (1)",
    );
    let database = "App \"One\" it's";
    let store = cluster.datastore(database);
    cluster.bench.within(UPGRADE, |cx| {
        contract::datastore(
            store.as_ref(),
            cx,
            contract::DatastoreTrial {
                name: NAME.into(),
                change: &mut || {
                    cluster.sql(database, "DELETE FROM users WHERE id % 2 = 0; DROP TABLE parted; ALTER TABLE users DROP COLUMN photo");
                },
            },
        );
    });
    assert_eq!(cluster.leftovers(), "");
    assert_eq!(cluster.sql("neighbour", "SELECT x FROM mine"), "1");
    assert_eq!(
        cluster.sql(database, "SHOW search_path"),
        "public, \"Odd Schema\""
    );
    assert_eq!(
        cluster.sql(
            database,
            "SELECT array_to_string(setconfig, '|') FROM pg_db_role_setting WHERE setrole = 0"
        ),
        "search_path=public, \"Odd Schema\"|application_name=50% it's"
    );
    assert_eq!(
        cluster.sql(
            database,
            "SELECT setconfig FROM pg_db_role_setting WHERE setrole <> 0"
        ),
        "{work_mem=7MB}"
    );
    assert_eq!(
        cluster.sql(
            database,
            "SELECT has_database_privilege('reader', current_database(), 'CONNECT WITH GRANT OPTION'), \
             has_table_privilege('reader', 'users', 'SELECT'), pg_get_userbyid(datdba), shobj_description(oid, 'pg_database') \
             FROM pg_database WHERE datname = current_database()"
        ),
        "t|t|App Owner|the one that matters"
    );
    assert_eq!(
        cluster.sql(database, "SELECT lo_get(oid) FROM pg_largeobject_metadata"),
        r"\xdeadbeef"
    );
    assert_eq!(
        cluster.sql(database, "SELECT nextval('users_id_seq')"),
        "20001"
    );
}

#[test]
fn every_kind_of_change_is_seen() {
    let cluster = Cluster::start();
    filled(&cluster, "app");
    let store = cluster.datastore("app");
    let contents = || {
        cluster
            .bench
            .within(UPGRADE, |cx| store.contents(cx).expect("counts"))
    };
    let begun = contents();
    assert_eq!(begun.collections["public.users"].count, 20_000);
    assert_eq!(begun.collections["public.parted_1"].count, 1);
    assert!(!begun.collections.contains_key("public.parted"));
    for (change, seen) in [
        (
            "UPDATE users SET photo = set_byte(photo, 3, (get_byte(photo, 3) + 1) % 256) WHERE id = 77",
            "public.users",
        ),
        (
            "UPDATE users SET score = score + 1e-9 WHERE id = 1",
            "public.users",
        ),
        (
            "DELETE FROM \"Odd Schema\".\"a \"\"table\"\"\ttab\" WHERE ctid = '(0,1)'",
            "Odd Schema.a \"table\"\ttab",
        ),
        ("SELECT nextval('users_id_seq')", "(sequences)"),
        (
            "SELECT lo_put(oid, 1, '\\x00') FROM pg_largeobject_metadata",
            "(large objects)",
        ),
        ("ALTER TABLE moods ADD COLUMN empty int", "(schema)"),
        ("DROP VIEW happy", "(schema)"),
    ] {
        let before = contents();
        cluster.sql("app", change);
        let changed: Vec<String> = before
            .differences(&contents())
            .into_iter()
            .map(|found| found.collection)
            .collect();
        assert_eq!(changed, [seen], "{change}");
    }
}

#[test]
fn a_crash_at_any_place_leaves_something_to_go_on_from() {
    let cluster = Cluster::start();
    filled(&cluster, "app");
    let store = cluster.datastore("app");
    let run = RunId::new(UPGRADE);
    cluster.bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        fs::write(
            cluster.bench.backup(NAME).join("database.dump.part"),
            "half a dump",
        )
        .expect("a leftover");
        store.clean(cx).expect("cleans");
        assert!(
            !cluster
                .bench
                .backup(NAME)
                .join("database.dump.part")
                .exists()
        );
        fs::write(
            cluster.bench.backup(NAME).join("database.dump.part"),
            "half a dump",
        )
        .expect("a leftover");
        fs::write(
            cluster.bench.backup(NAME).join("database.dump"),
            "one of a seal that died before its manifest",
        )
        .expect("a leftover");
        store.seal(cx).expect("seals over the leftovers");
        let manifest = fs::read_to_string(cluster.bench.backup(NAME).join("manifest.json"))
            .expect("a manifest");
        assert!(!manifest.contains("part\""), "{manifest}");
    });
    let digest = switchback_model::Digest::of("app").short().to_owned();
    let scratch = format!("switchback_prove_{UPGRADE}_{digest}");
    cluster.sql("postgres", &format!("CREATE DATABASE \"{scratch}\""));
    cluster.sql(&scratch, "CREATE TABLE users (half int)");
    cluster.bench.within(UPGRADE, |cx| {
        store.prove(cx).expect("proves over the leftover")
    });

    // Killed while filling the new one.
    cluster.sql("app", "TRUNCATE users");
    cluster.sql(
        "postgres",
        &format!("CREATE DATABASE \"app_switchback_new_{UPGRADE}\""),
    );
    cluster.sql(
        &format!("app_switchback_new_{UPGRADE}"),
        "CREATE TABLE users (half int)",
    );
    cluster.bench.within(ROLLBACK, |cx| {
        store.restore(cx, &run).expect("restores over the leftover")
    });
    assert_eq!(cluster.sql("app", "SELECT count(*) FROM users"), "20000");
    assert_eq!(
        cluster.sql(
            &format!("app_switchback_old_{UPGRADE}"),
            "SELECT count(*) FROM users"
        ),
        "0"
    );

    // Killed after the switch, before anybody knew: nothing is done twice.
    cluster.bench.within(ROLLBACK, |cx| {
        assert_eq!(store.look(cx, &restored(NAME)), Finding::Holds);
        store.restore(cx, &run).expect("is done already");
        assert_eq!(cluster.leftovers(), format!("app_switchback_old_{UPGRADE}"));
    });
    // The restored one was spoilt again: the first original stays kept.
    cluster.sql("app", "DELETE FROM users WHERE id < 100");
    cluster.bench.within(ROLLBACK, |cx| {
        store.restore(cx, &run).expect("restores once more");
        assert_eq!(
            cluster.sql(
                &format!("app_switchback_old_{UPGRADE}"),
                "SELECT count(*) FROM users"
            ),
            "0"
        );
        assert_eq!(
            cluster.sql(
                &format!("app_switchback_old_{UPGRADE}_2"),
                "SELECT count(*) FROM users"
            ),
            "19901"
        );
        assert!(matches!(
            store.look(cx, &released(NAME)),
            Finding::Differs { .. }
        ));
        store.release(cx, &run).expect("releases both");
        assert_eq!(store.look(cx, &released(NAME)), Finding::Holds);
    });
    assert_eq!(cluster.leftovers(), "");

    // Somebody moved the original away and never came back: what is missing is simply put in place.
    cluster.sql("postgres", "ALTER DATABASE app RENAME TO lost");
    cluster.bench.within(ROLLBACK, |cx| {
        store.restore(cx, &run).expect("restores where nothing is")
    });
    assert_eq!(cluster.sql("app", "SELECT count(*) FROM users"), "20000");
    assert_eq!(cluster.leftovers(), "");
}

struct Stray(Child);

impl Stray {
    fn connect(cluster: &Cluster, script: &str) -> Self {
        let mut psql = cluster.psql("dbname=app application_name=stray-writer", script);
        let stray = Self(
            psql.stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("psql starts"),
        );
        let begun = Instant::now();
        while cluster.sql(
            "postgres",
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stray-writer'",
        ) != "1"
        {
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "the stray session never came"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        stray
    }
}

impl Drop for Stray {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_session_that_could_write_is_named_and_the_seal_refused_but_a_restore_ends_it() {
    let cluster = Cluster::start();
    filled(&cluster, "app");
    let store = cluster.datastore("app");
    let writers = Expectation::NoWriters {
        datastore: NAME.into(),
    };
    let stray = Stray::connect(&cluster, "BEGIN; LOCK TABLE users; SELECT pg_sleep(600)");
    cluster.bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        let refused = store.seal(cx).expect_err("a writer is connected");
        assert_eq!(refused.code, "writers-connected");
        assert!(refused.causes[0].starts_with("`admin` (stray-writer) from the same machine, active, since 20"), "{refused:?}");
        assert!(matches!(store.look(cx, &writers), Finding::Differs { found } if found.contains("stray-writer")));
    });
    cluster.sql("postgres", "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'stray-writer'");
    drop(stray);
    cluster.sql(
        "app",
        "BEGIN; CREATE TABLE pending (x int); PREPARE TRANSACTION 'half'",
    );
    cluster.bench.within(UPGRADE, |cx| {
        let refused = store.seal(cx).expect_err("a transaction is prepared");
        assert!(
            refused.causes[0].contains("prepared transaction half"),
            "{refused:?}"
        );
    });
    cluster.sql("app", "ROLLBACK PREPARED 'half'");
    kept(&cluster, store.as_ref());
    let _stray = Stray::connect(&cluster, "BEGIN; DELETE FROM users; SELECT pg_sleep(600)");
    cluster.bench.within(ROLLBACK, |cx| {
        store
            .restore(cx, &RunId::new(UPGRADE))
            .expect("restores although somebody is connected");
        assert_eq!(store.look(cx, &restored(NAME)), Finding::Holds);
    });
}

#[test]
fn a_damaged_backup_is_refused_before_anything_is_touched() {
    let cluster = Cluster::start();
    filled(&cluster, "app");
    let store = cluster.datastore("app");
    kept(&cluster, store.as_ref());
    let dump = cluster.bench.backup(NAME).join("database.dump");
    let whole = fs::read(&dump).expect("a dump");
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 1;
    fs::write(&dump, bytes).expect("a damaged dump");
    cluster.bench.within(UPGRADE, |cx| {
        assert_eq!(store.prove(cx).expect_err("damaged").code, "backup-damaged");
        assert_eq!(
            store.restore(cx, cx.run).expect_err("damaged").code,
            "backup-damaged"
        );
        fs::write(&dump, &whole[..whole.len() / 2]).expect("a dump cut short");
        assert!(matches!(
            store.look(cx, &reached(NAME, BackupState::Sealed)),
            Finding::Differs { .. }
        ));
        fs::remove_file(&dump).expect("removed");
        assert!(matches!(
            store.look(cx, &reached(NAME, BackupState::Sealed)),
            Finding::Differs { .. }
        ));
    });
    assert_eq!(cluster.leftovers(), "");
}

#[test]
fn a_dump_that_lacks_a_row_is_not_proven() {
    let cluster = Cluster::start();
    filled(&cluster, "app");
    let store = cluster.datastore("app");
    cluster.bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        store.seal(cx).expect("seals");
    });
    // The manifest speaks of one row more than the dump holds.
    let path = cluster.bench.backup(NAME).join("manifest.json");
    let manifest = fs::read_to_string(&path).expect("a manifest");
    fs::write(
        &path,
        manifest.replace("\"count\": 20000", "\"count\": 20001"),
    )
    .expect("written");
    cluster.bench.within(UPGRADE, |cx| {
        let failure = store.prove(cx).expect_err("not equal");
        assert_eq!(failure.code, "backup-differs");
        assert!(
            failure.causes[0].starts_with("`public.users`: 20001 "),
            "{failure:?}"
        );
        assert!(matches!(
            store.look(cx, &reached(NAME, BackupState::Proven)),
            Finding::Differs { .. }
        ));
        let failure = store.restore(cx, cx.run).expect_err("not equal");
        assert_eq!(failure.code, "restore-differs");
    });
    assert_eq!(cluster.leftovers(), "", "nothing is left of a failed proof");
    assert_eq!(cluster.sql("app", "SELECT count(*) FROM users"), "20000");
}

fn survey_fails(cluster: &Cluster, database: &str, password: &str) -> Failure {
    let location = cluster.location(database, "admin");
    switchback_datastores::survey(
        &NAME.into(),
        &location,
        cluster.reach(),
        Some(Secret::new(password)),
        &cluster.bench.commands,
    )
    .expect_err("cannot work")
}

#[test]
fn a_wrong_password_a_missing_database_and_a_dead_server_are_told_apart() {
    let cluster = Cluster::start();
    let denied = survey_fails(&cluster, "postgres", "wrong-password");
    assert_eq!(denied.code, "datastore-password-wrong");
    assert_eq!(
        denied.what,
        "the server of `identity` refuses the password or the role"
    );
    assert!(
        denied.hints[0].contains("[datastores.identity] password"),
        "{denied:?}"
    );
    assert!(!format!("{denied:?}").contains("wrong-password"));
    assert_eq!(
        survey_fails(&cluster, "absent", PASSWORD).code,
        "datastore-not-there"
    );
    cluster.kill();
    assert_eq!(
        survey_fails(&cluster, "postgres", PASSWORD).code,
        "datastore-silent"
    );
    let store = cluster.datastore("postgres");
    cluster.bench.within(UPGRADE, |cx| {
        let look = |expectation| store.look(cx, &expectation);
        let datastore = || NAME.into();
        assert!(matches!(
            look(Expectation::Reachable {
                datastore: datastore()
            }),
            Finding::Differs { .. }
        ));
        let engine = Expectation::Engine {
            datastore: datastore(),
            version: "15.1".to_owned(),
        };
        assert!(matches!(look(engine), Finding::Unknown { .. }));
        assert_eq!(
            look(Expectation::NoWriters {
                datastore: datastore()
            }),
            Finding::Holds,
            "nobody is connected to what does not run"
        );
        assert_eq!(
            store.prepare(cx).expect_err("no server").code,
            "datastore-silent"
        );
    });
}

#[test]
fn a_role_that_may_not_create_databases_is_told_so_while_the_service_is_up() {
    let cluster = Cluster::start();
    cluster.sql("postgres", "CREATE ROLE app LOGIN PASSWORD 'app-secret'");
    cluster.sql("postgres", "CREATE DATABASE app OWNER app");
    let store = cluster.datastore_as("app", "app", "app-secret");
    cluster.bench.within(UPGRADE, |cx| {
        let refused = store.prepare(cx).expect_err("not allowed");
        assert_eq!(refused.code, "datastore-permission");
        assert_eq!(
            refused.hints,
            ["as a superuser: ALTER ROLE \"app\" CREATEDB;"]
        );
    });
    // With that right alone, and as the owner of its database, a role needs to be nothing more.
    cluster.sql("postgres", "ALTER ROLE app CREATEDB");
    cluster.sql("app", "SET ROLE app; CREATE SCHEMA mine; CREATE TABLE mine.things AS SELECT i FROM generate_series(1, 10) i");
    kept(&cluster, store.as_ref());
    cluster.sql("app", "DELETE FROM mine.things");
    cluster.bench.within(ROLLBACK, |cx| {
        store.restore(cx, &RunId::new(UPGRADE)).expect("restores");
        store.release(cx, &RunId::new(UPGRADE)).expect("releases");
        store.clean(cx).expect("cleans");
    });
    assert_eq!(cluster.sql("app", "SELECT count(*) FROM mine.things"), "10");
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_dump_leaves_a_failure_that_can_be_resumed() {
    let cluster = Cluster::start();
    filled(&cluster, "app");
    cluster.sql("app", "CREATE TABLE big AS SELECT i, repeat(md5(i::text), 30) AS t FROM generate_series(1, 400000) i");
    let store = cluster.datastore("app");
    cluster
        .bench
        .within(UPGRADE, |cx| store.prepare(cx).expect("prepares"));
    let part = cluster.bench.backup(NAME).join("database.dump.part");
    let failure = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let begun = Instant::now();
            while fs::metadata(&part).map_or(0, |found| found.len()) < 100_000 {
                assert!(begun.elapsed() < Duration::from_secs(30), "no dump began");
                std::thread::sleep(Duration::from_millis(5));
            }
            let pid = fs::read_to_string(cluster_pid(&part)).expect("a server runs");
            let pid = pid.lines().next().expect("its pid").to_owned();
            assert!(
                std::process::Command::new("kill")
                    .args(["-QUIT", &pid])
                    .status()
                    .expect("kill runs")
                    .success()
            );
        });
        let failure = cluster
            .bench
            .within(UPGRADE, |cx| store.seal(cx).expect_err("the server died"));
        killer.join().expect("killed");
        failure
    });
    assert_eq!(failure.code, "datastore-connection-lost", "{failure:?}");
    assert!(!part.exists(), "half a dump is not kept");
    let pid_file = cluster.bench.path("data").join("postmaster.pid");
    let begun = Instant::now();
    while pid_file.exists() && begun.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(50));
    }
    cluster.up();
    kept(&cluster, store.as_ref());
    assert!(
        cluster
            .bench
            .progress
            .0
            .borrow()
            .iter()
            .any(|doing| doing == "dumping" || doing == "counting rows")
    );
}

fn cluster_pid(part: &std::path::Path) -> std::path::PathBuf {
    // …/backups/<run>/<datastore>/database.dump.part
    part.ancestors()
        .nth(4)
        .expect("the bench's directory")
        .join("data/postmaster.pid")
}

#[test]
fn a_full_disk_is_said_and_nothing_half_stays() {
    let cluster = Cluster::start();
    filled(&cluster, "app");
    cluster.sql("app", "CREATE TABLE noise AS SELECT gen_random_uuid() AS a, gen_random_uuid() AS b FROM generate_series(1, 300000)");
    let disk = SmallDisk::mount(&cluster.bench.backups, 4);
    let store = cluster.datastore("app");
    cluster.bench.within(UPGRADE, |cx| {
        let refused = store.prepare(cx).expect_err("too small");
        assert_eq!(refused.code, "disk-full");
        assert!(
            refused.what.starts_with("the dump of `identity` needs "),
            "{}",
            refused.what
        );
    });
    drop(disk);
    cluster.bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
    });
    // It fills up while the dump is written, which no look beforehand can see.
    let filler = SmallDisk::mount(&cluster.bench.backup(NAME), 64);
    fs::write(
        cluster.bench.backup(NAME).join("somebody-elses"),
        vec![0; 12 << 20],
    )
    .expect("written");
    let eater = fs::File::create(cluster.bench.backup(NAME).join("eater")).expect("made");
    let failure = std::thread::scope(|scope| {
        let part = cluster.bench.backup(NAME).join("database.dump.part");
        scope.spawn(move || {
            let begun = Instant::now();
            while !part.exists() && begun.elapsed() < Duration::from_mins(1) {
                std::thread::sleep(Duration::from_millis(1));
            }
            let mut eater = eater;
            // Whatever is left; that it ends with an error is the point.
            let _ = std::io::copy(&mut std::io::repeat(1), &mut eater);
        });
        cluster
            .bench
            .within(UPGRADE, |cx| store.seal(cx).expect_err("no space"))
    });
    assert_eq!(failure.code, "disk-full", "{failure:?}");
    assert!(
        !cluster
            .bench
            .backup(NAME)
            .join("database.dump.part")
            .exists()
    );
    drop(filler);
    kept(&cluster, store.as_ref());
}

#[test]
fn an_empty_database_is_backed_up_and_surveyed_like_any_other() {
    let cluster = Cluster::start();
    cluster.sql("postgres", "CREATE DATABASE empty");
    let store = cluster.datastore("empty");
    let location = cluster.location("empty", "admin");
    let survey = switchback_datastores::survey(
        &NAME.into(),
        &location,
        cluster.reach(),
        Some(Secret::new(PASSWORD)),
        &cluster.bench.commands,
    )
    .expect("surveyed");
    assert!(
        survey
            .engine
            .is_some_and(|engine| engine.chars().next().is_some_and(char::is_numeric))
    );
    assert!(survey.size.is_some_and(|size| size > 0));
    assert_eq!(
        (survey.count, survey.writers, survey.obstacles),
        (Some(0), vec![], vec![])
    );
    kept(&cluster, store.as_ref());
    let run = RunId::new(UPGRADE);
    cluster.bench.within(ROLLBACK, |cx| {
        store.restore(cx, &run).expect("restores");
        store.release(cx, &run).expect("releases");
    });
    let listed = switchback_datastores::backup::list(&cluster.bench.backups).expect("listed");
    assert_eq!(listed.len(), 1);
    assert_eq!(
        listed[0].as_ref().expect("readable").state,
        BackupState::Proven
    );
    assert_eq!(cluster.leftovers(), "");
}
