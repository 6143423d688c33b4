//! Processes that go on when the task that starts them has ended.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::tool::{Tool, tool};

/// Every look takes a moment; a first start takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program with the rights of `user`.
pub(super) fn as_user(user: &str, program: &Path) -> Tool {
    tool("setpriv")
        .args(["--reuid", user, "--regid", user, "--clear-groups"])
        .arg(program)
        .dir(Path::new("/"))
}

/// Starts a program as `user`, in a session of its own.
pub(super) fn detach(user: &str, words: &[String], log: &Path) -> Result<()> {
    let (program, rest) = words.split_first().context("a program")?;
    start(
        tool("setsid")
            .args(["--fork", "setpriv", "--reuid", user, "--regid", user])
            .args(["--clear-groups", program])
            .args(rest)
            .dir(Path::new("/")),
        log,
    )
}

/// Starts what detaches itself, and keeps what it says.
pub(super) fn start(run: Tool, log: &Path) -> Result<()> {
    let log = fs::File::create(log)?;
    run.into_command()
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()?;
    Ok(())
}

/// Waits until it is ready.
pub(super) fn wait(what: &str, ready: impl Fn() -> bool) -> Result<()> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if ready() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("{what} does not answer")
}
