//! A conversation with a server: one client process, one connection, questions and answers in turn.

use std::collections::BTreeMap;

use switchback_engine::ports::Failure;

use super::client::{Client, fields};
use super::reply::{Reply, Value};
use crate::conversation::{Broken, Conversation};

/// A line that no client can read. It says so by itself, without asking its server: what was not
/// answered before it will never be, for a client that lost its server goes on with the next line.
const MARK: &str = "\"\n";
/// What it says.
const MARKED: &[u8] = b"Invalid argument(s)";
/// How much is asked before the answers are read: less than a pipe holds, or both sides would wait.
const AHEAD: usize = 32 << 10;
/// So many reasons of a client are told.
const REASONS: usize = 3;

/// A client that stays connected.
pub(super) struct Session<'a> {
    pub(super) client: &'a Client<'a>,
    conversation: &'a mut Conversation,
    answered: bool,
}

impl Client<'_> {
    /// Talks with the server through one client program.
    pub(super) fn converse<T>(
        &self,
        talk: impl FnOnce(Session<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let talked = self
            .held
            .with(self.commands, &self.argv, None, |conversation| {
                talk(Session {
                    client: self,
                    conversation,
                    answered: false,
                })
            });
        talked.map_err(|broken| match broken {
            Broken::Client(error) => self.failure(error),
            Broken::Own { error, aside } => with_reason(error, &aside),
            Broken::Pipe(error) => self.lost().cause(error),
        })
    }
}

/// Why a server does not answer is said by the client on the side, once for every command.
fn with_reason(mut failure: Failure, aside: &str) -> Failure {
    if ["datastore-silent", "datastore-connection-lost"].contains(&failure.code.as_str())
        && failure.causes.is_empty()
    {
        let mut lines: Vec<&str> = aside.lines().collect();
        lines.dedup();
        failure.causes = lines.into_iter().take(REASONS).map(str::to_owned).collect();
    }
    failure
}

/// Whether the client program is there: it says by itself that it cannot read the mark.
pub(super) fn greets(conversation: &mut Conversation) -> std::io::Result<()> {
    conversation.say(MARK.as_bytes())?;
    while conversation.hear_until(MARKED)?.is_some() {}
    Ok(())
}

impl Session<'_> {
    /// Sends commands and hands over each answer in order, errors as well.
    pub(super) fn each(
        &mut self,
        commands: &[String],
        mut hear: impl FnMut(usize, Reply) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut from = 0;
        while from < commands.len() {
            let mut text = String::new();
            let mut to = from;
            while to < commands.len() && (to == from || text.len() + commands[to].len() < AHEAD) {
                text.push_str(&commands[to]);
                text.push('\n');
                to += 1;
            }
            self.say(&text)?;
            for place in from..to {
                let reply = match self.reply()? {
                    Some(reply) => reply,
                    None => return Err(self.unanswered()),
                };
                self.answered = true;
                hear(place, reply)?;
            }
            if self.reply()?.is_some() {
                return Err(self.client.lost().cause("more answers than questions"));
            }
            from = to;
        }
        Ok(())
    }

    /// Sends one command and returns its answer; one that has nothing to do with the command is a failure.
    pub(super) fn ask(&mut self, command: &str) -> Result<Reply, Failure> {
        let reply = self.attempt(command)?;
        self.client.understood(&reply)?;
        Ok(reply)
    }

    /// Sends one command and returns its answer, whatever it is.
    pub(super) fn attempt(&mut self, command: &str) -> Result<Reply, Failure> {
        let mut answer = None;
        self.each(&[command.to_owned()], |_, reply| {
            answer = Some(reply);
            Ok(())
        })?;
        answer.ok_or_else(|| self.client.lost())
    }

    /// Sends one command that must succeed.
    pub(super) fn command(&mut self, command: &str) -> Result<String, Failure> {
        match self.ask(command)? {
            Reply::Error(error) => Err(self.client.refused(command, &error)),
            reply => Ok(reply.text().unwrap_or_default()),
        }
    }

    /// A section of `INFO`.
    pub(super) fn info(&mut self, section: &str) -> Result<BTreeMap<String, String>, Failure> {
        Ok(fields(&self.verbatim(&format!("INFO {section}"))?))
    }

    /// Settings as `CONFIG GET` tells them; `None` where the command was renamed.
    pub(super) fn settings(
        &mut self,
        names: &[&str],
    ) -> Result<Option<BTreeMap<String, String>>, Failure> {
        let commands: Vec<String> = names
            .iter()
            .map(|name| format!("CONFIG GET {name}"))
            .collect();
        let client = self.client;
        let mut settings = Some(BTreeMap::new());
        self.each(&commands, |_, reply| {
            client.understood(&reply)?;
            match (reply, &mut settings) {
                (Reply::Values(values), Some(settings)) => settings.extend(setting(values)),
                _ => settings = None,
            }
            Ok(())
        })?;
        Ok(settings)
    }

    /// The answer to a command that the client prints as it is, whatever form was asked for (`INFO`,
    /// `CLIENT LIST`).
    pub(super) fn verbatim(&mut self, command: &str) -> Result<String, Failure> {
        self.say(&format!("{command}\n"))?;
        let mut text = String::new();
        while let Some(line) = self.line()? {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        if text.is_empty() {
            return Err(self.unanswered());
        }
        self.answered = true;
        self.client.printed(command, text)
    }

    fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.conversation
            .say(format!("{text}{MARK}").as_bytes())
            .map_err(|error| self.client.lost().cause(error))
    }

    /// The next answer; `None` at the mark.
    fn reply(&mut self) -> Result<Option<Reply>, Failure> {
        loop {
            let Some(line) = self.line()? else {
                return Ok(None);
            };
            if let Some(reply) = Reply::parse(line) {
                return Ok(Some(reply));
            }
        }
    }

    /// The next line; `None` at the mark.
    fn line(&mut self) -> Result<Option<&[u8]>, Failure> {
        let client = self.client;
        self.conversation
            .hear_until(MARKED)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => client.lost(),
                _ => client.lost().cause(error),
            })
    }

    /// The client goes on after a server that is not there: why it is not, it says at its end.
    fn unanswered(&mut self) -> Failure {
        self.conversation.spoil();
        if self.answered {
            self.client.lost()
        } else {
            self.client.silent(Failure::new("datastore-silent", ""))
        }
    }
}

/// A setting and its value; nothing for one that the server does not know.
fn setting(values: Vec<Value>) -> Option<(String, String)> {
    let Ok([Value::Bytes(name), value]) = <[Value; 2]>::try_from(values) else {
        return None;
    };
    let value = match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::Number(number) => number.to_string(),
        Value::Nil => return None,
    };
    Some((String::from_utf8_lossy(&name).into_owned(), value))
}
