//! Killed in the middle: the same command again, and nothing else, puts it right.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use switchback_backup::Storing;

use super::bench::{Bench, PASSWORD, files, noise};

/// Waits for something that a process of ours is about to do.
fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < Duration::from_mins(1), "no {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Kills the one child that is noted in the registry, as `kill -9` would.
fn kill_child(children: &Path) {
    let mut pid = None;
    wait_for("child", || {
        pid = fs::read_dir(children).ok().and_then(|mut entries| {
            entries
                .next()?
                .ok()?
                .file_name()
                .to_str()?
                .parse::<i32>()
                .ok()
        });
        pid.is_some()
    });
    let pid = rustix::process::Pid::from_raw(pid.expect("a pid")).expect("a pid");
    rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).expect("killed");
}

#[test]
fn a_killed_store_leaves_no_backup_and_the_next_one_is_whole() {
    let Some(bench) = Bench::new() else { return };
    let mut locked = bench.create();
    let copy = bench.copy("r-1", &noise(96_000_000));
    let children = bench.path("children");
    let data = bench.path("repository/data");
    let before = files(&data).len();
    let killer = thread::spawn(move || {
        wait_for("pack", || files(&data).len() > before);
        kill_child(&children);
    });
    let failure = locked
        .store(&copy, &bench.heard)
        .expect_err("it was killed");
    killer.join().expect("it killed");
    assert!(!failure.hints.is_empty(), "{failure:?}");
    assert!(
        !files(&bench.path("repository/locks")).is_empty(),
        "a dead lock stayed"
    );
    drop(locked);

    let opened = bench.open().expect("it opens");
    assert!(opened.backups(None).is_empty(), "half a backup is none");
    let mut locked = bench.lock(opened);
    let Storing::Done { id, .. } = locked.store(&copy, &bench.heard).expect("stored") else {
        panic!("there was none");
    };
    // Removing needs the repository for itself: the dead one's lock must not be in the way.
    locked.remove(&[id], &bench.heard).expect("removed");
    assert!(
        files(&bench.path("repository/locks")).is_empty(),
        "a lock stayed"
    );
    bench.restic(&["check", "--read-data"]);
}

#[test]
fn a_killed_fetch_leaves_no_directory_and_the_next_one_is_whole() {
    let Some(bench) = Bench::new() else { return };
    let mut locked = bench.create();
    let copy = bench.copy("r-1", &noise(96_000_000));
    locked.store(&copy, &bench.heard).expect("stored");
    let opened = locked.unlock();
    let place = bench.path("back");
    let (children, part) = (bench.path("children"), bench.path("back.part"));
    let killer = thread::spawn(move || {
        wait_for("file", || part.exists() && !files(&part).is_empty());
        kill_child(&children);
    });
    let backup = opened.backups(None)[0].clone();
    opened
        .fetch(&backup, &place, &bench.heard)
        .expect_err("it was killed");
    killer.join().expect("it killed");
    assert!(!place.exists(), "what has the name is whole");
    let fetched = opened
        .fetch(&backup, &place, &bench.heard)
        .expect("fetched");
    assert_eq!(
        fs::read(fetched.copy().join("copy/data")).expect("it came back"),
        fs::read(copy.directory.join("copy/data")).expect("it is there")
    );
    assert!(!bench.path("back.part").exists());
}

#[test]
fn a_living_lock_is_left_and_its_holder_named() {
    let Some(bench) = Bench::new() else { return };
    let mut locked = bench.create();
    let Storing::Done { id, .. } = locked
        .store(&bench.copy("r-1", b"data"), &bench.heard)
        .expect("stored")
    else {
        panic!("there was none");
    };
    // Reads from a pipe that nobody closes: it holds its lock for as long as we want.
    let mut other = Command::new("restic")
        .args(["--repo", &bench.settings().repository, "backup", "--stdin"])
        .env("RESTIC_PASSWORD", PASSWORD)
        .env("RESTIC_CACHE_DIR", bench.path("cache"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("restic starts");
    let locks = bench.path("repository/locks");
    wait_for("lock", || !files(&locks).is_empty());
    let failure = locked
        .remove(std::slice::from_ref(&id), &bench.heard)
        .expect_err("it is locked");
    assert_eq!(failure.code, "repository-locked");
    assert!(
        failure.causes.iter().any(|cause| cause
            .contains(&format!("shared lock of process {} of", other.id()))
            && cause.ends_with("which runs")),
        "{failure:?}"
    );
    assert_eq!(failure.state[0].seen.as_deref(), Some("unchanged"));
    assert!(failure.hints[0].starts_with("wait until"), "{failure:?}");
    assert!(!files(&locks).is_empty(), "a living lock was removed");

    // The same holder, dead: its lock goes with nobody's help.
    other.kill().expect("killed");
    other.wait().expect("ended");
    locked.remove(&[id], &bench.heard).expect("removed");
}

#[test]
fn a_second_switchback_waits_and_can_be_told_to_stop() {
    let Some(bench) = Bench::new() else { return };
    let locked = bench.create();
    let opened = bench.open().expect("looking needs no lock");
    bench.stop.raise();
    let failure = opened
        .lock(&bench.heard, &bench.stop)
        .expect_err("it is held");
    assert!(failure.stopped);
    assert_eq!(
        failure.what,
        format!(
            "stopped by the operator while waiting for process {}",
            std::process::id()
        )
    );
    assert!(bench.heard.0.borrow()[0].starts_with("waiting for process"));
    drop(locked);
    let opened = bench.open().expect("opened");
    opened
        .lock(&bench.heard, &bench.stop)
        .expect("nobody holds it now");
}
