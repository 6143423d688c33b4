//! The page about backups promises that restic alone is enough. What it says is typed here, word by word.

use std::fs;
use std::process::Command;

use super::bench::{Bench, PASSWORD, noise};

/// The commands of the page's last section.
fn documented() -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/backups.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let (_, section) = page
        .split_once("## With restic alone\n")
        .expect("the section is there");
    let (_, block) = section.split_once("```sh\n").expect("a block of commands");
    let (block, _) = block.split_once("```").expect("its end");
    block.to_owned()
}

#[test]
fn a_person_with_restic_lists_checks_and_restores() {
    let Some(bench) = Bench::new() else { return };
    let mut locked = bench.create();
    let older = switchback_backup::Copy {
        made: switchback_model::calendar::Moment(super::bench::MADE.0 - 86_400_000),
        ..bench.copy("r-1", b"older")
    };
    locked.store(&older, &bench.heard).expect("stored");
    let newest = bench.copy("r-2", &noise(500_000));
    locked.store(&newest, &bench.heard).expect("stored");
    drop(locked);

    let password = bench.path("password");
    fs::write(&password, format!("{PASSWORD}\n")).expect("written");
    let target = bench.path("target");
    let script = documented();
    for said in [
        "restic snapshots ",
        "restic check --read-data",
        "restic restore latest ",
        "deployment:lorawan",
    ] {
        assert!(script.contains(said), "the page no longer says `{said}`");
    }
    // The page's example places and name, in the places and the name of this test.
    let script = script
        .replace("/srv/backups/lorawan", &bench.settings().repository)
        .replace(
            "/etc/lorawan/repository-password",
            &password.display().to_string(),
        )
        .replace("/srv/back\n", &format!("{}\n", target.display()))
        .replace("deployment:lorawan", "deployment:tts");
    let output = Command::new("sh")
        .args(["-euc", &script])
        .env("RESTIC_CACHE_DIR", bench.path("cache"))
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for expected in [
        "run:r-1",
        "run:r-2",
        "version:3.23.2",
        "no errors were found",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert_eq!(
        fs::read(target.join("identity/copy/data")).expect("it came back"),
        fs::read(newest.directory.join("copy/data")).expect("it is there"),
    );
    assert!(target.join("identity/manifest.json").is_file());
}
