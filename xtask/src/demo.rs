//! `cargo xtask demo`: one real upgrade, then one that goes wrong in every way, on a deployment with data.

mod narrator;

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use self::narrator::{act, note, prompt, say};
use crate::deployment::{Contents, Deployment, verify_section};
use crate::images::Edition;
use crate::setup::{self, Engine};
use crate::tool::{Tool, cargo, docker, tool};
use crate::{images, paths};

const FROM: &str = "3.23.2";
const TO: &str = "3.32.1";

/// End devices: a few thousand rows and keys, seconds of work.
const ROWS: u32 = 2_000;

/// The migration that is made to fail after half of its work.
const FAILING: &str = "20240103000001";

/// How long the demo waits for a moment that it wants to show.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs the demo and leaves nothing behind.
pub(crate) fn run() -> Result<()> {
    if setup::all()? == Engine::Missing {
        bail!("the demo needs a Docker Engine, and none can run here");
    }
    images::all()?;
    note("building switchback");
    cargo()
        .dir(&paths::root())
        .args(["build", "--quiet", "--package", "switchback"])
        .run()?;
    let stage = Stage::open()?;
    let shown = stage.show();
    stage.close()?;
    shown
}

/// The deployment and the operator's shell.
struct Stage {
    deployment: Deployment,
    binary: PathBuf,
    state: PathBuf,
}

impl Stage {
    fn open() -> Result<Self> {
        let dir = paths::work()?.join("demo");
        let place = dir.join("lorawan");
        let stage = Self {
            deployment: match Deployment::open(&place) {
                Ok(left) => {
                    left.remove()?;
                    Deployment::write(&place, 21_885, Edition::OpenSource, FROM)?
                }
                Err(_) => Deployment::write(&place, 21_885, Edition::OpenSource, FROM)?,
            },
            binary: paths::target().join("debug/switchback"),
            state: dir.join("state"),
        };
        if stage.state.exists() {
            fs::remove_dir_all(&stage.state)?;
        }
        fs::create_dir_all(&stage.state)?;
        note("bringing up a deployment with data");
        stage.deployment.install(FROM, ROWS)?;
        Ok(stage)
    }

    fn show(&self) -> Result<()> {
        let before = Contents::read(&self.deployment)?;
        act("A deployment of The Things Stack, as its documentation describes it");
        say(&format!(
            "It runs {FROM} in Docker Compose and holds {before}."
        ));
        self.upgrade(&before)?;
        self.back(&before)?;
        self.trouble(&before)
    }

    /// The straight way.
    fn upgrade(&self, before: &Contents) -> Result<()> {
        act("An upgrade over nine minor releases");
        self.type_in(&["init"])?;
        let file = self.deployment.dir().join("switchback.toml");
        let text = fs::read_to_string(&file)?;
        fs::write(&file, text + &verify_section())?;
        say(
            "We add a key, so that the upgrade is proven by creating, reading and deleting a device:",
        );
        say(verify_section().trim());
        self.type_in(&["plan", "--to", TO])?;
        self.type_in(&["apply", "--yes", "--accept", "contact-infos"])?;
        let after = Contents::read_like(&self.deployment, before)?;
        let changed = before.differences(&after);
        act("What changed in the data");
        for line in changed
            .iter()
            .filter(|line| !line.contains("last-invalidation"))
        {
            say(line);
        }
        let migrated = changed
            .iter()
            .filter(|line| line.contains("last-invalidation"))
            .count();
        say(&format!(
            "and {migrated} keys that ns-db of 3.25 removes. All else is as it was: {after}."
        ));
        Ok(())
    }

    /// And back, with the data of before.
    fn back(&self, before: &Contents) -> Result<()> {
        act("Going back: image, database, keys and files as one");
        self.type_in(&["rollback", "--yes"])?;
        self.compare(before)
    }

    /// A failing migration, a dead process, a resumed run, a way back.
    fn trouble(&self, before: &Contents) -> Result<()> {
        act("The same upgrade, and everything goes wrong");
        say(&format!(
            "From here on migration {FAILING} fails after half of its work, and every migration is slow."
        ));
        self.deployment
            .set_environment("STANDIN_FAIL_MIGRATION", FAILING)?;
        self.deployment.set_environment("STANDIN_SLOW_MS", "1500")?;
        self.deployment.start()?;
        self.type_quietly(&["plan", "--to", TO])?;
        let apply = ["apply", "--yes", "--accept", "contact-infos"];
        prompt(&apply);
        let mut child = self
            .switchback(&apply)
            .into_command()
            .spawn()
            .context("cannot start switchback")?;
        self.wait_for_migration(&mut child)?;
        std::thread::sleep(Duration::from_millis(2_500));
        child.kill()?;
        child.wait()?;
        println!();
        say("Killed with kill -9, in the middle of the migration. The same command again:");
        self.type_failing(&apply)?;
        self.type_in(&["status"])?;
        self.type_in(&["rollback", "--yes"])?;
        self.compare(before)
    }

    fn compare(&self, before: &Contents) -> Result<()> {
        let now = Contents::read(&self.deployment)?;
        let differences = before.differences(&now);
        ensure!(
            differences.is_empty(),
            "not as before: {}",
            differences.join("; ")
        );
        ensure!(
            self.deployment.version()? == FROM,
            "the compose file names another version"
        );
        say(&format!(
            "{FROM} runs. Every row, key and file is what it was: {now}."
        ));
        Ok(())
    }

    /// Until the migration's own container runs, which is the worst moment to die.
    fn wait_for_migration(&self, child: &mut Child) -> Result<()> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            let running = docker()
                .args([
                    "ps",
                    "--quiet",
                    "--filter",
                    "label=switchback.migration=is-db",
                ])
                .read()?;
            if !running.trim().is_empty() {
                return Ok(());
            }
            if let Some(status) = child.try_wait()? {
                bail!("switchback ended with {status} before the migration began");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        child.kill()?;
        bail!("no migration began")
    }

    /// Shows a command and what it prints.
    fn type_in(&self, words: &[&str]) -> Result<()> {
        prompt(words);
        self.switchback(words).run()
    }

    /// The same, for a command that is to halt.
    fn type_failing(&self, words: &[&str]) -> Result<()> {
        prompt(words);
        let status = self.switchback(words).into_command().status()?;
        ensure!(
            status.code() == Some(4),
            "it was to halt, and ended with {status}"
        );
        Ok(())
    }

    fn type_quietly(&self, words: &[&str]) -> Result<()> {
        prompt(words);
        self.switchback(words).quiet()
    }

    fn switchback(&self, words: &[&str]) -> Tool {
        tool(&self.binary)
            .dir(self.deployment.dir())
            .env("SWITCHBACK_STATE", &self.state)
            .args(words)
    }

    fn close(&self) -> Result<()> {
        self.deployment.remove()?;
        fs::remove_dir_all(&self.state)?;
        Ok(())
    }
}
