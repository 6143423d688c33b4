//! What dies, who is in the way, and what fills up: nothing half stays.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use switchback_engine::ports::Finding;
use switchback_model::RunId;
use switchback_model::plan::Expectation;

use super::site::{NAME, filled, kept};
use crate::bench::{ROLLBACK, SmallDisk, UPGRADE, released, restored};
use crate::cluster::Cluster;

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
    // Its size served to be killed in the middle.
    cluster.sql("app", "DROP TABLE big");
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
