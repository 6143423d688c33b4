//! What keeps a server from having a shadow, and what a shadow has no room for.

use std::fs;

use switchback_engine::ports::Finding;
use switchback_model::RunId;
use switchback_model::observed::Shadowing;
use switchback_model::plan::BackupState;

use super::site::{NAME, Site};
use crate::bench::{UPGRADE, restored};
use crate::cluster::{Cluster, PASSWORD, until};

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
fn what_is_not_logged_is_lost_only_where_it_may_be() {
    let site = Site::new();
    site.sql("INSERT INTO cache VALUES ('k')");
    let cache = || "public.cache".to_owned();
    assert_eq!(
        site.survey(),
        Shadowing::Without {
            collections: vec![cache()]
        }
    );
    let refused = site.within(UPGRADE, |store, cx| store.prepare(cx).expect_err("missed"));
    assert_eq!(refused.code, "shadow-impossible", "{refused:?}");
    assert_eq!(
        refused.causes,
        ["unlogged tables hold rows that no follower gets: `public.cache`"]
    );
    site.cluster.bench.may_lose(NAME, "public.ca*");
    site.proven();
    // One that comes meanwhile may not be lost, and keeps the shadow from being sealed.
    site.sql("CREATE UNLOGGED TABLE queue (k text); INSERT INTO queue VALUES ('k')");
    let refused = site.within(UPGRADE, |store, cx| store.seal(cx).expect_err("missed"));
    assert!(refused.causes[0].ends_with("`public.queue`"), "{refused:?}");
    site.sql("DROP TABLE queue");
    site.within(UPGRADE, |store, cx| store.seal(cx).expect("seals"));
    let kept = site.within(UPGRADE, |store, cx| {
        let run = RunId::new(UPGRADE);
        store.sealed_contents(cx, &run).expect("read")
    });
    site.sql("TRUNCATE users");
    site.rolled_back();
    assert_eq!(
        site.sql("SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM cache)"),
        "5000|0"
    );
    assert_eq!(
        site.contents(),
        kept,
        "counts are as sealed, the empty one too"
    );
    site.sql("INSERT INTO cache VALUES ('it is a table like any other')");
}

#[test]
fn how_much_is_written_in_a_second_is_told() {
    let site = Site::new();
    let rate = || {
        let survey = site.whole_survey_as("admin", PASSWORD);
        survey.log_rate.expect("it tells")
    };
    site.sql("CHECKPOINT");
    let quiet = rate();
    assert!(quiet < 200_000, "{quiet}");
    site.sql(
        "CREATE TABLE noise AS SELECT repeat(md5(i::text), 30) FROM generate_series(1, 40000) i",
    );
    let busy = rate();
    assert!(busy > 1_000_000, "{busy}");
}
