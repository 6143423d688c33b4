//! Whatever is killed, ended or late: it goes on, or says what to do.

use std::cell::RefCell;
use std::fs;

use switchback_engine::ports::{Context, Datastore, Failure, Finding};
use switchback_model::RunId;
use switchback_model::event::{Completed, Outcome};
use switchback_model::plan::{BackupState, Expectation};

use super::site::{NAME, Site, Then, Writer, dying, nobody_writes};
use crate::bench::{ROLLBACK, UPGRADE, reached, restored};
use crate::cluster::{Cluster, signal, until};

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
    // Whoever made the copy goes on without us, and so does whoever checks it.
    dying(&site, UPGRADE, "checking the copy's files", |store, cx| {
        store.prepare(cx)
    });
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
    let site = Site::new();
    site.proven();
    let came: RefCell<Option<Writer>> = RefCell::default();
    let refused = site.within(UPGRADE, |store, cx| {
        let progress = Then::once("waiting for the last records", || {
                let writer = Writer::on(
                    &site.cluster,
                    "INSERT INTO users (name) VALUES ('somebody else'); SELECT pg_sleep(100)",
                );
                until("it wrote", || {
                    site.cluster.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app' AND wait_event = 'PgSleep'") == "1"
                });
                *came.borrow_mut() = Some(writer);
            });
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
fn a_slot_that_is_dropped_and_a_process_that_memory_ran_out_for_are_nothing_lost() {
    let site = Site::new();
    site.proven();
    let slots = "SELECT count(*) FROM pg_replication_slots";
    assert_eq!(site.cluster.sql("postgres", slots), "1");
    // A slot of the connection goes with it.
    site.cluster.sql(
        "postgres",
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots",
    );
    site.sql("INSERT INTO users (name) VALUES ('while there was no slot')");
    site.within(UPGRADE, |store, cx| {
        store.follow(cx).expect("follows");
        store.prove(cx).expect("proves");
    });
    assert_eq!(site.cluster.sql("postgres", slots), "1");
    // One process of the follower is what a machine without memory takes; the others then end.
    let follower = site.cluster.companion(UPGRADE, "follow");
    let follower = follower.expect("it follows");
    let children = format!("/proc/{follower}/task/{follower}/children");
    let children = fs::read_to_string(children).expect("it has children");
    let child = children.split_whitespace().next().expect("one child");
    signal(child.parse().expect("a number"), "KILL");
    until("the follower ended", || {
        site.cluster.companion(UPGRADE, "follow").is_none()
    });
    site.sql("INSERT INTO users (name) VALUES ('while nothing followed')");
    site.within(UPGRADE, |store, cx| {
        let again = store.seal(cx).expect("follows again, and is sealed");
        assert_eq!(again.completed, Completed::Done);
    });
    site.sql("TRUNCATE users");
    site.rolled_back();
    assert_eq!(site.sql("SELECT count(*) FROM users"), "5002");
}

#[test]
fn a_disk_that_fills_up_during_the_copy_is_said_and_nothing_half_stays() {
    let site = Site::on(Cluster::start_on_disk(300));
    assert!(site.cluster.has_disk());
    // Slow enough that the disk is full before the copy is whole.
    site.cluster.bench.slow_down(NAME, "4MB");
    let filler = site.cluster.bench.path("filler");
    let full = site.within(UPGRADE, |store, cx| {
        let progress = Then::once("copying the data", || {
            // The original shares the disk: without room for the checkpoint before the first file it would die.
            let first = site.shadow().join("data/base");
            until("files come", || first.exists());
            let file = fs::File::create(&filler).expect("made");
            let (mut filled, mut piece) = (0, 64 << 20);
            // The copy goes on meanwhile, so nobody can tell how much is free.
            while piece > 1 << 14 {
                let none = rustix::fs::FallocateFlags::empty();
                match rustix::fs::fallocate(&file, none, filled, piece) {
                    Ok(()) => filled += piece,
                    Err(_) => piece /= 2,
                }
            }
        });
        let cx = Context {
            progress: &progress,
            ..*cx
        };
        store.prepare(&cx).expect_err("no room")
    });
    assert_eq!(full.code, "disk-full", "{full:?}");
    assert!(full.hints[0].starts_with("free space"), "{full:?}");
    assert!(
        !site.shadow().join("data").exists(),
        "half a copy is what fills the disk"
    );
    assert_eq!(site.sql("SELECT count(*) FROM users"), "5000", "it is up");
    fs::remove_file(&filler).expect("removed");
    site.cluster.bench.slow_down(NAME, "1GB");
    site.proven();
    assert_eq!(site.look(BackupState::Compared), Finding::Holds);
}

/// Leaves so many bytes free where the site's disk is, of which others take some at the same time.
fn fill(site: &Site, but: u64) -> std::path::PathBuf {
    let filler = site.cluster.bench.path("filler");
    let file = fs::File::create(&filler).expect("made");
    let (mut filled, none) = (0, rustix::fs::FallocateFlags::empty());
    loop {
        let found = rustix::fs::statvfs(site.cluster.bench.root()).expect("asked");
        let Some(more) = (found.f_bavail * found.f_frsize).checked_sub(but) else {
            return filler;
        };
        let piece = more.clamp(1 << 12, 8 << 20);
        if rustix::fs::fallocate(&file, none, filled, piece).is_ok() {
            filled += piece;
        }
    }
}

#[test]
fn a_shadow_goes_before_its_original_has_no_room_left() {
    const LITTLE: u64 = 24 << 20;
    let site = Site::on(Cluster::start_on_disk(400));
    assert!(site.cluster.has_disk());
    site.cluster.bench.slow_down(NAME, "4MB");
    let full = |at: &'static str,
                call: fn(&dyn Datastore, &Context<'_>) -> Result<Outcome, Failure>| {
        let filler = RefCell::default();
        let failure = site.within(UPGRADE, |store, cx| {
            let progress = Then::once(at, || *filler.borrow_mut() = Some(fill(&site, LITTLE)));
            let cx = Context {
                progress: &progress,
                ..*cx
            };
            call(store, &cx).expect_err("no room for both")
        });
        assert_eq!(failure.code, "disk-full", "{failure:?}");
        assert!(failure.what.starts_with("hardly any space"), "{failure:?}");
        assert!(!site.shadow().join("data").exists(), "{at}");
        assert_ne!(site.look(BackupState::Prepared), Finding::Holds, "{at}");
        assert_eq!(site.sql("SELECT count(*) FROM users"), "5000", "it is up");
        for name in ["copy", "follow"] {
            assert_eq!(site.cluster.companion(UPGRADE, name), None, "{at}");
        }
        fs::remove_file(filler.take().expect("filled")).expect("removed");
    };
    full("copying the data", |store, cx| store.prepare(cx));
    site.cluster.bench.slow_down(NAME, "1GB");
    full("waiting for the shadow's server", |store, cx| {
        store.prepare(cx)
    });
    site.prepared();
    full("comparing", |store, cx| store.prove(cx));
    site.within(UPGRADE, |store, cx| {
        store.follow(cx).expect("is begun anew");
        store.prove(cx).expect("proves");
    });
    assert_eq!(site.look(BackupState::Compared), Finding::Holds);
}
