//! Stored, found, fetched, proven, removed.

use std::fs;

use switchback_backup::{Copy, Opened, Retention, Storing};
use switchback_engine::clock::{Clock as _, SystemClock};
use switchback_model::calendar::Moment;

use super::bench::{Bench, MADE, labels, noise};

#[test]
fn what_is_stored_comes_back_byte_for_byte() {
    let Some(bench) = Bench::new() else { return };
    let mut locked = bench.create();
    let beside = bench.path("elsewhere/.switchback-shadow");
    fs::create_dir_all(&beside).expect("made");
    fs::write(beside.join("base"), b"a shadow's").expect("written");
    let copy = Copy {
        beside: vec![beside.clone()],
        ..bench.copy("r-1", &noise(300_000))
    };
    let Storing::Done { id, added } = locked.store(&copy, &bench.heard).expect("stored") else {
        panic!("it was not there before");
    };
    assert!(added > 300_000, "noise does not shrink: {added}");
    // The same again is one backup.
    assert_eq!(
        locked.store(&copy, &bench.heard).expect("stored"),
        Storing::Already(id.clone())
    );
    drop(locked);

    let opened = bench.open().expect("opened");
    let backups = opened.backups(Some("tts"));
    assert_eq!(backups.len(), 1);
    assert_eq!((&backups[0].id, backups[0].made), (&id, MADE));
    assert_eq!(backups[0].labels, labels("r-1"));
    assert!(opened.backups(Some("other")).is_empty());

    let place = bench.path("back");
    let fetched = opened
        .fetch(backups[0], &place, &bench.heard)
        .expect("fetched");
    let read = |path: std::path::PathBuf| fs::read(path).expect("it came back");
    assert_eq!(
        read(fetched.copy().join("copy/data")),
        read(copy.directory.join("copy/data"))
    );
    assert_eq!(read(fetched.beside(&beside).join("base")), b"a shadow's");

    // Nothing is overwritten, not even by the same.
    let failure = opened
        .fetch(backups[0], &place, &bench.heard)
        .expect_err("it is there");
    assert_eq!(failure.code, "restore-exists");
    assert_eq!(failure.state[0].subject, "directory");

    // A proof is written down, and the backup is still called the same.
    let (proven, ()) = fetched.read_by(|_| Ok(())).expect("read");
    let mut locked = bench.lock(opened);
    locked.mark(&proven).expect("marked");
    let marked = locked.opened().find(id.as_str()).expect("found").clone();
    assert_eq!(
        marked.proven_on(),
        Some(
            Moment(SystemClock::default().now())
                .day()
                .to_string()
                .as_str()
        )
    );
    assert_ne!(marked.snapshot, backups_snapshot(&id));
    assert_eq!(marked.made, MADE);
}

/// The first digits of a snapshot that was never given a new id.
fn backups_snapshot(id: &switchback_backup::BackupId) -> String {
    id.as_str().trim_start_matches("b-").to_owned()
}

#[test]
fn a_proof_that_fails_proves_nothing() {
    let Some(bench) = Bench::new() else { return };
    let mut locked = bench.create();
    locked
        .store(&bench.copy("r-1", b"data"), &bench.heard)
        .expect("stored");
    let opened = locked.unlock();
    let fetched = opened
        .fetch(opened.backups(None)[0], &bench.path("back"), &bench.heard)
        .expect("fetched");
    let refused = fetched.read_by(|_| -> Result<(), _> {
        Err(switchback_engine::ports::Failure::new(
            "backup-differs",
            "it differs",
        ))
    });
    assert_eq!(refused.expect_err("not proven").code, "backup-differs");
}

/// The judgement that a list shows is the one that restic itself would make.
#[test]
fn a_retention_means_what_it_means_to_restic() {
    let Some(bench) = Bench::new() else { return };
    let mut locked = bench.create();
    // Over year ends, week ends and several a day.
    let hours = [0, 5, 26, 49, 120, 121, 400, 900, 2_000, 5_000, 9_000];
    for hour in hours {
        let copy = Copy {
            made: Moment(MADE.0 - hour * 3_600_000),
            ..bench.copy("r-1", b"data")
        };
        locked.store(&copy, &bench.heard).expect("stored");
    }
    let opened = locked.unlock();
    let stored: Vec<_> = opened.backups(None).into_iter().cloned().collect();
    assert_eq!(stored.len(), hours.len());
    for (last, daily, weekly, monthly) in [(1, 3, 0, 0), (4, 0, 2, 3), (2, 2, 4, 12), (1, 0, 0, 2)]
    {
        let some = |number: u32| Some(number).filter(|number| *number > 0);
        let retention = Retention {
            last: Some(last),
            daily: some(daily),
            weekly: some(weekly),
            monthly: some(monthly),
        };
        let mut ours: Vec<String> = retention
            .judge(&stored)
            .into_iter()
            .filter(|kept| !kept.expired)
            .map(|kept| kept.id.as_str().trim_start_matches("b-").to_owned())
            .collect();
        let numbers = [last, daily, weekly, monthly].map(|number| number.to_string());
        let answer = bench.restic(&[
            "forget",
            "--dry-run",
            "--no-lock",
            "--json",
            "--group-by",
            "host",
            "--keep-last",
            &numbers[0],
            "--keep-daily",
            &numbers[1],
            "--keep-weekly",
            &numbers[2],
            "--keep-monthly",
            &numbers[3],
        ]);
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        let mut theirs: Vec<String> = answer[0]["keep"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|kept| kept["short_id"].as_str().expect("an id").to_owned())
            .collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{retention:?}");
    }
}

#[test]
fn what_expired_goes_and_the_rest_stays_whole() {
    let Some(bench) = Bench::new() else { return };
    let mut locked = bench.create();
    let old = Copy {
        made: Moment(MADE.0 - 86_400_000),
        ..bench.copy("r-1", &noise(200_000))
    };
    locked.store(&old, &bench.heard).expect("stored");
    let new = bench.copy("r-2", &noise(200_001)[1..]);
    locked.store(&new, &bench.heard).expect("stored");
    let newest_only = Retention {
        last: Some(1),
        ..Retention::default()
    };
    let stored: Vec<_> = locked.opened().backups(None).into_iter().cloned().collect();
    let expired: Vec<_> = newest_only
        .judge(&stored)
        .into_iter()
        .filter(|kept| kept.expired)
        .map(|kept| kept.id)
        .collect();
    assert_eq!(expired, [stored[0].id.clone()]);
    let freed = locked.remove(&expired, &bench.heard).expect("removed");
    assert_eq!(freed.backups, expired);
    // Once more: there is nothing to do, and it says so.
    assert!(
        locked
            .remove(&expired, &bench.heard)
            .expect("nothing")
            .backups
            .is_empty()
    );
    drop(locked);
    let opened = Opened::open(bench.settings(), &bench.commands).expect("opened");
    assert_eq!(opened.backups(None).len(), 1);
    bench.restic(&["check", "--read-data"]);
}
