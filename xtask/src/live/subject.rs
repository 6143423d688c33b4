//! One deployment under trial, with a state directory of its own, and the binary in the operator's hands.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::lab::Lab;
use crate::deployment::{Contents, Deployment, Site, verify_section};
use crate::images::Edition;
use crate::tool::{Answer, Tool, tool};

/// Where upgrades go.
pub(super) const TARGET: &str = "3.32.1";

/// The way back. Where the new version has run, what it wrote is lost; accepting that where nothing is lost does no harm.
pub(super) const BACK: [&str; 4] = ["rollback", "--yes", "--accept", "data-loss"];

/// A command that takes longer hangs: the slowest one takes half a minute when three cases share two cores.
const PATIENCE: Duration = Duration::from_secs(240);

/// A deployment, what it held at first, and how to run switchback on it.
pub(super) struct Subject<'a> {
    pub(super) deployment: Deployment,
    pub(super) before: Contents,
    lab: &'a Lab,
    state: PathBuf,
}

impl<'a> Subject<'a> {
    /// Starts a deployment and takes stock; `switchback init` was done.
    pub(super) fn new(lab: &'a Lab, name: &str, edition: Edition) -> Result<Self> {
        let deployment = lab.deployment(name, edition)?;
        let before = Contents::read(&deployment)?;
        let subject = Self {
            state: lab.place(&format!("{name}.state")),
            deployment,
            before,
            lab,
        };
        fs::create_dir_all(&subject.state)?;
        subject.expect(&["init"], 0)?;
        let file = subject.deployment.dir().join("switchback.toml");
        let text = fs::read_to_string(&file)?;
        fs::write(&file, uncommented(&text) + &verify_section())?;
        Ok(subject)
    }

    /// The binary, as the operator types it.
    pub(super) fn switchback(&self, words: &[&str]) -> Tool {
        tool(self.lab.binary())
            .dir(self.deployment.dir())
            .env("SWITCHBACK_STATE", &self.state)
            .env("NO_COLOR", "1")
            .args(words)
    }

    /// Runs a command and insists on its exit code.
    pub(super) fn expect(&self, words: &[&str], code: i32) -> Result<Answer> {
        let answer = self.switchback(words).answer()?;
        if answer.status.code() != Some(code) {
            bail!(
                "`switchback {}` ended with {}, not {code}\n{}\n{}",
                words.join(" "),
                answer.status,
                answer.stdout,
                answer.stderr
            );
        }
        Ok(answer)
    }

    /// Plans the upgrade; the plan as its document.
    pub(super) fn plan(&self) -> Result<Value> {
        let answer = self.expect(&["plan", "--to", TARGET, "--format", "json"], 0)?;
        serde_json::from_str(&answer.stdout)
            .with_context(|| format!("`plan` printed no document: {}", answer.stdout))
    }

    /// The words of `apply` that accept everything the plan asks about.
    pub(super) fn apply_words(plan: &Value) -> Vec<String> {
        let mut words = vec!["apply".to_owned(), "--yes".to_owned()];
        for word in acceptances(plan) {
            words.extend(["--accept".to_owned(), word]);
        }
        words
    }

    /// Plans and applies without hindrance.
    pub(super) fn upgrade(&self) -> Result<Answer> {
        let words = Self::apply_words(&self.plan()?);
        self.expect(&as_strs(&words), 0)
    }

    /// Takes the last run back, with everything that this loses.
    pub(super) fn go_back(&self) -> Result<Answer> {
        self.expect(&BACK, 0)
    }

    /// Starts a command whose events can be read line by line.
    pub(super) fn begin(&self, words: &[&str]) -> Result<Running> {
        let log = fs::File::create(self.state.join("stderr"))?;
        let mut child = self
            .switchback(words)
            .args(["--format", "json"])
            .into_command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start switchback")?;
        let lines = child.stdout.take().context("no standard output")?;
        Ok(Running {
            child,
            lines: BufReader::new(lines),
            since: Instant::now(),
        })
    }

    pub(super) fn lab(&self) -> &Lab {
        self.lab
    }

    pub(super) fn state(&self) -> &PathBuf {
        &self.state
    }

    /// Removes deployment and state after a case that passed.
    pub(super) fn remove(self) -> Result<()> {
        self.deployment.remove()?;
        fs::remove_dir_all(&self.state)?;
        Ok(())
    }
}

/// A switchback that runs.
pub(super) struct Running {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    since: Instant,
}

impl Running {
    /// The next line of events; nothing once it has ended.
    pub(super) fn next_line(&mut self) -> Result<Option<String>> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line)?;
        if self.since.elapsed() > PATIENCE {
            self.kill()?;
            bail!("switchback took longer than {} s", PATIENCE.as_secs());
        }
        Ok((read > 0).then_some(line))
    }

    /// Reads until a line contains the words. The line, or nothing if it ended before.
    pub(super) fn read_until(&mut self, words: &[&str]) -> Result<Option<String>> {
        while let Some(line) = self.next_line()? {
            if words.iter().all(|word| line.contains(word)) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// `kill -9`, this process alone. False if it had ended by itself.
    pub(super) fn kill(&mut self) -> Result<bool> {
        if self.child.try_wait()?.is_some() {
            return Ok(false);
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(true)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end: exit code and what was still printed.
    pub(super) fn finish(mut self) -> Result<(Option<i32>, String)> {
        let mut rest = String::new();
        while let Some(line) = self.next_line()? {
            rest.push_str(&line);
        }
        Ok((self.child.wait()?.code(), rest))
    }
}

pub(super) fn as_strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Every `"accept": "word"` of a plan's notices, wherever the document keeps them.
fn acceptances(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match document {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("accept", Value::String(word)) => found.push(word.clone()),
                    (_, value) => found.extend(acceptances(value)),
                }
            }
        }
        Value::Array(items) => found.extend(items.iter().flat_map(acceptances)),
        _ => {}
    }
    found.sort();
    found.dedup();
    found
}

/// Drops a `[verify]` section that `init` proposed, so that ours is the only one.
fn uncommented(text: &str) -> String {
    match text.find("\n[verify]") {
        Some(at) => text[..at].to_owned() + "\n",
        None => text.to_owned(),
    }
}
