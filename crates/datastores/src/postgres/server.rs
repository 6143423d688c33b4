//! Asking a PostgreSQL server, and understanding when it says no.

use std::cell::RefCell;

use serde::de::DeserializeOwned;
use serde_json::Value;
use switchback_engine::ports::{Failure, Reach};
use switchback_engine::process::{Argv, CommandError, Commands, Secret};
use switchback_model::observed::DatastoreLocation;
use switchback_model::{DatastoreName, RunId};

use super::commands::Connection;
use super::sql;
use crate::conversation::{Broken, Conversation, Held, Hold};

/// Databases that every server has; neither is ever the one that is restored at the same time.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// A PostgreSQL server and the one database of it that is ours to keep.
pub(super) struct Server {
    pub(super) name: DatastoreName,
    pub(super) location: DatastoreLocation,
    pub(super) reach: Box<dyn Reach>,
    pub(super) password: Option<Secret>,
    /// The maintenance database that let us in.
    pub(super) maintenance: RefCell<Option<&'static str>>,
    /// Where the client program stays between questions.
    pub(super) held: Held,
    /// Where that of a shadow's own server does.
    pub(super) follower: Held,
}

/// Version, size and rights.
#[derive(Clone, Debug, serde::Deserialize)]
pub(super) struct About {
    pub(super) version: String,
    pub(super) size: u64,
    pub(super) rows: u64,
    pub(super) creates: bool,
    pub(super) role: String,
    pub(super) standby: bool,
}

impl About {
    /// The version alone, without the packager's remark.
    pub(super) fn engine(&self) -> String {
        self.version
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

#[derive(serde::Deserialize)]
struct Rate {
    rate: u64,
}

#[derive(serde::Deserialize)]
struct Named {
    name: String,
}

/// The name under which the server shows sessions of a run.
pub(super) fn application(run: Option<&RunId>) -> String {
    run.map_or("switchback".to_owned(), |run| format!("switchback {run}"))
}

impl Server {
    /// The database that is kept.
    pub(super) fn database(&self) -> &str {
        self.location.database.as_deref().unwrap_or("postgres")
    }

    /// Keeps the client program of the next question for those that come after it. Not where the server is
    /// stopped, which may wait for whoever is connected. Databases are renamed and removed from another one: the
    /// program goes there, and is in nobody's way.
    pub(super) fn hold(&self) -> Hold<'_> {
        self.held.hold()
    }

    /// A client program for `database`, as it is started on this host.
    pub(super) fn client(
        &self,
        database: &str,
        run: Option<&RunId>,
        which: impl FnOnce(&Connection<'_>) -> Argv,
    ) -> Result<Argv, Failure> {
        let connection = Connection {
            location: &self.location,
            password: self.password.as_ref(),
            database,
            application: &application(run),
        };
        self.reach.inside(which(&connection))
    }

    /// Runs SQL and reads its answers, one JSON document a line.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        commands: &Commands,
        run: Option<&RunId>,
        database: &str,
        text: &str,
    ) -> Result<Vec<T>, Failure> {
        let mut come = String::new();
        let argv = self.client(database, run, |connection| {
            come = connection.come();
            connection.psql()
        })?;
        self.ask_by(&self.held, commands, &argv, Some(&come), text)
            .map_err(|broken| match broken {
                Broken::Client(error) => self.failure(error, "does not do what it was asked"),
                Broken::Pipe(error) => self.pipe_broke(&error),
                Broken::Own { error, .. } => error,
            })
    }

    /// The same, by a client program of its own or one that is held.
    pub(super) fn ask_by<T: DeserializeOwned>(
        &self,
        held: &Held,
        commands: &Commands,
        argv: &Argv,
        come: Option<&str>,
        text: &str,
    ) -> Result<Vec<T>, Broken<Failure>> {
        held.with(commands, argv, come, |session| {
            self.say(session, &format!("{text}{}\n", sql::END))?;
            let mut answers = Vec::new();
            while let Some(line) = session
                .hear_until(sql::ENDED.as_bytes())
                .map_err(|error| self.pipe_broke(&error))?
            {
                if line.trim_ascii().is_empty() {
                    continue;
                }
                answers.push(
                    serde_json::from_slice(line).map_err(|error| {
                        self.misunderstood(&String::from_utf8_lossy(line), &error)
                    })?,
                );
            }
            Ok(answers)
        })
    }

    /// Runs SQL for its effect, connected to a database that is never restored itself.
    pub(super) fn command(
        &self,
        commands: &Commands,
        run: Option<&RunId>,
        text: &str,
    ) -> Result<(), Failure> {
        self.ask_beside::<Value>(commands, run, text).map(drop)
    }

    /// As [`Server::ask`], connected to a maintenance database.
    pub(super) fn ask_beside<T: DeserializeOwned>(
        &self,
        commands: &Commands,
        run: Option<&RunId>,
        text: &str,
    ) -> Result<Vec<T>, Failure> {
        if let Some(known) = *self.maintenance.borrow() {
            return self.ask(commands, run, known, text);
        }
        let mut last = None;
        for database in MAINTENANCE
            .into_iter()
            .filter(|name| *name != self.database())
        {
            match self.ask::<Value>(commands, run, database, "select 1;\n") {
                Ok(_) => {
                    *self.maintenance.borrow_mut() = Some(database);
                    return self.ask(commands, run, database, text);
                }
                Err(failure) => last = Some(failure),
            }
        }
        Err(last.unwrap_or_else(|| {
            Failure::new(
                "datastore-not-there",
                "the server has no maintenance database",
            )
        }))
    }

    pub(super) fn about(&self, commands: &Commands, run: Option<&RunId>) -> Result<About, Failure> {
        let answers = self.ask(commands, run, self.database(), sql::ABOUT)?;
        answers
            .into_iter()
            .next()
            .ok_or_else(|| self.silent("no answer to a question about itself"))
    }

    /// What it writes to its log in a second, where it tells.
    pub(super) fn log_rate(&self, commands: &Commands) -> Option<u64> {
        let answers = self.ask(commands, None, self.database(), sql::LOG_RATE);
        let rates: Vec<Rate> = answers.ok()?;
        rates.first().map(|found| found.rate)
    }

    /// Every database of the server.
    pub(super) fn databases(
        &self,
        commands: &Commands,
        run: Option<&RunId>,
    ) -> Result<Vec<String>, Failure> {
        let names: Vec<Named> = self.ask_beside(commands, run, sql::DATABASES)?;
        Ok(names.into_iter().map(|named| named.name).collect())
    }

    /// Who could write, one line each: who, from where, since when.
    pub(super) fn writers(
        &self,
        commands: &Commands,
        run: Option<&RunId>,
    ) -> Result<Vec<String>, Failure> {
        let text = sql::writers(self.database(), &application(run));
        let sessions: Vec<Value> = self.ask_beside(commands, run, &text)?;
        Ok(sessions.iter().map(described).collect())
    }

    /// The same, of a client that stays connected.
    pub(super) fn hear_writers(
        &self,
        session: &mut Conversation,
        run: &RunId,
    ) -> Result<Vec<String>, Failure> {
        let writers = sql::writers(self.database(), &application(Some(run)));
        self.say(session, &format!("{writers}{}\n", sql::END))?;
        let mut sessions = Vec::new();
        loop {
            let line: Value = self.hear(session)?;
            if line.get("end").is_some() {
                return Ok(sessions);
            }
            sessions.push(described(&line));
        }
    }

    /// What a client program's failure means.
    pub(super) fn failure(&self, error: CommandError, what: &str) -> Failure {
        if let Some(lost) = self.reach.lost(&error) {
            return lost;
        }
        let text = match &error {
            CommandError::Exit { output, .. } => output.to_lowercase(),
            _ => String::new(),
        };
        let name = &self.name;
        let (code, what, hint) = match classify(&text) {
            Some(Reason::Password) => (
                "datastore-password-wrong",
                format!("the server of `{name}` refuses the password or the role"),
                format!("say where the right one is: [datastores.{name}] password and user in switchback.toml"),
            ),
            Some(Reason::Silent) => (
                "datastore-silent",
                format!("the server of `{name}` does not answer"),
                "start it, look at its log, then resume".to_owned(),
            ),
            Some(Reason::Lost) => (
                "datastore-connection-lost",
                format!("the server of `{name}` ended the connection in the middle"),
                "look at its log, start it if it stopped, then resume: what was half written is made anew".to_owned(),
            ),
            Some(Reason::Full) => (
                "disk-full",
                format!("no space left for `{name}`"),
                "free space on that filesystem, then resume".to_owned(),
            ),
            Some(Reason::NotThere) => (
                "datastore-not-there",
                format!("the server of `{name}` does not have it"),
                format!("say what it is called: [datastores.{name}] database and user in switchback.toml"),
            ),
            Some(Reason::Denied) => (
                "datastore-permission",
                format!("the role that is used for `{name}` lacks a right"),
                format!("connect as the owner of the database or a superuser: [datastores.{name}] user in switchback.toml"),
            ),
            None => return error.into_failure("datastore-failed", format!("the server of `{name}` {what}")),
        };
        error.into_failure(code, what).hint(hint)
    }

    fn silent(&self, cause: &str) -> Failure {
        Failure::new(
            "datastore-silent",
            format!("the server of `{}` does not answer", self.name),
        )
        .cause(cause)
    }

    pub(super) fn misunderstood(&self, line: &str, error: &serde_json::Error) -> Failure {
        Failure::new(
            "datastore-answer",
            format!(
                "cannot understand what the server of `{}` answers",
                self.name
            ),
        )
        .cause(format!("`{}`", line.chars().take(120).collect::<String>()))
        .cause(error)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Password,
    Silent,
    Lost,
    Full,
    NotThere,
    Denied,
}

/// The server's own words, in lower case, most telling first.
const WORDS: &[(&str, Reason)] = &[
    ("no space left on device", Reason::Full),
    ("could not extend file", Reason::Full),
    ("password authentication failed", Reason::Password),
    ("no password supplied", Reason::Password),
    ("no pg_hba.conf entry", Reason::Password),
    ("peer authentication failed", Reason::Password),
    ("server closed the connection", Reason::Lost),
    ("terminating connection", Reason::Lost),
    ("ssl syscall error", Reason::Lost),
    ("connection not open", Reason::Lost),
    ("connection refused", Reason::Silent),
    ("could not connect", Reason::Silent),
    ("could not translate host name", Reason::Silent),
    ("the database system is starting up", Reason::Silent),
    ("the database system is shutting down", Reason::Silent),
    ("timeout expired", Reason::Silent),
    ("is not running", Reason::Silent),
    ("no such container", Reason::Silent),
    ("connection to server", Reason::NotThere),
    ("permission denied", Reason::Denied),
    ("must be owner", Reason::Denied),
    ("must be superuser", Reason::Denied),
    ("must be a member of", Reason::Denied),
    ("must be able to set role", Reason::Denied),
    ("row-level security", Reason::Denied),
];

fn classify(text: &str) -> Option<Reason> {
    let found = WORDS
        .iter()
        .find(|(words, _)| text.contains(words))
        .map(|(_, reason)| *reason)?;
    // "connection to server … failed: FATAL: database … does not exist" and its like.
    if found == Reason::NotThere && !text.contains("does not exist") {
        return Some(Reason::Silent);
    }
    Some(found)
}

fn described(session: &Value) -> String {
    let field = |name: &str| session.get(name).and_then(Value::as_str).unwrap_or("?");
    let application = match field("as") {
        "" => String::new(),
        application => format!(" ({application})"),
    };
    if session.get("from").is_some_and(Value::is_null) {
        return format!(
            "`{}`{application}, of which the server tells this role no more (GRANT pg_read_all_stats)",
            field("who")
        );
    }
    format!(
        "`{}`{application} from {}, {}, since {} UTC",
        field("who"),
        field("from"),
        field("state"),
        field("since")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_have_meanings() {
        let of = |text: &str| classify(&text.to_lowercase());
        assert_eq!(
            of(
                "psql: error: connection to server at \"h\" (::1), port 5432 failed: FATAL:  password authentication failed for user \"x\""
            ),
            Some(Reason::Password)
        );
        assert_eq!(
            of(
                "psql: error: connection to server on socket \"/x\" failed: FATAL:  database \"nope\" does not exist"
            ),
            Some(Reason::NotThere)
        );
        assert_eq!(
            of(
                "psql: error: connection to server on socket \"/x\" failed: No such file or directory"
            ),
            Some(Reason::Silent)
        );
        assert_eq!(
            of("ERROR:  permission denied for table users"),
            Some(Reason::Denied)
        );
        assert_eq!(of("ERROR:  relation \"x\" does not exist"), None);
    }
}
