//! `cargo xtask demo`: an upgrade of a deployment with data, as its operator would do it: planned, rehearsed, applied, taken
//! back; then the same with everything that can go wrong. A watcher outside tells what users would have noticed.

mod film;
mod measured;
mod narrator;
mod picture;
mod scene;

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

pub(crate) use self::film::draw;
use self::measured::Measured;
use self::narrator::{act, duration, figure, note, prompt, quote, say};
use self::scene::Scene;
use crate::deployment::Contents;
use crate::outage::watched;
use crate::setup::{self, Engine, Need};
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

/// A slow migration is in its middle by then.
const HALF_WAY: Duration = Duration::from_millis(1_500);

/// Runs the demo and leaves nothing behind. With `local`, or where no Engine can run, among plain processes.
pub(crate) fn run(local: bool) -> Result<()> {
    let containers = if local {
        setup::packages(&[Need::PostgreSql, Need::Redis])?;
        false
    } else {
        setup::all()? == Engine::Ready
    };
    build()?;
    let stage = Stage::open(containers)?;
    let shown = stage.show();
    stage.close()?;
    let seen = shown?;
    seen.tell();
    farewell(containers);
    Ok(())
}

fn build() -> Result<()> {
    note("building switchback");
    cargo()
        .dir(&paths::root())
        .args(["build", "--quiet", "--package", "switchback"])
        .run()
}

/// The deployment and the operator's shell.
struct Stage {
    scene: Scene,
    binary: PathBuf,
    state: PathBuf,
}

/// What there is to say at the end.
#[derive(Default)]
struct Seen {
    /// Downtime that the rehearsal measured, and what a watcher of production noticed meanwhile.
    rehearsed: Option<(Duration, Duration)>,
    upgrade: Measured,
    /// The longest silence while it was upgraded.
    upgrade_outside: Duration,
    back: Measured,
    back_outside: Duration,
    contents: String,
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

    fn show(&self) -> Result<Seen> {
        let before = self.scene.contents()?;
        let mut seen = Seen {
            contents: before.to_string(),
            ..Seen::default()
        };
        act(1, "A deployment, as many have one");
        let kind = match self.scene {
            Scene::Containers(_) => "in Docker Compose, as its documentation describes it",
            Scene::Processes(_) => "as plain processes, for here are no containers",
        };
        say(&format!(
            "The Things Stack {FROM} {kind}. It holds {before}. The newest release is {TO}, nine minor releases on. \
             What has to be done on the way, and in which order, is what switchback knows."
        ));
        self.plan()?;
        self.rehearse(&mut seen)?;
        self.upgrade(&before, &mut seen)?;
        self.back(&before, &mut seen)?;
        self.trouble(&before)?;
        Ok(seen)
    }

    /// Looks at it and plans.
    fn plan(&self) -> Result<()> {
        act(2, "The plan: every step, why, and its way back");
        if let Scene::Containers(_) = self.scene {
            self.type_in(&["init"])?;
        }
        if let Some(added) = self.scene.add_key()? {
            println!();
            say(
                "We add a key to switchback.toml, so that the upgrade is proven by a device that is created, read and \
                 deleted through the product's own API:",
            );
            quote(&added);
        }
        self.type_in(&["plan", "--to", TO])
    }

    /// The same on a copy. Plain processes cannot be shut in, so there is none of them.
    fn rehearse(&self, seen: &mut Seen) -> Result<()> {
        act(
            3,
            "The rehearsal: the same steps on a copy, while users are served",
        );
        if let Scene::Processes(_) = self.scene {
            say(
                "A copy has to be shut in, so that it sends nothing and reaches nobody. That takes containers, and here are \
                 none; so the upgrade is not rehearsed. With Docker, `cargo xtask demo` shows it.",
            );
            return Ok(());
        }
        let ((), silence) = watched(|| self.scene.answers(), || self.type_in(&["rehearse"]))?;
        let report = self.document(&["rehearse", "--show"])?;
        let downtime = report["rehearsal"]["downtime"]
            .as_u64()
            .context("the rehearsal measured no downtime")?;
        println!();
        say(&format!(
            "{FROM} was asked from outside every few milliseconds meanwhile: the longest it took to answer was {}.",
            duration(silence.lasted)
        ));
        seen.rehearsed = Some((Duration::from_millis(downtime), silence.lasted));
        Ok(())
    }

    /// The straight way.
    fn upgrade(&self, before: &Contents, seen: &mut Seen) -> Result<()> {
        act(4, "The upgrade");
        let words = ["apply", "--yes", "--accept", "contact-infos"];
        let ((), silence) = watched(|| self.scene.answers(), || self.type_in(&words))?;
        seen.upgrade = self.measured()?;
        seen.upgrade_outside = silence.lasted;
        println!();
        say(&format!(
            "All copying was done while users were served. Sealing the shadows, which makes them the backup and the way \
             back, took {} of the downtime. Seen from outside, the service was silent for {}.",
            duration(seen.upgrade.sealing),
            duration(silence.lasted)
        ));
        say("What changed in the data, and nothing else did:");
        let after = self.scene.contents_like(before)?;
        let changes = before.differences(&after);
        quote(&changes.join("\n"));
        Ok(())
    }

    /// And back, with the data of before.
    fn back(&self, before: &Contents, seen: &mut Seen) -> Result<()> {
        act(5, "The way back: image, database, keys and files as one");
        say(
            "The shadows were kept. They take the place of the data by renames, so the way back takes as long with a \
             thousand times the data.",
        );
        let words = ["rollback", "--yes", "--accept", "data-loss"];
        let ((), silence) = watched(|| self.scene.answers(), || self.type_in(&words))?;
        seen.back = self.measured()?;
        seen.back_outside = silence.lasted;
        println!();
        self.compare(before)
    }

    /// A failing migration, a dead process, a resumed run, a way back.
    fn trouble(&self, before: &Contents) -> Result<()> {
        act(6, "The same upgrade, and everything goes wrong");
        say(&format!(
            "From here on the product's migration {FAILING} fails after half of its work, and every migration is slow."
        ));
        self.scene.break_migration(FAILING)?;
        prompt(&["plan", "--to", TO]);
        self.switchback(&["plan", "--to", TO]).quiet()?;
        quote("(the same plan)");
        let apply = ["apply", "--yes", "--accept", "contact-infos"];
        self.kill_in_the_middle(&apply)?;
        println!("\n");
        say(
            "Killed with kill -9, in the middle of the migration. Nobody knows how far it came. The same command again:",
        );
        self.type_failing(&apply)?;
        println!();
        say("Half a migration, and a product that is down. What now?");
        self.type_in(&["status"])?;
        self.type_in(&["rollback", "--yes"])?;
        println!();
        self.compare(before)
    }

    fn kill_in_the_middle(&self, apply: &[&str]) -> Result<()> {
        prompt(apply);
        let mut child = self
            .switchback(apply)
            .into_command()
            .spawn()
            .context("cannot start switchback")?;
        self.wait_for_migration(&mut child)?;
        std::thread::sleep(HALF_WAY);
        ensure!(
            child.try_wait()?.is_none(),
            "the migration was over too soon"
        );
        child.kill()?;
        child.wait()?;
        Ok(())
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
            "the deployment names another version"
        );
        say(&format!(
            "{FROM} runs. Every row, key and file is what it was, compared one by one: {now}."
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

    /// What the last run took.
    fn measured(&self) -> Result<Measured> {
        let log = self.switchback(&["log", "--format", "json"]).read()?;
        let plan = measured::plan_of(&log).context("the run names no plan")?;
        Measured::read(&log, &self.document(&["plan", "--show", &plan])?)
    }

    /// The answer of a command, for programs.
    fn document(&self, words: &[&str]) -> Result<serde_json::Value> {
        let text = self.switchback(words).args(["--format", "json"]).read()?;
        serde_json::from_str(&text)
            .with_context(|| format!("`switchback {}` printed no document", words.join(" ")))
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

impl Seen {
    fn tell(&self) {
        act(7, "What you saw");
        if let Some((downtime, silence)) = &self.rehearsed {
            figure(
                "rehearsal",
                &format!(
                    "said {} of downtime; production answered all the while, within {}",
                    duration(*downtime),
                    duration(*silence)
                ),
            );
        }
        figure(
            "upgrade",
            &format!(
                "{} until the new version was proven, {} of it sealing; silent for {} from outside",
                duration(self.upgrade.downtime),
                duration(self.upgrade.sealing),
                duration(self.upgrade_outside)
            ),
        );
        figure(
            "way back",
            &format!(
                "{} from first step to last, {} of it bringing the data back; silent for {} from outside",
                duration(self.back.whole),
                duration(self.back.restoring),
                duration(self.back_outside)
            ),
        );
        figure(
            "kill -9",
            &format!(
                "in the middle of a migration that fails: went on, halted, went back; {}, as before",
                self.contents
            ),
        );
    }
}

fn farewell(containers: bool) {
    println!();
    let left = if containers {
        "Nothing of it is left on this machine but the images it was made of."
    } else {
        "Nothing of it is left on this machine."
    };
    say(&format!("{left} To play with one that stays:"));
    quote(
        "cargo install --path crates/cli\n\
         cargo xtask deploy ~/lorawan 3.23.2\n\
         cd ~/lorawan && switchback init",
    );
    say(
        "`docker compose down --volumes`, typed there, ends it. For a deployment of yours: docs/guide.md.",
    );
}
