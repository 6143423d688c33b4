//! The Docker Engine goes away in the middle of a step and comes back.
//!
//! Never the machine's own Engine: one of this test's own, in a network namespace of its own, so that its packet filter rules
//! touch nobody else's. The trial itself runs in that namespace, as a second process of this program.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::Case;
use super::judge;
use super::lab::{Lab, TEMPLATE_VERSION};
use super::rehearsal;
use super::subject::{BACK, Subject, TARGET, as_strs};
use crate::images::Edition;
use crate::tool::{docker, tool};

/// The word that makes this program the trial inside.
pub(crate) const INSIDE: &str = "live-inside-an-engine-of-its-own";

/// The stop between the two.
const STOP: &str = "3.24.2";

/// What is told while the Engine is restarted: a shadow is copied, compared, sealed, a migration runs, services start.
const UP: [&str; 5] = [
    "copying the data",
    "comparing",
    "ending the shadow",
    "is-db",
    "starting",
];

/// The same of a way back: a server gives way to its shadow, services start.
const DOWN: [&str; 2] = ["stopping the server", "starting"];

/// The same of a rehearsal: its copies are made, its migration runs.
const REHEARSED: [&str; 2] = ["copying", "is-db"];

pub(super) fn cases() -> Vec<Case> {
    vec![Case::new("engine_restarted_in_every_phase", |lab| {
        let program = std::env::current_exe().context("cannot find this program")?;
        let answer = tool("unshare")
            .args(["--net", "--"])
            .arg(program)
            .args([INSIDE, &lab.place("engine").to_string_lossy()])
            .env(
                "DOCKER_HOST",
                format!(
                    "unix://{}",
                    lab.place("engine").join("docker.sock").display()
                ),
            )
            .answer()?;
        ensure!(
            answer.status.success(),
            "{}\n{}",
            answer.stdout,
            answer.stderr
        );
        Ok(())
    })]
}

/// The trial: starts the Engine, loads the images, upgrades, and restarts the Engine again and again.
pub(crate) fn inside(dir: &str) -> Result<()> {
    let mut engine = PrivateEngine::start(PathBuf::from(dir))?;
    let outcome = engine.load_images().and_then(|()| trial(&mut engine));
    engine.end()?;
    outcome
}

fn trial(engine: &mut PrivateEngine) -> Result<()> {
    let lab = Lab::inside()?;
    let subject = Subject::new(&lab, "outage", Edition::OpenSource)?;
    let words = Subject::apply_words(&subject.plan()?);
    restarted(engine, &subject, &["rehearse"], &REHEARSED)?;
    rehearsal::nothing_left(&subject)?;
    judge::unchanged(&subject)?;
    restarted(engine, &subject, &as_strs(&words), &UP)?;
    judge::upgraded(&subject)?;
    restarted(engine, &subject, &BACK, &DOWN)?;
    judge::restored(&subject)?;
    subject.remove()
}

/// Restarts the Engine at every moment, and types the same command again wherever it halted, until it has done its
/// work.
fn restarted(
    engine: &mut PrivateEngine,
    subject: &Subject<'_>,
    words: &[&str],
    moments: &[&str],
) -> Result<()> {
    let mut restarts: Vec<&str> = Vec::new();
    let mut left = moments.iter().peekable();
    for _ in 0..=moments.len() {
        let mut running = subject.begin(words)?;
        let mut told = String::new();
        while let Some(line) = running.next_line()? {
            if left.peek().is_some_and(|moment| line.contains(**moment)) {
                engine.restart()?;
                restarts.extend(left.next().copied());
            }
            told.push_str(&line);
        }
        let (code, _) = running.finish()?;
        ensure!(
            matches!(code, Some(0 | 4 | 5)),
            "`{}` ended with {code:?} when the Engine went away at {restarts:?}\n{told}",
            words[0]
        );
        if code == Some(0) {
            println!("        {}: restarted at {restarts:?}", words[0]);
            ensure!(!restarts.is_empty(), "the Engine was never restarted");
            return Ok(());
        }
        // What ran before the Engine went away runs again: that is the containers' own restart policy.
        std::thread::sleep(Duration::from_secs(2));
    }
    bail!("`{}` does not come to its end", words[0])
}

/// An Engine with its own data, socket and network.
struct PrivateEngine {
    dir: PathBuf,
    daemon: Child,
}

impl PrivateEngine {
    fn start(dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&dir)?;
        tool("ip").args(["link", "set", "lo", "up"]).quiet()?;
        let daemon = Self::launch(&dir)?;
        Ok(Self { dir, daemon })
    }

    fn launch(dir: &std::path::Path) -> Result<Child> {
        let place = |name: &str| dir.join(name).to_string_lossy().into_owned();
        let log = File::create(dir.join("log"))?;
        let daemon = tool("dockerd")
            .arg("--host")
            .arg(format!("unix://{}", place("docker.sock")))
            .args([
                "--data-root",
                &place("data"),
                "--exec-root",
                &place("exec"),
                "--pidfile",
                &place("pid"),
            ])
            .into_command()
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start an Engine")?;
        for _ in 0..200 {
            if docker().arg("version").succeeds() {
                return Ok(daemon);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        bail!(
            "the Engine does not answer: {}",
            fs::read_to_string(dir.join("log")).unwrap_or_default()
        )
    }

    /// Copies the images from the machine's Engine, whose socket is a file and so is reached from here, too.
    fn load_images(&self) -> Result<()> {
        let archive = self.dir.join("images.tar");
        let images =
            [TEMPLATE_VERSION, STOP, TARGET].map(|version| Edition::OpenSource.image(version));
        let postgres = crate::images::postgres_image()?;
        tool("docker")
            .args(["--host", "unix:///var/run/docker.sock", "save", "--output"])
            .arg(&archive)
            .args([postgres.as_str(), "redis:7"])
            .args(images)
            .quiet()?;
        docker()
            .args(["load", "--quiet", "--input"])
            .arg(&archive)
            .quiet()?;
        fs::remove_file(archive)?;
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.daemon = Self::launch(&self.dir)?;
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        tool("kill").arg(self.daemon.id().to_string()).quiet()?;
        self.daemon.wait()?;
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        self.stop()?;
        fs::remove_dir_all(&self.dir)
            .with_context(|| format!("cannot remove {}", self.dir.display()))
    }
}
