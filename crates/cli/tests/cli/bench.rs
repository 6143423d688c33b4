//! A workbench: a state directory, a deployment's directory, and the program.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_engine::{Ended, Engine, Order, Recorder};
use switchback_journal::StateDirectory;
use switchback_model::{Plan, Problem, RunId};
use switchback_testkit::Scenario;
use switchback_testkit::clock::FakeClock;

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    /// The answer.
    pub(crate) stdout: String,
    /// Progress, advice, errors.
    pub(crate) stderr: String,
    /// Exit code.
    pub(crate) code: i32,
}

impl Said {
    /// All of it, for a snapshot.
    pub(crate) fn all(&self) -> String {
        let mut text = self.stdout.clone();
        if !self.stderr.is_empty() {
            text.push_str("--- stderr\n");
            text.push_str(&self.stderr);
        }
        text.push_str(&format!("--- exit {}", self.code));
        text
    }
}

/// A temporary place with everything in it.
pub(crate) struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    /// With an empty state directory and a deployment called `lab`.
    pub(crate) fn new() -> Self {
        // Of one length, wherever the tests run: lines wrap the same.
        let directory = tempfile::Builder::new()
            .prefix("bench-")
            .rand_bytes(6)
            .tempdir_in("/tmp")
            .expect("a temporary directory can be made");
        std::fs::create_dir(directory.path().join("lab")).expect("it is empty");
        Self { directory }
    }

    /// The deployment's directory.
    pub(crate) fn lab(&self) -> PathBuf {
        self.root().join("lab")
    }

    /// Writes a file of the deployment.
    pub(crate) fn file(&self, name: &str, text: &str) {
        std::fs::write(self.lab().join(name), text).expect("the directory is ours");
    }

    /// The state directory.
    pub(crate) fn state(&self) -> StateDirectory {
        StateDirectory::open(self.root().join("state")).expect("the directory is ours")
    }

    /// Types a command in the deployment's directory.
    pub(crate) fn switchback(&self, arguments: &[&str]) -> Said {
        self.switchback_at(80, arguments)
    }

    /// Types a command on a terminal of this width.
    pub(crate) fn switchback_at(&self, columns: usize, arguments: &[&str]) -> Said {
        let path = std::env::var_os("PATH").unwrap_or_default();
        self.type_in(columns, &path, arguments)
    }

    /// Types a command where programs are looked for in these directories alone.
    pub(crate) fn switchback_on(&self, path: &str, arguments: &[&str]) -> Said {
        self.type_in(80, path.as_ref(), arguments)
    }

    fn type_in(&self, columns: usize, path: &std::ffi::OsStr, arguments: &[&str]) -> Said {
        let output = Command::cargo_bin("switchback")
            .expect("it was built")
            .current_dir(self.lab())
            .env_clear()
            .env("PATH", path)
            .env("SWITCHBACK_STATE", self.root().join("state"))
            .env("COLUMNS", columns.to_string())
            // A day after the clock of the simulated deployment begins.
            .env("SWITCHBACK_TEST_NOW", "1795305600000")
            // Nothing answers there: what needs Docker says so, whatever runs on this machine.
            .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
            .args(arguments)
            .output()
            .expect("it can be started");
        let root = self.root().display().to_string();
        let shown = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).replace(&root, "/tmp/bench-000000");
            masked(&masked(&text, "p-"), "last link ")
        };
        Said {
            stdout: shown(&output.stdout),
            stderr: shown(&output.stderr),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// Lets a simulated deployment run its plan, as a run with this id; the journal is real.
    pub(crate) fn simulate(
        &self,
        scenario: &Scenario,
        run: &str,
    ) -> (Plan, Result<Ended, Problem>) {
        let state = self.state();
        let mut plan = scenario.plan.clone();
        plan.deployment.directory = self.lab().display().to_string();
        let plan = plan.seal();
        state.save_plan(&plan).expect("the directory is ours");
        let ended = Engine::new(state, Redactor::default(), StopSignal::default())
            .with_clock(FakeClock::new(scenario.world.crash.clone()))
            .run(
                &Order {
                    plan: &plan,
                    run: &RunId::from(run),
                    deployment: &plan.deployment,
                    accepted: &[],
                    done: &[],
                    by: "ops@lab",
                    program: "0.1.0",
                },
                &scenario.site(),
                &Recorder::default(),
            );
        (plan, ended)
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }
}

/// `text` with the twelve digits after `mark` as zeros: they follow from the temporary directory's name.
fn masked(text: &str, mark: &str) -> String {
    let mut parts = text.split(mark);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part
            .chars()
            .take(12)
            .filter(char::is_ascii_hexdigit)
            .count();
        whole.push_str(mark);
        if digits == 12 {
            whole.push_str("000000000000");
            whole.push_str(&part[12..]);
        } else {
            whole.push_str(part);
        }
    }
    whole
}
