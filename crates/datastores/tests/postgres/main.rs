//! PostgreSQL backups on a real server: what must survive, and what must be said when it cannot.

mod server;

use std::fs;

use server::Server;
use switchback_datastores::Opened as _;
use switchback_engine::ports::{Context, Datastore as _, Finding};
use switchback_model::RunId;
use switchback_model::plan::{BackupState, Expectation};

const UPGRADE: &str = "r-7c1d0001";
const ROLLBACK: &str = "r-7c1d0002";

/// A database with the odd things that real ones have.
fn filled(server: &Server, name: &str) {
    server.sql("postgres", "CREATE ROLE reader");
    server.sql("postgres", &format!("CREATE DATABASE \"{name}\""));
    server.sql(
        "postgres",
        &format!("ALTER DATABASE \"{name}\" SET search_path TO public, \"Odd Schema\""),
    );
    server.sql(
        "postgres",
        &format!("ALTER DATABASE \"{name}\" SET application_name TO '50% it''s'"),
    );
    server.sql(
        "postgres",
        &format!("GRANT CONNECT ON DATABASE \"{name}\" TO reader WITH GRANT OPTION"),
    );
    server.sql(
        name,
        r#"CREATE TABLE users (id bigserial PRIMARY KEY, name text, score double precision, photo bytea, at timestamptz);
           INSERT INTO users (name, score, photo, at)
             SELECT 'user ' || i, i / 3.0, decode(md5(i::text), 'hex'), timestamptz '2024-01-01' + i * interval '1 second'
             FROM generate_series(1, 20000) i;
           CREATE SCHEMA "Odd Schema";
           CREATE TABLE "Odd Schema"."a ""table""	tab" (x int, "y'z" jsonb);
           INSERT INTO "Odd Schema"."a ""table""	tab" VALUES (1, '{"a": [1, 2]}'), (1, '{"a": [1, 2]}'), (NULL, NULL);
           CREATE TABLE parted (k int, v text) PARTITION BY RANGE (k);
           CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
           INSERT INTO parted VALUES (7, 'seven');
           CREATE TABLE nothing ();
           SELECT lo_from_bytea(0, '\xdeadbeef');"#,
    );
}

fn state(cx: &Context<'_>, state: BackupState) -> Expectation {
    let _ = cx;
    Expectation::Backup {
        datastore: "identity".into(),
        state,
        run: None,
    }
}

#[test]
fn a_proven_backup_brings_everything_back_and_lets_go_of_what_it_replaced() {
    let server = Server::start();
    filled(&server, "App One");
    let store = server.datastore("App One");
    let before = server.within(UPGRADE, |cx| store.contents(cx).expect("counts"));
    assert_eq!(before.collections["public.users"].count, 20_000);
    assert_eq!(before.collections["public.parted_1"].count, 1);

    server.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        store.seal(cx).expect("seals");
        assert_eq!(
            store.look(cx, &state(cx, BackupState::Sealed)),
            Finding::Holds
        );
        assert!(matches!(
            store.look(cx, &state(cx, BackupState::Proven)),
            Finding::Differs { .. }
        ));
        store.prove(cx).expect("proves");
        assert_eq!(
            store.look(cx, &state(cx, BackupState::Proven)),
            Finding::Holds
        );
    });
    server.sql("App One", "DELETE FROM users WHERE id % 2 = 0; DROP TABLE parted; ALTER TABLE users DROP COLUMN photo");

    let run = RunId::new(UPGRADE);
    let restored = Expectation::Restored {
        datastore: "identity".into(),
        run: run.clone(),
    };
    let released = Expectation::Released {
        datastore: "identity".into(),
        run: run.clone(),
    };
    server.within(ROLLBACK, |cx| {
        assert!(matches!(store.look(cx, &restored), Finding::Differs { .. }));
        store.restore(cx, &run).expect("restores");
        assert_eq!(store.look(cx, &restored), Finding::Holds);
        assert!(matches!(store.look(cx, &released), Finding::Differs { .. }));
        store.release(cx, &run).expect("releases");
        assert_eq!(store.look(cx, &released), Finding::Holds);
        assert_eq!(store.contents(cx).expect("counts"), before);
    });
    assert_eq!(
        server.sql("App One", "SHOW search_path"),
        "public, \"Odd Schema\""
    );
    assert_eq!(
        server.sql(
            "App One",
            "SELECT setconfig[2] FROM pg_db_role_setting WHERE setrole = 0"
        ),
        "application_name=50% it's"
    );
    assert_eq!(
        server.sql(
            "postgres",
            "SELECT has_database_privilege('reader', 'App One', 'CONNECT WITH GRANT OPTION')"
        ),
        "t"
    );
    assert_eq!(
        server.sql(
            "postgres",
            "SELECT count(*) FROM pg_database WHERE datname LIKE 'switchback%'"
        ),
        "0"
    );
}

#[test]
fn one_changed_byte_is_seen() {
    let server = Server::start();
    filled(&server, "app");
    let store = server.datastore("app");
    let before = server.within(UPGRADE, |cx| store.contents(cx).expect("counts"));
    server.sql(
        "app",
        "UPDATE users SET photo = set_byte(photo, 3, (get_byte(photo, 3) + 1) % 256) WHERE id = 77",
    );
    let after = server.within(UPGRADE, |cx| store.contents(cx).expect("counts"));
    let changed: Vec<String> = before
        .differences(&after)
        .into_iter()
        .map(|found| found.collection)
        .collect();
    assert_eq!(changed, ["public.users"]);
}

#[test]
fn a_crash_at_any_place_leaves_something_to_go_on_from() {
    let server = Server::start();
    filled(&server, "app");
    let store = server.datastore("app");
    server.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        let backup = server.path("backups").join(UPGRADE).join("identity");
        fs::write(backup.join("dump.partial"), "half a dump").expect("a leftover");
        store.clean(cx).expect("cleans");
        assert!(!backup.join("dump.partial").exists());
        store.seal(cx).expect("seals");
        let manifest = fs::read_to_string(backup.join("manifest.json")).expect("a manifest");
        assert!(!manifest.contains("partial"));
    });
    // What a dead process leaves while proving and while restoring: half-filled databases of ours.
    let digest = switchback_model::Digest::of("app").as_str()[..8].to_owned();
    server.sql(
        "postgres",
        &format!("CREATE DATABASE \"switchback_prove_{UPGRADE}_{digest}\""),
    );
    server.sql(
        "postgres",
        &format!("CREATE DATABASE \"switchback_new_{ROLLBACK}_{digest}\""),
    );
    server.within(UPGRADE, |cx| {
        store.prove(cx).expect("proves over the leftover")
    });
    server.sql("app", "TRUNCATE users");
    let run = RunId::new(UPGRADE);
    server.within(ROLLBACK, |cx| {
        store.restore(cx, &run).expect("restores over the leftover");
        store.restore(cx, &run).expect("restores once more");
        store.release(cx, &run).expect("releases both");
    });
    assert_eq!(server.sql("app", "SELECT count(*) FROM users"), "20000");
    assert_eq!(
        server.sql(
            "postgres",
            "SELECT count(*) FROM pg_database WHERE datname LIKE 'switchback%'"
        ),
        "0"
    );
}

#[test]
fn a_session_that_could_write_is_named_and_the_seal_refused() {
    let server = Server::start();
    filled(&server, "app");
    let store = server.datastore("app");
    let socket = server.path("socket");
    let mut stray = std::process::Command::new("psql")
        .args(["-X", "-U", "admin", "-h"])
        .arg(&socket)
        .args([
            "-d",
            "dbname=app application_name=stray-writer",
            "-c",
            "SELECT pg_sleep(600)",
        ])
        .env("PGPASSWORD", "hunter2-secret")
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("psql starts");
    while server.sql(
        "postgres",
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stray-writer'",
    ) != "1"
    {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let writers = Expectation::NoWriters {
        datastore: "identity".into(),
    };
    server.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        let refused = store.seal(cx).expect_err("a writer is connected");
        assert_eq!(refused.code, "writers-connected");
        assert!(refused.causes[0].starts_with("stray-writer as admin from local since"), "{refused:?}");
        assert!(matches!(store.look(cx, &writers), Finding::Differs { found } if found.contains("stray-writer")));
        assert_eq!(store.contents(cx).expect("counts").collections["public.users"].count, 20_000);
    });
    let _ = stray.kill();
    let _ = stray.wait();
}

#[test]
fn a_damaged_backup_is_refused_before_anything_is_touched() {
    let server = Server::start();
    filled(&server, "app");
    let store = server.datastore("app");
    server.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        store.seal(cx).expect("seals");
        let dump = server
            .path("backups")
            .join(UPGRADE)
            .join("identity/dump.pgc");
        let mut bytes = fs::read(&dump).expect("a dump");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&dump, bytes).expect("a damaged dump");
        assert_eq!(store.prove(cx).expect_err("damaged").code, "backup-damaged");
        assert_eq!(
            store.restore(cx, cx.run).expect_err("damaged").code,
            "backup-damaged"
        );
    });
    assert_eq!(server.sql("app", "SELECT count(*) FROM users"), "20000");
}

#[test]
fn a_wrong_password_a_missing_database_and_a_dead_server_are_told_apart() {
    let server = Server::start();
    let code = |store: &switchback_datastores::postgres::Postgres| {
        server.within(UPGRADE, |cx| {
            store.survey(cx).expect_err("cannot work").code
        })
    };
    assert_eq!(
        code(&server.datastore_with("postgres", "wrong-password")),
        "postgres-password"
    );
    assert_eq!(
        code(&server.datastore("absent")),
        "postgres-database-missing"
    );
    server.kill();
    assert_eq!(code(&server.datastore("postgres")), "postgres-unreachable");
    let reachable = Expectation::Reachable {
        datastore: "identity".into(),
    };
    let store = server.datastore("postgres");
    server.within(UPGRADE, |cx| {
        assert!(matches!(
            store.look(cx, &reachable),
            Finding::Differs { .. }
        ));
        let engine = Expectation::Engine {
            datastore: "identity".into(),
            version: "15.1".into(),
        };
        assert!(matches!(store.look(cx, &engine), Finding::Unknown { .. }));
        store
            .clean(cx)
            .expect("nothing to clean in a server that is down");
    });
}

#[test]
fn an_empty_database_is_backed_up_and_surveyed_like_any_other() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE empty");
    let store = server.datastore("empty");
    let run = RunId::new(UPGRADE);
    server.within(UPGRADE, |cx| {
        assert!(
            store
                .survey(cx)
                .expect("surveys")
                .size
                .is_some_and(|size| size > 0)
        );
        store.prepare(cx).expect("prepares");
        store.seal(cx).expect("seals");
        store.prove(cx).expect("proves");
        store.restore(cx, &run).expect("restores");
        store.release(cx, &run).expect("releases");
    });
    assert_eq!(
        server.sql(
            "postgres",
            "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database"
        ),
        "empty,postgres,template0,template1"
    );
}
