//! Commands as values: what would be typed, with secrets kept apart.

use std::fmt;
use std::path::PathBuf;

use switchback_model::command_line;

/// A secret that shows itself as `•••`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret itself. Only for handing it to the program that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

/// A program and its arguments: a list, never a shell string.
///
/// Secrets travel in the environment, where a process list does not show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argv {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables to add.
    pub env: Vec<(String, Secret)>,
    /// Directory to run in; the current one where absent.
    pub directory: Option<PathBuf>,
    /// Written to its standard input before anything else: what a program that carries a command elsewhere
    /// needs to know and no process list may show.
    pub preamble: Option<Secret>,
    /// What people are told in place of the program that only carries a command elsewhere.
    pub told: Option<String>,
}

impl Argv {
    /// A program with arguments.
    pub fn new<I, S>(program: &str, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self {
            program: program.to_owned(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            directory: None,
            preamble: None,
            told: None,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I, S>(mut self, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: Secret) -> Self {
        self.env.push((name.to_owned(), value));
        self
    }

    /// Runs in this directory.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Carries the command `told` elsewhere: `preamble` says there what it is.
    #[must_use]
    pub fn carrying(mut self, preamble: Secret, told: String) -> Self {
        self.preamble = Some(preamble);
        self.told = Some(told);
        self
    }
}

impl fmt::Display for Argv {
    /// As one would type it, without the environment.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(told) = &self.told {
            return f.write_str(told);
        }
        let args = self.args.iter().map(String::as_str);
        let words = [self.program.as_str()].into_iter().chain(args);
        f.write_str(&command_line::typed(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_one_would_type_without_secrets() {
        let argv =
            Argv::new("psql", ["-c", "select 'x'"]).env("PGPASSWORD", Secret::new("hunter2"));
        assert_eq!(argv.to_string(), r"psql -c 'select '\''x'\'''");
        assert!(!format!("{argv:?}").contains("hunter2"));
    }
}
