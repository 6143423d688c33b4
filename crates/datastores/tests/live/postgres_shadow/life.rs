//! There and back: while nothing happens, while somebody writes, and with whatever the operator configured.

use std::fs;
use std::time::Instant;

use switchback_engine::ports::Finding;
use switchback_model::event::Completed;
use switchback_model::observed::Shadowing;
use switchback_model::plan::BackupState;
use switchback_model::{Contents, RunId};

use super::site::{NAME, Site, Writer, nobody_writes};
use crate::bench::{ROLLBACK, UPGRADE, released};
use crate::cluster::{Cluster, PASSWORD, until};

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
    until("the original forgets the slot", || {
        let slots = "SELECT count(*) FROM pg_replication_slots";
        site.cluster.sql("postgres", slots) == "0"
    });
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
