//! `kill -9` after every journal write: the same command goes on, and nothing is brought twice.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

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

/// Waits until something holds, while a command runs.
fn until(scene: &Scene, running: &mut Child, holds: impl Fn(&Scene) -> bool) {
    let since = Instant::now();
    while !holds(scene) {
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "waited for nothing"
        );
        let ended = running.try_wait().expect("it was started here");
        assert_eq!(ended, None, "it did not wait");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_installation_that_goes_on_is_waited_for_and_not_begun_again() {
    let scene = Scene::new();
    let plan = scene.planned();
    let words = ["apply", &plan, "--accept", "no-history", "--yes"];
    let begin = || {
        let mut command = scene.command(&words);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("it can be started")
    };
    scene.new.state().holds_installations = true;
    let mut first = begin();
    until(&scene, &mut first, |scene| {
        !scene.new.state().asked_about.is_empty()
    });
    first.kill().expect("it was started here");
    first.wait().expect("it was started here");

    let asked = scene.new.state().asked_about.len();
    let mut second = begin();
    until(&scene, &mut second, |scene| {
        scene.new.state().asked_about.len() > asked + 1
    });
    assert_eq!(scene.new.state().executions.len(), 1, "begun twice");
    assert!(scene.new.state().packs.is_empty(), "installed already");
    scene.new.state().end_installations();
    let ended = second.wait().expect("it was started here");
    assert!(ended.success(), "{ended}");
    judge(&scene);
    assert_eq!(scene.new.state().executions.len(), 2, "each pack once");
}
