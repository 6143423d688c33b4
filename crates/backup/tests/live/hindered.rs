//! What stands in the way, and what is said about it.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use switchback_backup::{Opened, Settings, Storing};
use switchback_engine::ports::Failure;
use switchback_engine::process::Secret;

use super::bench::{Bench, PASSWORD, files, noise};

fn seen<'a>(failure: &'a Failure, subject: &str) -> &'a str {
    failure
        .state
        .iter()
        .find(|state| state.subject == subject)
        .and_then(|state| state.seen.as_deref())
        .unwrap_or_default()
}

#[test]
fn a_repository_that_is_not_there_is_not_made_by_accident() {
    let Some(bench) = Bench::new() else { return };
    let failure = bench.open().expect_err("there is none");
    let repository = bench.settings().repository;
    assert_eq!(
        failure.what,
        format!("there is no backup repository at `{repository}`")
    );
    assert_eq!(seen(&failure, "repository"), "nothing was made there");
    assert!(failure.hints[0].contains("mount it"), "{failure:?}");
    assert!(
        failure.hints[1].contains("switchback backup create --init"),
        "{failure:?}"
    );
    assert!(!Path::new(&repository).exists());
}

#[test]
fn a_wrong_password_is_called_so_and_shown_nowhere() {
    let Some(bench) = Bench::new() else { return };
    drop(bench.create());
    let settings = Settings {
        password: Secret::new("a wrong password"),
        ..bench.settings()
    };
    let failure = Opened::open(settings, &bench.commands).expect_err("it is wrong");
    assert_eq!(failure.code, "repository-password");
    assert!(
        failure
            .what
            .starts_with("the password does not open the backup repository"),
        "{failure:?}"
    );
    assert!(
        failure
            .causes
            .iter()
            .any(|cause| cause == "wrong password or no key found"),
        "{failure:?}"
    );
    assert!(
        failure.hints[0].contains("`password` under [backup]"),
        "{failure:?}"
    );
    let all = format!("{failure:?}");
    assert!(
        !all.contains("a wrong password") && !all.contains(PASSWORD),
        "{all}"
    );
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for_a_quarter_of_an_hour() {
    let Some(bench) = Bench::new() else { return };
    // A port that was free a moment ago: nobody is there.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its number").port();
    drop(taken);
    let settings = Settings {
        repository: format!("rest:http://127.0.0.1:{port}/"),
        ..bench.settings()
    };
    let begun = std::time::Instant::now();
    let failure = Opened::open(settings, &bench.commands).expect_err("nobody answers");
    assert!(begun.elapsed() < std::time::Duration::from_secs(60));
    assert_eq!(failure.code, "repository-unreachable", "{failure:?}");
    assert!(
        failure.hints[0].contains("network and the server are up"),
        "{failure:?}"
    );
}

#[test]
fn a_missing_program_is_missed_before_anything_is_touched() {
    let Some(bench) = Bench::new() else { return };
    let settings = Settings {
        program: bench.path("restic").display().to_string(),
        ..bench.settings()
    };
    let failure = Opened::create(settings, &bench.commands).expect_err("it is missing");
    assert_eq!(failure.code, "restic-missing");
    assert!(
        failure
            .what
            .ends_with("is not installed: it keeps the backup repository")
    );
    assert!(failure.hints[0].contains("0.17 or newer"), "{failure:?}");
    assert_eq!(seen(&failure, "repository"), "not touched");
}

/// A program in the place of restic.
fn program(bench: &Bench, script: &str) -> Settings {
    let path = bench.path("program");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("executable");
    Settings {
        program: path.display().to_string(),
        ..bench.settings()
    }
}

#[test]
fn an_old_program_is_refused() {
    let Some(bench) = Bench::new() else { return };
    let settings = program(
        &bench,
        "echo 'restic 0.14.0 compiled with go1.19.8 on linux/amd64'",
    );
    let failure = Opened::open(settings, &bench.commands).expect_err("it is old");
    assert_eq!(failure.code, "restic-too-old");
    assert!(
        failure.what.contains("is too old: restic 0.14.0"),
        "{failure:?}"
    );
    assert!(
        failure.hints[0].starts_with("install a newer one"),
        "{failure:?}"
    );
}

#[test]
fn a_backup_of_which_a_file_could_not_be_read_is_taken_back() {
    let Some(bench) = Bench::new() else { return };
    drop(bench.create());
    // Stores, and says that something was unreadable, which root never meets by itself.
    let settings = program(
        &bench,
        "for word; do case $word in backup) backup=yes;; esac; done\n\
         restic \"$@\" || exit $?\n\
         [ -z \"$backup\" ] || exit 3",
    );
    let opened = Opened::open(settings, &bench.commands).expect("opened");
    let mut locked = bench.lock(opened);
    let failure = locked
        .store(&bench.copy("r-1", b"data"), &bench.heard)
        .expect_err("not all was read");
    assert_eq!(failure.code, "backup-source-unreadable");
    assert_eq!(
        seen(&failure, "repository"),
        "the incomplete backup is not in it"
    );
    assert!(locked.opened().backups(None).is_empty());
}

/// A small filesystem of its own, unmounted in the end.
struct Small(std::path::PathBuf);

impl Small {
    /// `None` for a user who may not mount anything.
    fn mount(path: &Path, size: &str) -> Option<Self> {
        fs::create_dir(path).expect("a place to mount it");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(path)
            .status()
            .is_ok_and(|status| status.success());
        mounted.then(|| Self(path.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "says what was not tried, and why")]
fn a_full_repository_keeps_what_it_had() {
    let Some(bench) = Bench::new() else { return };
    let Some(_small) = Small::mount(&bench.path("repository"), "24m") else {
        println!("not tried: only root may mount a small filesystem");
        return;
    };
    let mut locked = bench.create();
    let Storing::Done { id, .. } = locked
        .store(&bench.copy("r-1", &noise(2_000_000)), &bench.heard)
        .expect("stored")
    else {
        panic!("there was none");
    };
    let failure = locked
        .store(&bench.copy("r-2", &noise(60_000_000)), &bench.heard)
        .expect_err("there is no room");
    assert_eq!(failure.code, "repository-full", "{failure:?}");
    assert_eq!(
        seen(&failure, "repository"),
        "every earlier backup is whole; this one is not in it"
    );
    assert!(
        failure.hints[0].starts_with("free space there"),
        "{failure:?}"
    );
    drop(locked);
    let opened = bench.open().expect("it opens");
    assert_eq!(opened.backups(None).len(), 1);
    opened
        .fetch(
            opened.find(id.as_str()).expect("there"),
            &bench.path("back"),
            &bench.heard,
        )
        .expect("what was in it comes back");
}

#[test]
#[expect(clippy::print_stdout, reason = "says what was not tried, and why")]
fn a_place_without_room_is_refused_before_it_is_filled() {
    let Some(bench) = Bench::new() else { return };
    let Some(_small) = Small::mount(&bench.path("small"), "1m") else {
        println!("not tried: only root may mount a small filesystem");
        return;
    };
    let mut locked = bench.create();
    locked
        .store(&bench.copy("r-1", &noise(4_000_000)), &bench.heard)
        .expect("stored");
    let opened = locked.unlock();
    let failure = opened
        .fetch(
            opened.backups(None)[0],
            &bench.path("small/back"),
            &bench.heard,
        )
        .expect_err("there is no room");
    assert_eq!(failure.code, "restore-space");
    assert!(failure.hints[0].contains("--to DIR"), "{failure:?}");
    assert!(files(&bench.path("small")).is_empty(), "nothing was begun");
}

#[test]
fn one_flipped_byte_is_found_when_it_is_fetched() {
    let Some(bench) = Bench::new() else { return };
    let mut locked = bench.create();
    locked
        .store(&bench.copy("r-1", &noise(1_000_000)), &bench.heard)
        .expect("stored");
    let opened = locked.unlock();
    let packs = files(&bench.path("repository/data"));
    let largest = packs
        .iter()
        .max_by_key(|path| path.metadata().map_or(0, |found| found.len()))
        .expect("a pack");
    fs::set_permissions(largest, Permissions::from_mode(0o600)).expect("writable");
    let pack = OpenOptions::new()
        .read(true)
        .write(true)
        .open(largest)
        .expect("opened");
    let mut byte = [0];
    pack.read_exact_at(&mut byte, 5_000).expect("read");
    pack.write_all_at(&[byte[0] ^ 1], 5_000).expect("written");
    let place = bench.path("back");
    let failure = opened
        .fetch(opened.backups(None)[0], &place, &bench.heard)
        .expect_err("it is damaged");
    assert_eq!(failure.code, "backup-damaged", "{failure:?}");
    assert!(
        failure
            .what
            .ends_with("cannot be read back from the repository"),
        "{failure:?}"
    );
    assert!(!place.exists());
}
