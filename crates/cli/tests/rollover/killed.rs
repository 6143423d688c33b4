//! `kill -9` after every journal write: the same command goes on, and nothing is brought twice.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use super::scene::Scene;
use super::whole::judge;

/// Kills the command once it has told `count` events; `false` where it had come to its end before.
fn killed_after(scene: &Scene, words: &[&str], count: usize) -> bool {
    let mut child = scene
        .command(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it can be started");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut told = 0;
    while told < count {
        match lines.next() {
            // Progress is told, and never written down.
            Some(Ok(line)) if line.contains("\"progress\"") => {}
            Some(Ok(_)) => told += 1,
            _ => break,
        }
    }
    let cut = told == count;
    if cut {
        child.kill().expect("it was started here");
    }
    child.wait().expect("it was started here");
    cut
}

#[test]
fn killed_at_every_journal_write_it_goes_on() {
    let mut deaths = 0;
    for count in 1.. {
        let scene = Scene::new();
        let before = scene.old_as_it_is();
        let plan = scene.planned();
        let words = [
            "apply",
            &plan,
            "--accept",
            "no-history",
            "--yes",
            "--format",
            "json",
        ];
        let cut = killed_after(&scene, &words, count);
        let resumed = scene.type_in(&words);
        assert_eq!(resumed.code, 0, "killed after {count}: {resumed:#?}");
        judge(&scene);
        assert_eq!(scene.old_as_it_is(), before, "killed after {count}");
        let installed = scene.new.state().executions.len();
        assert_eq!(
            installed, 2,
            "killed after {count}: each pack is installed once"
        );
        if !cut {
            break;
        }
        deaths += 1;
    }
    assert!(deaths >= 20, "{deaths} deaths");
}

#[test]
fn killed_again_and_again_it_comes_to_its_end() {
    let scene = Scene::new();
    let plan = scene.planned();
    let words = [
        "apply",
        &plan,
        "--accept",
        "no-history",
        "--yes",
        "--format",
        "json",
    ];
    let mut deaths = 0;
    while killed_after(&scene, &words, 3) {
        deaths += 1;
        assert!(deaths < 100, "it does not come forward");
    }
    judge(&scene);
    assert!(deaths >= 5, "{deaths} deaths");
}
