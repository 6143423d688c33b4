//! The crash sweep: `kill -9` at chosen and random points, the same command again, until done.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Case;
use super::judge;
use super::lab::Lab;
use super::subject::{BACK, Subject, as_strs};
use crate::images::Edition;

/// Upgrades that are killed, and how often each.
const UPGRADES: u64 = 5;
const KILLS_PER_UPGRADE: u64 = 10;

/// Ways back that are killed, and how often each.
const WAYS_BACK: u64 = 2;
const KILLS_PER_WAY_BACK: u64 = 6;

/// Where a process is killed.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// As soon as it has told this many events: right after a journal write or the beginning of an effect.
    Event(u64),
    /// After this time: in the middle of whatever it does then.
    After(Duration),
}

/// A generator whose numbers are the same in every run of the tests, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// Chosen points go through all early events in turn; random ones are anywhere in the first seconds.
    fn point(&mut self, number: u64) -> Point {
        if number.is_multiple_of(2) {
            Point::Event(1 + self.throw(24))
        } else {
            Point::After(Duration::from_millis(100 + self.throw(6_000)))
        }
    }
}

pub(super) fn cases() -> Vec<Case> {
    let upgrades = (0..UPGRADES).map(|number| {
        Case::new(format!("crash_upgrade_{number}"), move |lab| {
            upgrade(lab, number)
        })
    });
    let back = (0..WAYS_BACK).map(|number| {
        Case::new(format!("crash_rollback_{number}"), move |lab| {
            way_back(lab, number)
        })
    });
    upgrades.chain(back).collect()
}

/// An upgrade that is killed again and again reaches its target, and nothing ran twice that may not.
fn upgrade(lab: &Lab, number: u64) -> Result<()> {
    let subject = Subject::new(lab, &format!("crash-up-{number}"), edition(number))?;
    if number % 3 == 1 {
        subject
            .deployment
            .set_environment("STANDIN_SLOW_MS", "700")?;
        subject.deployment.start()?;
    }
    let words = Subject::apply_words(&subject.plan()?);
    killed(
        &subject,
        &as_strs(&words),
        &mut Dice(number),
        KILLS_PER_UPGRADE,
    )?;
    lab.count_killed_run();
    judge::upgraded(&subject)?;
    subject.remove()
}

/// A migration fails half way; the way back is killed again and again and still leads to where the run began.
fn way_back(lab: &Lab, number: u64) -> Result<()> {
    let subject = Subject::new(lab, &format!("crash-back-{number}"), edition(number))?;
    subject
        .deployment
        .set_environment("STANDIN_FAIL_MIGRATION", "20240103000001")?;
    subject.deployment.start()?;
    let words = Subject::apply_words(&subject.plan()?);
    subject.expect(&as_strs(&words), 4)?;
    killed(&subject, &BACK, &mut Dice(100 + number), KILLS_PER_WAY_BACK)?;
    lab.count_killed_run();
    judge::restored(&subject)?;
    subject.remove()
}

/// Kills the command a number of times, starting it again each time, and lets the last try end.
fn killed(subject: &Subject<'_>, words: &[&str], dice: &mut Dice, times: u64) -> Result<()> {
    let mut points = Vec::new();
    for number in 0..times {
        let point = dice.point(number);
        points.push(point);
        let mut running = subject.begin(words)?;
        match point {
            Point::Event(count) => {
                for _ in 0..count {
                    if running.next_line()?.is_none() {
                        break;
                    }
                }
            }
            Point::After(time) => std::thread::sleep(time),
        }
        if !running.kill()? {
            // It had come to its end; what that was is judged below, by the same command once more.
            break;
        }
        subject.lab().count_kill();
    }
    let (code, told) = subject.begin(words)?.finish()?;
    let done = code == Some(0) || nothing_open(&told, subject)?;
    let stderr = std::fs::read_to_string(subject.state().join("stderr")).unwrap_or_default();
    ensure!(
        done,
        "after kills at {points:?} `{}` ended with {code:?}\n{told}\n{stderr}",
        words.join(" ")
    );
    Ok(())
}

/// Whether the last run had ended well before the command was given once more.
fn nothing_open(told: &str, subject: &Subject<'_>) -> Result<bool> {
    let status = subject
        .expect(&["status", "--format", "json"], 0)
        .context("no status")?;
    Ok(told.is_empty() && !status.stdout.contains("halted"))
}

/// Every fourth deployment is Enterprise: more migrations, more services.
fn edition(number: u64) -> Edition {
    if number % 4 == 3 {
        Edition::Enterprise
    } else {
        Edition::OpenSource
    }
}
