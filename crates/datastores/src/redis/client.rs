//! Asking a Redis server, and understanding when it says no.

use std::collections::BTreeMap;

use switchback_engine::ports::Failure;
use switchback_engine::process::{Argv, CommandError, Commands};
use switchback_model::DatastoreName;

use super::reply::{Reply, quoted};
use crate::conversation::Held;

/// Talks with one server, the original or a scratch one.
pub(super) struct Client<'a> {
    pub(super) name: &'a DatastoreName,
    pub(super) commands: &'a Commands,
    /// The client program, as it is started on this host.
    pub(super) argv: Argv,
    /// Where that program stays between questions.
    pub(super) held: &'a Held,
}

impl Client<'_> {
    /// Sends one command that must succeed, and returns its answer as text.
    pub(super) fn command(&self, command: &str) -> Result<String, Failure> {
        self.converse(|mut session| session.command(command))
    }

    /// A section of `INFO`.
    pub(super) fn info(&self, section: &str) -> Result<BTreeMap<String, String>, Failure> {
        self.converse(|mut session| session.info(section))
    }

    /// What the client printed as the answer to a command that it prints as it is; some versions quote it
    /// all the same.
    pub(super) fn printed(&self, command: &str, text: String) -> Result<String, Failure> {
        let first = text.lines().next().unwrap_or_default();
        if let Some(error) = verbatim_error(first) {
            return Err(self
                .denied(&error)
                .unwrap_or_else(|| self.refused(command, &error)));
        }
        let quoted = first
            .starts_with('"')
            .then(|| Reply::parse(first.as_bytes()));
        let unquoted = quoted.flatten().and_then(|reply| reply.text());
        Ok(unquoted.unwrap_or(text))
    }

    /// Answers that no command may get.
    pub(super) fn understood(&self, reply: &Reply) -> Result<(), Failure> {
        match reply {
            Reply::Error(error) => self.denied(error).map_or(Ok(()), Err),
            Reply::Values(_) => Ok(()),
        }
    }

    /// What an error means that has nothing to do with the command.
    fn denied(&self, error: &str) -> Option<Failure> {
        let name = self.name;
        let words = [
            "NOAUTH",
            "WRONGPASS",
            "invalid password",
            "without any password configured",
        ];
        if words.iter().any(|words| error.contains(words)) {
            return Some(
                Failure::new(
                    "datastore-password-wrong",
                    format!("the server of `{name}` refuses the password"),
                )
                .cause(error)
                .hint(format!(
                    "say where the right one is: [datastores.{name}] password in switchback.toml"
                )),
            );
        }
        if error.starts_with("LOADING") {
            return Some(
                Failure::new(
                    "datastore-loading",
                    format!("the server of `{name}` is still loading its data"),
                )
                .cause(error)
                .hint("wait until it has loaded, then resume"),
            );
        }
        error
            .starts_with("NOPERM")
            .then(|| self.refused("a command", error))
    }

    /// The server does not do what it was asked.
    pub(super) fn refused(&self, command: &str, error: &str) -> Failure {
        let name = self.name;
        let word = command
            .split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" ");
        let failure = Failure::new(
            "datastore-failed",
            format!("the server of `{name}` refuses `{word}`"),
        )
        .cause(error);
        if error.starts_with("NOPERM") {
            let denied = Failure {
                code: "datastore-permission".to_owned(),
                ..failure
            };
            return denied.hint(format!(
                "use a user with all rights: [datastores.{name}] user in switchback.toml"
            ));
        }
        failure
    }

    pub(super) fn silent(&self, failure: Failure) -> Failure {
        let what = format!("the server of `{}` does not answer", self.name);
        let failure = Failure { what, ..failure };
        failure.hint("start it, look at its log, then resume")
    }

    pub(super) fn lost(&self) -> Failure {
        Failure::new(
            "datastore-connection-lost",
            format!(
                "the server of `{}` ended the connection in the middle",
                self.name
            ),
        )
        .hint("look at its log, start it if it stopped, then resume")
    }

    pub(super) fn failure(&self, error: CommandError) -> Failure {
        let failure = error.into_failure("datastore-silent", "");
        if failure.stopped {
            return Failure {
                what: "stopped by the operator".to_owned(),
                ..failure
            };
        }
        self.silent(failure)
    }
}

/// Names and values of a section of `INFO`.
pub(super) fn fields(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.trim().split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// An error where an answer is printed as it is; an error may be printed so, too.
fn verbatim_error(line: &str) -> Option<String> {
    if let Some(Reply::Error(error)) = Reply::parse(line.as_bytes()) {
        return Some(error);
    }
    let word = line.split_whitespace().next().unwrap_or_default();
    let known = [
        "ERR",
        "NOAUTH",
        "WRONGPASS",
        "NOPERM",
        "LOADING",
        "MASTERDOWN",
        "BUSY",
    ];
    known.contains(&word).then(|| line.trim().to_owned())
}

/// The command that reads all of a key of this type, in an order that does not matter or is the key's own;
/// `None` for types of modules, which are only counted.
pub(super) fn reading(kind: &str, key: &[u8]) -> Option<String> {
    let key = quoted(key);
    Some(match kind {
        "string" => format!("GET {key}"),
        "list" => format!("LRANGE {key} 0 -1"),
        "set" => format!("SMEMBERS {key}"),
        "zset" => format!("ZRANGE {key} 0 -1 WITHSCORES"),
        "hash" => format!("HGETALL {key}"),
        "stream" => format!("XRANGE {key} - +"),
        _ => return None,
    })
}
