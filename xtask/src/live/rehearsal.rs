//! Rehearsals beside a deployment that must not notice: foretelling, failing, killed, two at once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Case;
use super::judge;
use super::lab::Lab;
use super::subject::{Subject, TARGET, as_strs};
use crate::deployment::Site;
use crate::images::Edition;
use crate::tool::docker;

/// How far a foretold downtime may be off, in percent of the real one.
const TOLERANCE: u64 = 25;
/// What a loaded machine adds to anything that takes seconds.
const JITTER: u64 = 2_000;
/// Nothing takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(90);

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("rehearsal_leaves_production_untouched", untouched),
        Case::new("rehearsal_that_fails_is_told_and_removed", failing),
        Case::new("rehearsal_killed_is_removed_by_the_next", killed),
        Case::new("rehearsals_take_turns_and_apply_goes_on", turns),
        Case::new("rehearsal_interrupted_cleans_up", interrupted),
    ]
}

/// It works, foretells the downtime, leaves nothing, touches nothing; and the policy that demands it is content.
fn untouched(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "rehearsed", Edition::OpenSource)?;
    demand_rehearsal(&subject)?;
    let plan = subject.plan()?;
    let words = Subject::apply_words(&plan);
    let refused = subject.expect(&as_strs(&words), 3)?;
    judge::told(
        &refused.stderr,
        &["needs a rehearsal", "switchback rehearse"],
    )?;

    let before = Traces::of(&subject)?;
    let report = rehearse(&subject)?;
    before.same(&Traces::of(&subject)?)?;
    nothing_left(&subject)?;
    judge::unchanged(&subject)?;

    ensure!(
        report["outcome"]["ended"] == "succeeded",
        "it failed: {report}"
    );
    ensure!(
        report["production"]["untouched"] == true,
        "{}",
        report["production"]
    );
    let identity = &report["changes"]
        .as_array()
        .context("no changes are reported")?
        .iter()
        .find(|change| change["datastore"] == "identity")
        .context("nothing is told of the database")?["structure"];
    judge::told(
        &identity.to_string(),
        &["user_bookmarks", "email_validations"],
    )?;
    let proof = report["notices"].to_string();
    judge::told(&proof, &["contact", "\"verdict\":\"true\""])?;

    let shown = subject.expect(&["plan", "--to", TARGET], 0)?;
    judge::told(
        &shown.stdout,
        &["measured in rehearsal", "Rehearsed just now"],
    )?;
    let applied = subject.expect(
        &[as_strs(&words).as_slice(), &["--format", "json"]].concat(),
        0,
    )?;
    judge::upgraded(&subject)?;
    foretold(&report, &applied.stdout)?;
    subject.go_back()?;
    judge::restored(&subject)?;
    subject.remove()
}

/// The downtime that was measured on the copy is that of production, as far as a shared machine lets it be.
fn foretold(report: &Value, events: &str) -> Result<()> {
    let measured = report["downtime"]
        .as_u64()
        .context("no downtime was measured")?;
    let real = events
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|line| line["event"]["downtime"].as_u64())
        .context("the run told no downtime")?;
    let allowed = real * TOLERANCE / 100 + JITTER;
    println!("        downtime: {measured} ms on the copy, {real} ms in production");
    ensure!(
        measured.abs_diff(real) <= allowed,
        "the rehearsal said {measured} ms, production took {real} ms"
    );
    Ok(())
}

/// A migration that fails is found on the copy, with what it printed, and production never sees it.
fn failing(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "rehearsed-badly", Edition::OpenSource)?;
    subject
        .deployment
        .set_environment("STANDIN_FAIL_MIGRATION", "20240103000001")?;
    subject.deployment.start()?;
    let plan = subject.plan()?;
    let before = Traces::of(&subject)?;
    let failed = subject.expect(&["rehearse"], 4)?;
    judge::told(
        &format!("{}{}", failed.stdout, failed.stderr),
        &[
            "does not work on a copy",
            "is-db",
            "No space left on device",
            "production as it was",
            "--keep",
        ],
    )?;
    ensure!(
        !failed.stderr.contains("switchback resume"),
        "there is nothing to resume\n{}",
        failed.stderr
    );
    before.same(&Traces::of(&subject)?)?;
    nothing_left(&subject)?;
    judge::unchanged(&subject)?;
    let id = plan["plan"]["id"].as_str().context("the plan has no id")?;
    let shown = subject.expect(&["plan", "--show", id], 0)?;
    judge::told(&shown.stdout, &["failed just now"])?;
    // A copy that was asked for is there to look into, until nobody needs it.
    subject.expect(&["rehearse", "--keep"], 4)?;
    ensure!(!copies(&subject)?.is_empty(), "the copy was not kept");
    shut_in(&subject)?;
    subject.expect(&["rehearse", "--clean"], 0)?;
    nothing_left(&subject)?;
    subject.remove()
}

/// Killed at four places; each time the next one removes what is left and succeeds or is killed in turn.
fn killed(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "rehearsed-dead", Edition::OpenSource)?;
    subject.plan()?;
    let before = Traces::of(&subject)?;
    // While it reads production, whose lease it has, with what copies the data beside its servers.
    let mut running = subject.begin(&["rehearse"])?;
    until_production_is_read(&subject)?;
    ensure!(running.kill()?, "it had ended by itself");
    lab.count_kill();
    for words in [
        &["run-started"][..],
        &["step-started", "\"step\":8"],
        &["step-started", "\"step\":15"],
    ] {
        let mut running = subject.begin(&["rehearse"])?;
        running
            .read_until(words)?
            .with_context(|| format!("{words:?} was never told"))?;
        ensure!(running.kill()?, "it had ended by itself");
        lab.count_kill();
        ensure!(!copies(&subject)?.is_empty(), "there was nothing to kill");
    }
    lab.count_killed_run();
    let report = rehearse(&subject)?;
    ensure!(
        report["outcome"]["ended"] == "succeeded",
        "it failed: {report}"
    );
    before.same(&Traces::of(&subject)?)?;
    nothing_left(&subject)?;
    judge::unchanged(&subject)?;
    subject.remove()
}

/// A second rehearsal is told of the first; an upgrade is not held up by one that has its copy.
fn turns(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "rehearsed-twice", Edition::OpenSource)?;
    let words = Subject::apply_words(&subject.plan()?);
    let mut first = subject.begin(&["rehearse"])?;
    first
        .read_until(&["run-started"])?
        .context("the first never began")?;
    let second = subject.expect(&["rehearse"], 3)?;
    judge::told(&second.stderr, &["is going on", &first.id().to_string()])?;
    subject.expect(&as_strs(&words), 0)?;
    let (code, told) = first.finish()?;
    ensure!(code == Some(0), "the first ended with {code:?}\n{told}");
    judge::upgraded(&subject)?;
    nothing_left(&subject)?;
    subject.remove()
}

/// One Ctrl-C is enough: a copy has no place that is safer than any other.
fn interrupted(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "rehearsed-halfway", Edition::OpenSource)?;
    subject.plan()?;
    let before = Traces::of(&subject)?;
    let mut running = subject.begin(&["rehearse"])?;
    running
        .read_until(&["step-started"])?
        .context("it never began")?;
    let pid = running.id().to_string();
    crate::tool::tool("kill").args(["-INT", &pid]).run()?;
    let (code, told) = running.finish()?;
    ensure!(code == Some(4), "it ended with {code:?}\n{told}");
    judge::told(&told, &["rehearsal-stopped"])?;
    before.same(&Traces::of(&subject)?)?;
    nothing_left(&subject)?;
    judge::unchanged(&subject)?;
    subject.remove()
}

/// Waits until a rehearsal keeps something of what it reads.
fn until_production_is_read(subject: &Subject<'_>) -> Result<()> {
    let begun = Instant::now();
    let reads = || {
        let copies = fs::read_dir(subject.state().join("rehearsals"));
        let mut copies = copies.into_iter().flatten().flatten();
        copies.any(|copy| copy.path().join("captured").is_dir())
    };
    while !reads() {
        ensure!(begun.elapsed() < PATIENCE, "production was never read");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Rehearses to the end; the report.
fn rehearse(subject: &Subject<'_>) -> Result<Value> {
    let answer = subject.expect(&["rehearse", "--format", "json"], 0)?;
    let last = answer.stdout.lines().last().context("nothing was told")?;
    let document: Value = serde_json::from_str(last).context("the report is no document")?;
    Ok(document["rehearsal"].clone())
}

fn demand_rehearsal(subject: &Subject<'_>) -> Result<()> {
    let file = subject.deployment.dir().join("switchback.toml");
    let text = fs::read_to_string(&file)?;
    fs::write(file, text + "\n[policy]\nrequire-rehearsal = \"7d\"\n")?;
    Ok(())
}

/// Containers of copies of this deployment.
fn copies(subject: &Subject<'_>) -> Result<Vec<String>> {
    let begins = format!("{}-rehearsal-", subject.deployment.project());
    let answer = docker()
        .args(["ps", "--all", "--format", "{{.Names}}"])
        .read()?;
    Ok(answer
        .lines()
        .filter(|name| name.starts_with(&begins))
        .map(str::to_owned)
        .collect())
}

/// The copy publishes nothing, restarts nothing, and its networks lead nowhere.
fn shut_in(subject: &Subject<'_>) -> Result<()> {
    for name in copies(subject)? {
        let format = "{{json .HostConfig.PortBindings}} {{or .HostConfig.RestartPolicy.Name \"no\"}} \
                      {{range $network, $of := .NetworkSettings.Networks}}{{$network}}{{end}}";
        let line = docker()
            .args(["inspect", "--format", format, &name])
            .read()?;
        let mut words = line.split_whitespace();
        let (ports, restart, network) = (words.next(), words.next(), words.next());
        ensure!(
            matches!(ports, Some("{}" | "null")) && restart == Some("no"),
            "{name} is not shut in: {line}"
        );
        let network = network.context("it has a network")?;
        let inside = docker()
            .args(["network", "inspect", "--format", "{{.Internal}}", network])
            .read()?;
        ensure!(inside.trim() == "true", "{network} has a way out");
    }
    Ok(())
}

/// No container, network, volume, directory or session of a rehearsal is there any more.
pub(super) fn nothing_left(subject: &Subject<'_>) -> Result<()> {
    let containers = copies(subject)?;
    ensure!(containers.is_empty(), "containers are left: {containers:?}");
    let begins = format!("{}-rehearsal-", subject.deployment.project());
    for kind in ["network", "volume"] {
        let listed = docker()
            .args([kind, "ls", "--format", "{{.Name}}"])
            .read()?;
        let left: Vec<&str> = listed
            .lines()
            .filter(|name| name.starts_with(&begins))
            .collect();
        ensure!(left.is_empty(), "{kind}s are left: {left:?}");
    }
    let kept = fs::read_dir(subject.state().join("rehearsals"));
    for entry in kept.into_iter().flatten().flatten() {
        let path = entry.path();
        ensure!(path.is_file(), "a directory is left: {}", path.display());
    }
    let sessions = subject.deployment.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'switchback e-%'",
    )?;
    ensure!(
        sessions.trim() == "0",
        "{} sessions are left",
        sessions.trim()
    );
    let slots = subject
        .deployment
        .sql("SELECT count(*) FROM pg_replication_slots")?;
    ensure!(slots.trim() == "0", "{} slots are left", slots.trim());
    judge::clean(subject)
}

/// What tells whether production was touched: every container's start, every file but the databases' own.
#[derive(Debug, PartialEq)]
struct Traces {
    containers: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
}

impl Traces {
    fn of(subject: &Subject<'_>) -> Result<Self> {
        let project = subject.deployment.project();
        let filter = format!("label=com.docker.compose.project={project}");
        let listed = docker()
            .args(["ps", "--all", "--quiet", "--filter", &filter])
            .read()?;
        let mut containers = BTreeMap::new();
        for id in listed.split_whitespace() {
            let format = "{{.Name}} {{.Id}} {{.State.StartedAt}} {{.RestartCount}}";
            let line = docker().args(["inspect", "--format", format, id]).read()?;
            let (name, rest) = line.trim().split_once(' ').context("no such line")?;
            containers.insert(name.to_owned(), rest.to_owned());
        }
        let mut files = BTreeMap::new();
        digest(
            subject.deployment.dir(),
            subject.deployment.dir(),
            &mut files,
        )?;
        Ok(Self { containers, files })
    }

    fn same(&self, after: &Self) -> Result<()> {
        ensure!(
            self.containers == after.containers,
            "containers are not what they were: {:?} {:?}",
            self.containers,
            after.containers
        );
        ensure!(self.files == after.files, "files are not what they were");
        Ok(())
    }
}

fn digest(root: &Path, path: &Path, files: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        // Servers write into their own files all the time; what is in them is compared row by row.
        if path.ends_with(".env/data") {
            continue;
        }
        if path.is_dir() {
            digest(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root)?.display().to_string();
            let digest = Sha256::digest(fs::read(&path)?);
            let hex = digest.iter().map(|byte| format!("{byte:02x}"));
            files.insert(name, hex.collect());
        }
    }
    Ok(())
}
