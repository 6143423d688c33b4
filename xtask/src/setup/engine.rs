//! The Docker Engine: the one that answers, else one that is started here.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::packages::find;
use crate::paths;
use crate::tool::{docker, tool};

/// An Engine that takes longer than this to answer has failed: an idle machine needs two seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes sure that an Engine answers. A started one outlives us, so that the next task finds it.
pub(super) fn start() -> Result<()> {
    if answers() {
        return Ok(());
    }
    let program = find("dockerd").context("no `dockerd` is installed")?;
    // Nested file systems refuse overlays; copying layers always works.
    let mut reasons = Vec::new();
    for driver in [None, Some("vfs")] {
        match launch(&program, driver) {
            Ok(()) => return Ok(()),
            Err(problem) => reasons.push(format!("{problem:#}")),
        }
    }
    bail!(reasons.join("\n"))
}

fn answers() -> bool {
    docker()
        .args(["version", "--format", "{{.Server.Version}}"])
        .succeeds()
}

fn launch(program: &PathBuf, storage: Option<&str>) -> Result<()> {
    let log = paths::work()?.join("dockerd.log");
    eprintln!("starting a Docker Engine, log in {}", log.display());
    let out = File::create(&log).context("cannot write the Engine's log")?;
    let mut command = tool(program).into_command();
    if let Some(driver) = storage {
        command.arg("--storage-driver").arg(driver);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .process_group(0)
        .spawn()
        .context("cannot start `dockerd`")?;
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if answers() {
            return Ok(());
        }
        if child.try_wait()?.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    drop(child.kill());
    drop(child.wait());
    let said = fs::read_to_string(&log).unwrap_or_default();
    let lines: Vec<&str> = said.lines().rev().take(5).collect();
    bail!(
        "dockerd does not answer: {}",
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    )
}
