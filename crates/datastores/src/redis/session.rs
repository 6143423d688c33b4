//! A conversation with a server: one client process, one connection, questions and answers in turn.

use std::collections::BTreeMap;

use switchback_engine::ports::Failure;

use super::client::{Client, fields};
use super::reply::Reply;
use crate::conversation::{self, Broken, Conversation};

/// A line that no client can read. It says so by itself, without asking its server: what was not
/// answered before it will never be, for a client that lost its server goes on with the next line.
const MARK: &str = "\"\n";
/// What it says.
const MARKED: &[u8] = b"Invalid argument(s)";
/// How much is asked before the answers are read: less than a pipe holds, or both sides would wait.
const AHEAD: usize = 32 << 10;

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
        let talked = conversation::with(self.commands, &self.argv, |conversation| {
            talk(Session {
                client: self,
                conversation,
                answered: false,
            })
        });
        talked.map_err(|broken| match broken {
            Broken::Client(error) => self.failure(error),
            Broken::Own(failure) => failure,
            Broken::Pipe(error) => self.lost().cause(error),
        })
    }
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
                let reply = self.reply()?.ok_or_else(|| self.unanswered())?;
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

    /// The answer to a command that the client prints as it is, whatever form was asked for.
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
        match self.conversation.hear() {
            Ok(Some(line)) => {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                Ok((line != MARKED).then_some(line))
            }
            Ok(None) => Err(client.lost()),
            Err(error) => Err(client.lost().cause(error)),
        }
    }

    fn unanswered(&self) -> Failure {
        if self.answered {
            self.client.lost()
        } else {
            self.client.silent(Failure::new("datastore-silent", ""))
        }
    }
}
