//! Upgrades that people and programs get in the way of.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Case;
use super::judge;
use super::lab::{Lab, TEMPLATE_VERSION};
use super::subject::{Subject, as_strs};
use crate::deployment::Site;
use crate::images::Edition;
use crate::tool::{docker, tool};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "failing_migration_halts_resumes_and_goes_back",
            failing_migration,
        ),
        Case::new("obstacle_then_back_then_upgrade", obstacle),
        Case::new("lock_that_a_dead_migrator_left", held_lock),
        Case::new("two_applies_at_once", two_at_once),
        Case::new("compose_file_edited_mid_run", edited_file),
        Case::new("postgres_killed_mid_dump", killed_database),
        Case::new("plan_file_altered_by_a_byte", altered_plan),
        Case::new("terminal_closed", closed_terminal),
        Case::new("interrupted_twice_by_the_operator", interrupted),
    ]
}

/// It halts, says why, halts again as long as the cause is there, and the way back brings every row and key.
fn failing_migration(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "failing", Edition::OpenSource)?;
    subject
        .deployment
        .set_environment("STANDIN_FAIL_MIGRATION", "20240103000001")?;
    subject.deployment.start()?;
    let words = Subject::apply_words(&subject.plan()?);
    let halted = subject.expect(&as_strs(&words), 4)?;
    judge::told(
        &halted.stderr,
        &[
            "is-db",
            "No space left on device",
            "switchback resume",
            "switchback rollback",
        ],
    )?;
    // Recovery restores the database first; a second run of the half-done migration would claim success.
    subject.expect(&["resume", "--yes"], 4)?;
    subject.go_back()?;
    judge::restored(&subject)?;
    subject.remove()
}

/// Something of the operator's own is in a migration's way. Back, the obstacle away, and the same upgrade succeeds.
fn obstacle(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "obstacle", Edition::OpenSource)?;
    subject
        .deployment
        .sql("CREATE TABLE user_bookmarks (id integer)")?;
    let words = Subject::apply_words(&subject.plan()?);
    let halted = subject.expect(&as_strs(&words), 4)?;
    judge::told(&halted.stderr, &["user_bookmarks"])?;
    subject.go_back()?;
    subject.deployment.sql("DROP TABLE user_bookmarks")?;
    subject.upgrade()?;
    judge::upgraded(&subject)?;
    subject.remove()
}

/// Looked for when a plan is made and again when it is applied; nothing is stopped while it is held.
fn held_lock(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "lock", Edition::OpenSource)?;
    let words = Subject::apply_words(&subject.plan()?);
    subject
        .deployment
        .sql("INSERT INTO bun_migration_locks (table_name) VALUES ('bun_migrations')")?;
    let healthy = subject.expect(&["doctor"], 3)?;
    judge::told(&healthy.stdout, &["lock-held", "lock 1 on bun_migrations"])?;
    for command in [vec!["plan"], as_strs(&words)] {
        let refused = subject.expect(&command, 3)?;
        judge::told(
            &refused.stderr,
            &[
                "begun and not ended",
                "lock 1 on bun_migrations",
                "delete from bun_migration_locks",
            ],
        )?;
    }
    subject.deployment.sql("DELETE FROM bun_migration_locks")?;
    judge::restored(&subject)?;
    subject.expect(&as_strs(&words), 0)?;
    judge::upgraded(&subject)?;
    subject.remove()
}

/// The second names the first and changes nothing; the first finishes.
fn two_at_once(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "two", Edition::OpenSource)?;
    let words = Subject::apply_words(&subject.plan()?);
    let mut first = subject.begin(&as_strs(&words))?;
    first
        .read_until(&["step-started"])?
        .context("the first never began")?;
    let second = subject.switchback(&as_strs(&words)).answer()?;
    ensure!(!second.status.success(), "the second was let in");
    judge::told(&second.stderr, &[&first.id().to_string()])?;
    let (code, told) = first.finish()?;
    ensure!(code == Some(0), "the first ended with {code:?}\n{told}");
    judge::upgraded(&subject)?;
    subject.remove()
}

/// What a person wrote into the file meanwhile stays; the run halts and tells what it found.
fn edited_file(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "edited", Edition::OpenSource)?;
    let words = Subject::apply_words(&subject.plan()?);
    let mut running = subject.begin(&as_strs(&words))?;
    running
        .read_until(&["step-started"])?
        .context("it never began")?;
    let file = subject.deployment.compose_file();
    let edited = fs::read_to_string(&file)? + "# a note that somebody made meanwhile\n";
    fs::write(&file, &edited)?;
    let (code, told) = running.finish()?;
    ensure!(
        matches!(code, Some(4 | 5)),
        "it ended with {code:?}\n{told}"
    );
    ensure!(
        fs::read_to_string(&file)? == edited,
        "the person's edit is gone"
    );
    judge::told(&told, &["docker-compose.yml"])?;
    subject.go_back()?;
    ensure!(
        fs::read_to_string(&file)? == edited,
        "the way back took the person's edit along"
    );
    judge::restored(&subject)?;
    subject.remove()
}

/// The dump breaks off; it halts or tries again, and goes on once the server is back.
fn killed_database(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "no-database", Edition::OpenSource)?;
    let file = subject.deployment.dir().join("switchback.toml");
    let text = fs::read_to_string(&file)? + "\n[datastores.identity]\nbackup = \"dump\"\n";
    fs::write(&file, text)?;
    let words = Subject::apply_words(&subject.plan()?);
    let mut running = subject.begin(&as_strs(&words))?;
    running
        .read_until(&["step-started"])?
        .context("it never began")?;
    let mut stopped = false;
    while let Some(line) = running.next_line()? {
        if !stopped && line.contains("dump") {
            docker()
                .args([
                    "kill",
                    &format!("{}-postgres-1", subject.deployment.project()),
                ])
                .quiet()?;
            stopped = true;
        }
    }
    ensure!(stopped, "no dump was announced");
    let (code, _) = running.finish()?;
    subject
        .deployment
        .compose(["up", "--detach", "postgres"])
        .quiet()?;
    std::thread::sleep(Duration::from_secs(2));
    if code != Some(0) {
        ensure!(code == Some(4), "it ended with {code:?}");
        subject.expect(&as_strs(&words), 0)?;
    }
    judge::upgraded(&subject)?;
    subject.remove()
}

/// A plan is what it is: one changed byte and it is refused, and nothing happened.
fn altered_plan(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "altered", Edition::OpenSource)?;
    let plan = subject.plan()?;
    let words = Subject::apply_words(&plan);
    let plans: Vec<_> = fs::read_dir(subject.state().join("plans"))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let file = plans.first().context("no plan was saved")?;
    let text = fs::read_to_string(file)?;
    let at = text.rfind("3.32.1").context("the plan names no target")?;
    fs::write(file, format!("{}3.32.2{}", &text[..at], &text[at + 6..]))?;
    let answer = subject.switchback(&as_strs(&words)).answer()?;
    ensure!(
        matches!(answer.status.code(), Some(2 | 3 | 5)),
        "it ended with {}\n{}",
        answer.status,
        answer.stderr
    );
    ensure!(
        subject.deployment.version()? == TEMPLATE_VERSION,
        "the file was changed"
    );
    judge::restored(&subject)?;
    subject.remove()
}

/// The terminal goes away with everything in it; the same command in another one goes on.
fn closed_terminal(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "terminal", Edition::OpenSource)?;
    let words = Subject::apply_words(&subject.plan()?);
    let line = format!("{} {}", lab.binary().display(), words.join(" "));
    let mut terminal = tool("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .dir(subject.deployment.dir())
        .env("SWITCHBACK_STATE", subject.state())
        .into_command()
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .context("cannot open a terminal")?;
    std::thread::sleep(Duration::from_secs(3));
    terminal.kill()?;
    terminal.wait()?;
    wait_until_free(&subject)?;
    subject.expect(&as_strs(&words), 0)?;
    judge::upgraded(&subject)?;
    subject.remove()
}

/// The first signal stops at a safe place and says so; resume goes on.
fn interrupted(lab: &Lab) -> Result<()> {
    let subject = Subject::new(lab, "interrupted", Edition::OpenSource)?;
    let words = Subject::apply_words(&subject.plan()?);
    for wait in [1, 4] {
        let mut running = subject.begin(&as_strs(&words))?;
        running
            .read_until(&["step-started"])?
            .context("it never began")?;
        std::thread::sleep(Duration::from_secs(wait));
        tool("kill")
            .args(["-INT", &running.id().to_string()])
            .quiet()?;
        let (code, told) = running.finish()?;
        ensure!(
            matches!(code, Some(0 | 4)),
            "it ended with {code:?}\n{told}"
        );
    }
    let answer = subject.switchback(&["resume", "--yes"]).answer()?;
    ensure!(
        answer.status.success() || subject.deployment.version()? == super::subject::TARGET,
        "{}",
        answer.stderr
    );
    judge::upgraded(&subject)?;
    subject.remove()
}

/// Waits until a process that was told to stop by its terminal has come to a safe place.
fn wait_until_free(subject: &Subject<'_>) -> Result<()> {
    let state = subject.state().to_string_lossy().into_owned();
    for _ in 0..120 {
        let alive = fs::read_dir("/proc")?.flatten().any(|entry| {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            name.trim() == "switchback" && String::from_utf8_lossy(&environment).contains(&state)
        });
        if !alive {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    anyhow::bail!("it still runs a minute after its terminal was closed")
}
