//! A program that runs to its end without us: its pid, log and exit code are files in one directory,
//! so that a later switchback finds it and waits for it.

use std::io;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use switchback_engine::ports::{Context, Failure, MigrationTrace};
use switchback_engine::process::Secret;
use switchback_engine::signal::Urgency;

use crate::host::process;
use crate::host::{Host, unwritable};
use crate::log::Log;

/// A shell that was started and has not noted itself after this many looks never will.
const LOOKS_FOR_START: u32 = 100;
/// A program that was asked to end has this many looks for it; then it is killed.
const LOOKS_FOR_END: u32 = 200;

/// Where the traces of one program are.
#[derive(Clone, Debug)]
pub(crate) struct OneOff {
    host: Host,
    directory: PathBuf,
}

impl OneOff {
    /// The one whose traces are, or will be, in `directory` of `host`.
    pub(crate) fn at(host: &Host, directory: PathBuf) -> Self {
        Self {
            host: host.clone(),
            directory,
        }
    }

    /// What is left of it.
    pub(crate) fn trace(&self) -> Result<MigrationTrace, Failure> {
        self.look()
            .map_err(|error| unwritable(&self.directory, &error))
    }

    fn look(&self) -> io::Result<MigrationTrace> {
        if let Some(code) = self.code()? {
            return Ok(MigrationTrace::Exited { code });
        }
        let note = self.directory.join("pid");
        if !self.host.exists(&note)? {
            return Ok(MigrationTrace::NeverStarted);
        }
        Ok(match self.host.noted(&note)? {
            Some(_) => MigrationTrace::Running,
            // It was noted and is gone without an exit code: killed, or the machine went down. It may have
            // written its code between the two looks.
            None => MigrationTrace::Exited {
                code: self.code()?.unwrap_or(-1),
            },
        })
    }

    fn code(&self) -> io::Result<Option<i64>> {
        let code = self.host.text_if_there(&self.directory.join("exit"))?;
        Ok(code.map(|code| code.trim().parse().unwrap_or(-1)))
    }

    /// What [`OneOff::begin`] said that it is.
    pub(crate) fn what(&self) -> Result<Option<String>, Failure> {
        let what = self.directory.join("what");
        self.host
            .text_if_there(&what)
            .map_err(|error| unwritable(&what, &error))
    }

    /// Starts `program` in the directory `inside`; `what` says later what it is.
    pub(crate) fn begin(
        &self,
        what: &str,
        program: &[String],
        environment: &[(String, Secret)],
        inside: &Path,
    ) -> Result<(), NotStarted> {
        let failed = |error: io::Error| NotStarted(unwritable(&self.directory, &error));
        self.host
            .write(&self.directory.join("what"), what)
            .map_err(failed)?;
        let argv = process::one_off(&self.directory, program, environment).directory(inside);
        // Where the answer was lost it may have begun: what it left says so.
        let told = self.host.capture(&argv, "");
        for _ in 0..LOOKS_FOR_START {
            if self.trace().map_err(NotStarted)? != MigrationTrace::NeverStarted {
                return Ok(());
            }
            if self.host.name().is_none() && told.is_err() {
                break;
            }
            std::thread::sleep(self.host.pause());
        }
        Err(NotStarted(told.err().unwrap_or_else(|| {
            Failure::default().cause("it did not note that it had begun")
        })))
    }

    /// Reads its log as it grows, until it ends or the operator wants to stop at once. `name` is said with
    /// its last line while it runs.
    pub(crate) fn follow(&self, cx: &Context<'_>, name: &str) -> Result<Log, Failure> {
        let mut log = Log::default();
        let (mut offset, mut rest) = (0, String::new());
        loop {
            let ended = self.trace()? != MigrationTrace::Running;
            let path = self.directory.join("log");
            let text = match self.host.read_from(&path, offset) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                text => text.map_err(|error| unwritable(&path, &error))?,
            };
            offset += text.len() as u64;
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
                return Ok(log);
            }
            std::thread::sleep(self.host.pause());
        }
    }

    /// Ends it where it runs, and removes its traces.
    pub(crate) fn remove(&self) -> Result<(), Failure> {
        self.end()
            .and_then(|()| self.host.remove_tree(&self.directory))
            .map_err(|error| unwritable(&self.directory, &error))
    }

    /// Politely, then not.
    fn end(&self) -> io::Result<()> {
        let Some(process) = self.host.noted(&self.directory.join("pid"))? else {
            return Ok(());
        };
        let mut looks = 0;
        self.host.signal(&[process], Signal::TERM)?;
        while self.host.lives(process)? {
            looks += 1;
            if looks > LOOKS_FOR_END {
                self.host.signal(&[process], Signal::KILL)?;
            }
            std::thread::sleep(self.host.pause());
        }
        Ok(())
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
