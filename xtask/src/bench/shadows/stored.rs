//! What the repository costs: a run's backups sent by switchback, and by restic alone.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::subject::Subject;
use crate::bench::Row;
use crate::tool::{Tool, tool};

const PASSWORD: &str = "of a repository that is removed after the bench";

/// Seconds, each into a repository that is made first.
pub(super) struct Stored {
    ours: f64,
    alone: f64,
}

impl Stored {
    pub(super) fn rows(&self) -> [Row; 2] {
        [
            Row::new(
                "`restic` alone, the files of the shadows",
                super::seconds(self.alone),
                "",
            ),
            Row::new(
                "`backup create --run`, the same files",
                super::seconds(self.ours),
                format!(
                    "{:.2} × restic alone, goal ≤ 1.05 ×",
                    self.ours / self.alone
                ),
            ),
        ]
    }
}

/// Sends the backups of the newest run. The first time is not counted: it reads files that nobody has read yet, and
/// tells which they are.
pub(super) fn measure(subject: &Subject) -> Result<Stored> {
    eprintln!("measuring the repository");
    let place = subject.state.join("repository");
    let password = subject.state.join("repository-password");
    fs::write(&password, PASSWORD)?;
    let configuration = subject.dir().join("switchback.toml");
    let without = fs::read_to_string(&configuration)?;
    let section =
        format!("\n[backup]\nrepository = {place:?}\npassword = {{ file = {password:?} }}\n");
    fs::write(&configuration, without.clone() + &section)?;
    let restic = |words: &[&str]| -> Tool {
        tool("restic")
            .args(["--quiet", "--repo"])
            .arg(&place)
            .arg("--password-file")
            .arg(&password)
            .args(words)
    };
    let run = newest_run(subject)?;
    let send = || {
        timed(|| {
            subject
                .switchback(&["backup", "create", "--init", "--run", &run])
                .quiet()
        })
    };
    send()?;
    let paths = paths(&restic(&["snapshots", "--json"]).read()?)?;
    fs::remove_dir_all(&place)?;
    let alone = timed(|| {
        restic(&["init"]).quiet()?;
        restic(&["backup"]).args(&paths).quiet()
    })?;
    fs::remove_dir_all(&place)?;
    let ours = send()?;
    fs::remove_dir_all(&place)?;
    fs::write(&configuration, without)?;
    Ok(Stored { ours, alone })
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let since = Instant::now();
    work()?;
    Ok(since.elapsed().as_secs_f64())
}

fn newest_run(subject: &Subject) -> Result<String> {
    let told = subject
        .switchback(&["history", "--format", "json"])
        .read()?;
    let told: Value = serde_json::from_str(&told)?;
    let run = told["runs"]
        .as_array()
        .and_then(|runs| runs.last()?["run"].as_str());
    Ok(run.context("no run is in the history")?.to_owned())
}

/// What lies in the snapshots of a repository.
fn paths(snapshots: &str) -> Result<BTreeSet<String>> {
    let snapshots: Vec<Value> = serde_json::from_str(snapshots)?;
    let paths: BTreeSet<String> = snapshots
        .iter()
        .filter_map(|snapshot| snapshot["paths"].as_array())
        .flatten()
        .filter_map(|path| path.as_str().map(str::to_owned))
        .collect();
    ensure!(!paths.is_empty(), "nothing was stored");
    Ok(paths)
}
