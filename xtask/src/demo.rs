//! `cargo xtask demo`: one real upgrade, then one that goes wrong in every way, on a deployment with data.

mod narrator;
mod scene;

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use self::narrator::{act, note, prompt, say};
use self::scene::Scene;
use crate::deployment::Contents;
use crate::setup::{self, Engine};
use crate::tool::{Tool, cargo, tool};
use crate::{images, paths};

const FROM: &str = "3.23.2";
const TO: &str = "3.32.1";

/// End devices: some thousand rows and keys, seconds of work.
const ROWS: u32 = 800;

/// The migration that is made to fail after half of its work.
const FAILING: &str = "20240103000001";

/// How long the demo waits for a moment that it wants to show.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs the demo and leaves nothing behind. With `local`, or where no Engine can run, among plain processes.
pub(crate) fn run(local: bool) -> Result<()> {
    let engine = setup::all()?;
    note("building switchback");
    cargo()
        .dir(&paths::root())
        .args(["build", "--quiet", "--package", "switchback"])
        .run()?;
    let stage = Stage::open(!local && engine == Engine::Ready)?;
    let shown = stage.show();
    stage.close()?;
    shown
}

/// The deployment and the operator's shell.
struct Stage {
    scene: Scene,
    binary: PathBuf,
    state: PathBuf,
}

impl Stage {
    fn open(containers: bool) -> Result<Self> {
        let dir = paths::work()?.join("demo");
        let state = dir.join("state");
        if state.exists() {
            fs::remove_dir_all(&state)?;
        }
        fs::create_dir_all(&state)?;
        // The directory names the Compose project: nothing else on the machine may have the same.
        let place = dir.join("switchback-demo");
        let scene = if containers {
            images::all()?;
            note("bringing up a deployment with data");
            Scene::containers(&place)?
        } else {
            note("no containers: bringing up a deployment of plain processes with data");
            Scene::processes(&place)?
        };
        Ok(Self {
            scene,
            binary: paths::target().join("debug/switchback"),
            state,
        })
    }

    fn show(&self) -> Result<()> {
        let before = self.scene.contents()?;
        let kind = match self.scene {
            Scene::Containers(_) => "in Docker Compose, as its documentation describes it",
            Scene::Processes(_) => "as plain processes, because no container engine runs here",
        };
        act("A deployment of The Things Stack");
        say(&format!("{FROM} runs {kind}. It holds {before}."));
        self.upgrade(&before)?;
        self.back(&before)?;
        self.trouble(&before)
    }

    /// The straight way.
    fn upgrade(&self, before: &Contents) -> Result<()> {
        act("An upgrade over nine minor releases");
        if let Scene::Containers(_) = self.scene {
            self.type_in(&["init"])?;
        }
        if let Some(added) = self.scene.add_key()? {
            say(
                "We add a key, so that the upgrade is proven by creating, reading and deleting a device:",
            );
            say(&added);
        }
        self.type_in(&["plan", "--to", TO])?;
        self.type_in(&["apply", "--yes", "--accept", "contact-infos"])?;
        let after = self.scene.contents_like(before)?;
        let changed = before.differences(&after);
        act("What changed in the data");
        changed.iter().for_each(|line| say(line));
        say(&format!("All else is as it was: {after}."));
        Ok(())
    }

    /// And back, with the data of before.
    fn back(&self, before: &Contents) -> Result<()> {
        act("Going back: image, database, keys and files as one");
        self.type_in(&["rollback", "--yes", "--accept", "data-loss"])?;
        self.compare(before)
    }

    /// A failing migration, a dead process, a resumed run, a way back.
    fn trouble(&self, before: &Contents) -> Result<()> {
        act("The same upgrade, and everything goes wrong");
        say(&format!(
            "From here on migration {FAILING} fails after half of its work, and every migration is slow."
        ));
        self.scene.break_migration(FAILING)?;
        self.type_quietly(&["plan", "--to", TO])?;
        let apply = ["apply", "--yes", "--accept", "contact-infos"];
        prompt(&apply);
        let mut child = self
            .switchback(&apply)
            .into_command()
            .spawn()
            .context("cannot start switchback")?;
        self.wait_for_migration(&mut child)?;
        std::thread::sleep(Duration::from_millis(1_500));
        ensure!(
            child.try_wait()?.is_none(),
            "the migration was over too soon"
        );
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
        let now = self.scene.contents()?;
        let differences = before.differences(&now);
        ensure!(
            differences.is_empty(),
            "not as before: {}",
            differences.join("; ")
        );
        ensure!(
            self.scene.version()? == FROM,
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
            if self.scene.migrates()? {
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
            .dir(&self.scene.dir())
            .env("SWITCHBACK_STATE", &self.state)
            .args(words)
    }

    fn close(&self) -> Result<()> {
        self.scene.remove()?;
        fs::remove_dir_all(&self.state)?;
        Ok(())
    }
}
