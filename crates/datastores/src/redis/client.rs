//! Asking a Redis server: batches of commands in, one answer a line out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::thread;

use switchback_engine::ports::Failure;
use switchback_engine::process::{Argv, CommandError, Commands, Finished, Input, Output};
use switchback_model::DatastoreName;

use super::reply::{Reply, Value, quoted};

/// Talks with one server, the original or a scratch one.
pub(super) struct Client<'a> {
    pub(super) name: &'a DatastoreName,
    pub(super) commands: &'a Commands,
    /// The client program, as it is started on this host.
    pub(super) argv: Argv,
}

impl Client<'_> {
    /// Sends commands, one a line, and hands over each answer in order.
    ///
    /// A process per batch, and the batch ends its input: a client that lost its server goes on with
    /// the next command, so its end is the only sure sign that no further answer comes.
    pub(super) fn each(
        &self,
        batch: &str,
        expected: usize,
        mut hear: impl FnMut(usize, Reply) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (from, stdout) = io::pipe().map_err(|error| self.lost().cause(error))?;
        let stdout = File::from(OwnedFd::from(stdout));
        thread::scope(|scope| {
            let running = scope.spawn(move || {
                self.commands.run(
                    &self.argv,
                    Input::Bytes(batch.as_bytes()),
                    Output::File(stdout),
                )
            });
            let mut heard = 0;
            let mut said = Ok(());
            for line in BufReader::new(from).split(b'\n') {
                let Ok(line) = line else { break };
                let line = line.strip_suffix(b"\r").unwrap_or(&line);
                let Some(reply) = Reply::parse(line) else {
                    continue;
                };
                if said.is_ok() {
                    said = self.understood(&reply).and_then(|()| hear(heard, reply));
                }
                heard += 1;
            }
            let ended = running
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let finished = ended.map_err(|error| self.failure(error))?;
            said?;
            if heard < expected {
                return Err(self.unanswered(&finished));
            }
            Ok(())
        })
    }

    /// Sends commands and returns every answer.
    pub(super) fn ask(&self, commands: &[&str]) -> Result<Vec<Reply>, Failure> {
        let mut replies = Vec::new();
        let batch = format!("{}\n", commands.join("\n"));
        self.each(&batch, commands.len(), |_, reply| {
            replies.push(reply);
            Ok(())
        })?;
        Ok(replies)
    }

    /// Sends one command and returns its answer as text.
    pub(super) fn ask_text(&self, command: &str) -> Result<String, Failure> {
        let replies = self.ask(&[command])?;
        match replies.first() {
            Some(Reply::Error(error)) => Err(self.refused(command, error)),
            Some(reply) => Ok(reply.text().unwrap_or_default()),
            None => Err(self.lost()),
        }
    }

    /// A section of `INFO`.
    pub(super) fn info(&self, section: &str) -> Result<BTreeMap<String, String>, Failure> {
        let text = self.verbatim(&[&format!("INFO {section}")])?;
        Ok(fields(&text))
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

    /// The answer to the last of these commands, which must be one that the client prints as it is,
    /// whatever form was asked for (`INFO`, `CLIENT LIST`); some versions quote it all the same.
    pub(super) fn verbatim(&self, commands: &[&str]) -> Result<String, Failure> {
        let batch = format!("{}\n", commands.join("\n"));
        let finished = self
            .commands
            .run(&self.argv, Input::Bytes(batch.as_bytes()), Output::Capture)
            .map_err(|error| self.failure(error))?;
        // The answers to the commands before are one line each.
        let mut rest = finished.stdout.as_str();
        for _ in 1..commands.len() {
            let (before, after) = rest.split_once('\n').unwrap_or((rest, ""));
            if let Some(error) = verbatim_error(before) {
                return Err(self
                    .denied(&error)
                    .unwrap_or_else(|| self.refused(commands[0], &error)));
            }
            rest = after;
        }
        if rest.lines().next().unwrap_or_default().is_empty() {
            return Err(self.unanswered(&finished));
        }
        let command = commands.last().copied().unwrap_or_default();
        self.printed(command, rest.to_owned())
    }

    /// Settings as `CONFIG GET` tells them; `None` where the command was renamed or is not allowed.
    pub(super) fn settings(
        &self,
        names: &[&str],
    ) -> Result<Option<BTreeMap<String, String>>, Failure> {
        let commands: Vec<String> = names
            .iter()
            .map(|name| format!("CONFIG GET {name}"))
            .collect();
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        let mut settings = BTreeMap::new();
        for reply in self.ask(&commands)? {
            let Reply::Values(values) = reply else {
                return Ok(None);
            };
            if let [Value::Bytes(name), value] = &values[..] {
                let value = match value {
                    Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    Value::Number(number) => number.to_string(),
                    Value::Nil => continue,
                };
                settings.insert(String::from_utf8_lossy(name).into_owned(), value);
            }
        }
        Ok(Some(settings))
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

    /// The client ended well and has not passed on every answer: it says why on the side.
    fn unanswered(&self, finished: &Finished) -> Failure {
        let failure = if finished.stderr.contains("Could not connect") {
            self.silent(Failure::new("datastore-silent", ""))
        } else {
            self.lost()
        };
        finished
            .stderr
            .lines()
            .take(3)
            .fold(failure, Failure::cause)
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
