//! Backups in a repository: made beside a running service, killed, read back, and a way back from nothing else.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Case;
use super::judge;
use super::lab::Lab;
use super::subject::Subject;
use crate::deployment::Site;
use crate::images::Edition;
use crate::tool::tool;

const PASSWORD: &str = "a long password of the repository";

/// After how long a `backup create` is killed: while it looks, copies, proves and sends.
const MOMENTS: [u64; 4] = [1_500, 3_000, 5_000, 8_000];

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("backup_created_killed_and_gone_on_with", killed_create),
        Case::new("way_back_from_the_repository_alone", way_back),
    ]
}

fn with_repository<'a>(lab: &'a Lab, name: &str) -> Result<Subject<'a>> {
    let subject = Subject::new(lab, name, Edition::OpenSource)?;
    name_one(&subject)?;
    Ok(subject)
}

/// Names a repository that is not there yet.
pub(super) fn name_one(subject: &Subject<'_>) -> Result<()> {
    let password = subject.state().join("repository-password");
    fs::write(&password, PASSWORD)?;
    let mut file = OpenOptions::new()
        .append(true)
        .open(subject.deployment.dir().join("switchback.toml"))?;
    write!(
        file,
        "\n[backup]\nrepository = {:?}\npassword = {{ file = {password:?} }}\n",
        place(subject)
    )?;
    Ok(())
}

/// Apart from the deployment, whose directory must be in the end as it was.
fn place(subject: &Subject<'_>) -> PathBuf {
    subject.state().join("backups-of-the-lab")
}

/// The backups in the repository, as the list tells them.
pub(super) fn stored(subject: &Subject<'_>) -> Result<Vec<Value>> {
    let listed = subject.expect(&["backup", "list", "--format", "json"], 0)?;
    let listed: Value = serde_json::from_str(&listed.stdout)?;
    let stored = listed["repository"]["backups"].as_array();
    stored.cloned().context("no repository is listed")
}

pub(super) fn id_of(backup: &Value) -> Result<&str> {
    backup["id"].as_str().context("a backup without an id")
}

/// Killed again and again, the same command ends with one whole backup; nothing is left in the server, and each is read.
fn killed_create(lab: &Lab) -> Result<()> {
    let subject = with_repository(lab, "created")?;
    let refused = subject.expect(&["backup", "create"], 3)?;
    judge::told(&refused.stderr, &["no backup repository", "--init"])?;
    for moment in MOMENTS {
        let mut running = subject.begin(&["backup", "create", "--init"])?;
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(moment) {
            std::thread::sleep(Duration::from_millis(50));
        }
        if running.kill()? {
            lab.count_kill();
        }
    }
    let said = subject.expect(&["backup", "create", "--init"], 0)?;
    judge::told(&said.stdout, &["consistent in itself"])?;
    let databases = subject
        .deployment
        .sql("SELECT count(*) FROM pg_database WHERE datname LIKE '%switchback%'")?;
    ensure!(databases.trim() == "0", "left in the server: {databases}");
    let backups = stored(&subject)?;
    for datastore in ["identity", "redis", "blobs"] {
        let newest = backups
            .iter()
            .rfind(|backup| backup["datastore"] == datastore)
            .with_context(|| format!("no backup of {datastore}"))?;
        subject.expect(&["backup", "prove", id_of(newest)?], 0)?;
    }
    let checked = tool("restic")
        .env("RESTIC_PASSWORD", PASSWORD)
        .args(["--no-cache", "check", "--read-data", "--repo"])
        .arg(place(&subject))
        .read()?;
    judge::told(&checked, &["no errors were found"])?;
    judge::restored(&subject)?;
    subject.remove()
}

/// An upgrade stores its backups. With all of them gone from the machine, those of the repository take it back.
fn way_back(lab: &Lab) -> Result<()> {
    let subject = with_repository(lab, "offhost")?;
    subject.expect(&["backup", "create", "--init"], 0)?;
    let before = stored(&subject)?.len();
    subject.upgrade()?;
    judge::upgraded(&subject)?;
    subject.expect(&["backup", "prune", "--keep", "0", "--yes"], 0)?;
    let backups = stored(&subject)?;
    ensure!(
        backups.len() > before,
        "the upgrade stored nothing: {before} before, {} now",
        backups.len()
    );
    let run = backups
        .last()
        .and_then(|backup| backup["run"].as_str())
        .context("a backup without a run")?;
    for backup in backups.iter().filter(|backup| backup["run"] == run) {
        subject.expect(&["backup", "restore", id_of(backup)?], 0)?;
    }
    subject.go_back()?;
    judge::restored(&subject)?;
    subject.remove()
}
