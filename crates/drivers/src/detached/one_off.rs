//! A program that runs to its end without us: its pid, log and exit code are files in one directory,
//! so that a later switchback finds it and waits for it.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use switchback_engine::ports::{Context, Failure, MigrationTrace};
use switchback_engine::process::Secret;
use switchback_engine::signal::Urgency;

use super::process::{self, Process};
use crate::log::Log;

/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(100);
/// A shell that was started and has not noted itself after this many looks never will.
const LOOKS_FOR_START: u32 = 100;

/// Where the traces of one program are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneOff {
    directory: PathBuf,
}

impl OneOff {
    /// The one whose traces are, or will be, in `directory`.
    pub(crate) fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// What is left of it.
    pub(crate) fn trace(&self) -> MigrationTrace {
        if let Some(code) = self.code() {
            return MigrationTrace::Exited { code };
        }
        let note = self.directory.join("pid");
        match (note.exists(), Process::noted(&note)) {
            (false, _) => MigrationTrace::NeverStarted,
            (true, Some(_)) => MigrationTrace::Running,
            // It was noted and is gone without an exit code: killed, or the machine went down. It may have
            // written its code between the two looks.
            (true, None) => MigrationTrace::Exited {
                code: self.code().unwrap_or(-1),
            },
        }
    }

    fn code(&self) -> Option<i64> {
        let code = fs::read_to_string(self.directory.join("exit")).ok()?;
        Some(code.trim().parse().unwrap_or(-1))
    }

    /// What [`OneOff::begin`] said that it is.
    pub(crate) fn what(&self) -> Option<String> {
        fs::read_to_string(self.directory.join("what")).ok()
    }

    /// Starts `program` in the directory `inside`; `what` says later what it is.
    pub(crate) fn begin(
        &self,
        cx: &Context<'_>,
        what: &str,
        program: &[String],
        environment: &[(String, Secret)],
        inside: &Path,
    ) -> Result<(), NotStarted> {
        let failed = |error: std::io::Error| NotStarted(Failure::default().cause(error));
        fs::create_dir_all(&self.directory).map_err(failed)?;
        fs::write(self.directory.join("what"), what).map_err(failed)?;
        let argv = process::one_off(&self.directory, program, environment).directory(inside);
        cx.commands
            .capture(&argv)
            .map_err(|error| NotStarted(error.into_failure("", "")))?;
        for _ in 0..LOOKS_FOR_START {
            if self.trace() != MigrationTrace::NeverStarted {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        Err(NotStarted(
            Failure::default().cause("it did not note that it had begun"),
        ))
    }

    /// Reads its log as it grows, until it ends or the operator wants to stop at once. `name` is said with
    /// its last line while it runs.
    pub(crate) fn follow(&self, cx: &Context<'_>, name: &str) -> Log {
        let mut log = Log::default();
        let (mut offset, mut rest) = (0, String::new());
        loop {
            let ended = self.trace() != MigrationTrace::Running;
            let mut text = Vec::new();
            if let Ok(mut file) = fs::File::open(self.directory.join("log")) {
                let read = file
                    .seek(SeekFrom::Start(offset))
                    .and_then(|_| file.read_to_end(&mut text));
                offset += read.unwrap_or(0) as u64;
            }
            rest.push_str(&String::from_utf8_lossy(&text));
            while let Some((line, others)) = rest.split_once('\n') {
                log.push(&cx.commands.redactor().mask(line));
                rest = others.to_owned();
            }
            let last = log
                .last_words()
                .pop()
                .unwrap_or_else(|| "nothing said yet".to_owned());
            let doing = format!("{name}: {last}");
            cx.progress
                .report(&doing, Some(log.count as u64), None, Some("lines"));
            if ended || cx.stop.urgency() == Urgency::Now {
                if !rest.is_empty() {
                    log.push(&cx.commands.redactor().mask(&rest));
                }
                return log;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Ends it where it runs, and removes its traces.
    pub(crate) fn remove(&self) -> Result<(), Failure> {
        if let Some(process) = Process::noted(&self.directory.join("pid")) {
            process.end(&mut || {});
        }
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::new(
                "file-unwritable",
                format!("cannot remove `{}`", self.directory.display()),
            )
            .cause(error)),
            _ => Ok(()),
        }
    }
}

/// Why a program could not be started.
#[derive(Debug)]
pub(crate) struct NotStarted(Failure);

impl NotStarted {
    /// As a port's failure.
    pub(crate) fn into_failure(self, code: &str, what: impl Into<String>) -> Failure {
        Failure {
            code: code.to_owned(),
            what: what.into(),
            ..self.0
        }
    }
}
