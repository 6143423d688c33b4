//! Running other programs, with errors that say what was run and what it answered.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// How much of a failed program's output an error repeats: the end is where programs say why.
const TAIL: usize = 3_000;
/// Has `cargo` build the program with stacks at AWS, which a plain build leaves out.
pub(crate) const WITH_AWS: &[&str] = &["--features", "switchback/aws"];

/// One program to run.
pub(crate) struct Tool {
    command: Command,
    input: Option<Vec<u8>>,
}

/// What a program answered.
pub(crate) struct Answer {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Starts the description of a program.
pub(crate) fn tool(program: impl AsRef<OsStr>) -> Tool {
    Tool {
        command: Command::new(program),
        input: None,
    }
}

/// `docker`, with the classic builder: BuildKit needs a plugin that Debian's package lacks.
pub(crate) fn docker() -> Tool {
    tool("docker")
        .env("DOCKER_BUILDKIT", "0")
        .env("DOCKER_CLI_HINTS", "false")
}

/// `cargo`, the one that runs us.
pub(crate) fn cargo() -> Tool {
    tool(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

impl Tool {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<I, S>(mut self, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Runs with the terminal's own output; fails unless the program succeeded.
    pub(crate) fn run(mut self) -> Result<()> {
        let shown = self.shown();
        let status = self
            .command
            .status()
            .with_context(|| format!("cannot run `{shown}`"))?;
        if !status.success() {
            bail!("`{shown}` ended with {status}");
        }
        Ok(())
    }

    /// Runs silently; an error repeats the end of the output.
    pub(crate) fn quiet(self) -> Result<()> {
        self.read().map(drop)
    }

    /// Runs silently and returns standard output.
    pub(crate) fn read(self) -> Result<String> {
        let shown = self.shown();
        let answer = self.answer()?;
        if !answer.status.success() {
            bail!(
                "`{shown}` ended with {}\n{}{}",
                answer.status,
                tail(&answer.stdout),
                tail(&answer.stderr)
            );
        }
        Ok(answer.stdout)
    }

    /// Whether the program exists and succeeds.
    pub(crate) fn succeeds(self) -> bool {
        self.answer().is_ok_and(|answer| answer.status.success())
    }

    /// Runs silently and returns whatever it answered, a failure too.
    pub(crate) fn answer(mut self) -> Result<Answer> {
        let shown = self.shown();
        let input = self.input.take();
        self.command
            .stdin(if input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self
            .command
            .spawn()
            .with_context(|| format!("cannot run `{shown}`"))?;
        let writer = input.zip(child.stdin.take()).map(|(bytes, mut stdin)| {
            // A program that stops reading early says so through its exit status.
            std::thread::spawn(move || drop(stdin.write_all(&bytes)))
        });
        let output = child
            .wait_with_output()
            .with_context(|| format!("cannot wait for `{shown}`"))?;
        if let Some(writer) = writer {
            drop(writer.join());
        }
        Ok(Answer {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The bare command, for callers that supervise the child themselves.
    pub(crate) fn into_command(self) -> Command {
        self.command
    }

    fn shown(&self) -> String {
        let mut shown = self.command.get_program().to_string_lossy().into_owned();
        for arg in self.command.get_args() {
            shown.push(' ');
            shown.push_str(&arg.to_string_lossy());
            if shown.len() > 200 {
                shown.truncate(shown.floor_char_boundary(200));
                shown.push('…');
                break;
            }
        }
        shown
    }
}

fn tail(text: &str) -> &str {
    &text[text.floor_char_boundary(text.len().saturating_sub(TAIL))..]
}
