//! What is kept and comes back, and what of it is compared.

use std::fs;

use switchback_engine::ports::Finding;
use switchback_engine::process::Secret;
use switchback_model::RunId;
use switchback_model::plan::BackupState;
use switchback_testkit::contract;

use super::site::{NAME, filled, kept};
use crate::bench::{ROLLBACK, UPGRADE, reached, released, restored};
use crate::cluster::{Cluster, PASSWORD};

/// Where its data are is not known: it is on another machine, or the product's settings name an address alone.
#[test]
fn a_server_that_is_only_an_address_is_brought_back_and_released() {
    let cluster = Cluster::start();
    filled(&cluster, "app");
    let mut location = cluster.location("app", "admin");
    location.directory = None;
    let password = Some(Secret::new(PASSWORD));
    let store = switchback_datastores::open(&NAME.into(), &location, cluster.reach(), password);
    kept(&cluster, store.as_ref());
    cluster.sql("app", "DELETE FROM users");
    cluster.bench.within(ROLLBACK, |cx| {
        store.restore(cx, &RunId::new(UPGRADE)).expect("goes back");
        assert_eq!(store.look(cx, &restored(NAME)), Finding::Holds);
        assert_ne!(store.look(cx, &released(NAME)), Finding::Holds);
        store
            .release(cx, &RunId::new(UPGRADE))
            .expect("lets go of what it replaced");
        assert_eq!(store.look(cx, &released(NAME)), Finding::Holds);
    });
    assert_eq!(cluster.leftovers(), "");
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
