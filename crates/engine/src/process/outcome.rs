//! What a child that was run leaves: its output, its exit code, or the reason why there is none.

use std::fs::File;
use std::io;

use super::last_words::last_words;
use crate::failure::Failure;

/// Where a child's standard output goes. Standard error is always captured.
pub enum Output<'a> {
    /// Kept in memory, cut in the middle beyond a mebibyte.
    Capture,
    /// Every byte into a file, unredacted: for dumps, never for logs.
    File(File),
    /// Each line, redacted, as it comes; kept as well.
    Lines(&'a mut dyn FnMut(&str)),
}

/// A child that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Exit code; 128 + signal where a signal ended it.
    pub code: i32,
    /// Standard output where it was kept, as the program printed it: redact before showing.
    pub stdout: String,
    /// Standard error, redacted.
    pub stderr: String,
}

/// A child that could not be run to its end, or ended with another code than zero.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The program could not be started.
    #[error("cannot start `{program}`")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ended with another code than zero.
    #[error("`{command}` exited with {code}")]
    Exit {
        /// The command as one would type it, redacted.
        command: String,
        /// Its exit code.
        code: i32,
        /// Its output, redacted, standard error first.
        output: String,
    },
    /// The operator wanted to stop at once.
    #[error("`{command}` was ended: stopped by the operator")]
    Stopped {
        /// The command as one would type it, redacted.
        command: String,
    },
    /// Reading, writing or waiting failed.
    #[error("cannot talk to `{command}`")]
    Io {
        /// The command as one would type it, redacted.
        command: String,
        /// Why.
        source: io::Error,
    },
}

impl CommandError {
    /// As a port's failure, with the last lines of output as causes.
    pub fn into_failure(self, code: &str, what: impl Into<String>) -> Failure {
        let mut failure = Failure::new(code, what).cause(&self);
        match self {
            Self::Start { source, .. } | Self::Io { source, .. } => failure.cause(source),
            Self::Exit { output, .. } => {
                failure.causes.extend(last_words(output.lines()));
                failure.output(output)
            }
            Self::Stopped { .. } => {
                failure.stopped = true;
                failure
            }
        }
    }
}
