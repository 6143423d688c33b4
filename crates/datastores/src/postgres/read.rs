//! Reading everything a database holds, at one moment, and dumping exactly that.

use std::fs::File;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use switchback_engine::ports::{Context, Failure};
use switchback_engine::process::{Argv, CommandError, Finished, Input, Output};
use switchback_model::Contents;
use switchback_model::contents::Collection;

use super::commands::Compression;
use super::server::Server;
use super::sql;
use crate::conversation::{Broken, Conversation};

/// How often a running dump is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What a database holds at one moment of its history.
pub(super) struct Reading {
    pub(super) contents: Contents,
    /// Position in the write-ahead log.
    pub(super) position: String,
}

#[derive(Deserialize)]
struct Begun {
    snapshot: String,
    position: String,
    tables: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Collection {
        collection: String,
        count: u64,
        checksum: Option<String>,
    },
    End {},
}

impl Server {
    /// Counts and checksums of every table of `database`, in one snapshot.
    pub(super) fn contents_of(
        &self,
        cx: &Context<'_>,
        database: &str,
    ) -> Result<Contents, Failure> {
        self.read(cx, database, None)
            .map(|reading| reading.contents)
    }

    /// The same, and a dump of the same snapshot into `dump`. Both run at once: users wait for the longer.
    pub(super) fn read_and_dump(
        &self,
        cx: &Context<'_>,
        dump: File,
        compression: Compression,
    ) -> Result<Reading, Failure> {
        self.read_and_dump_of(cx, self.database(), dump, compression)
    }

    /// The same, of any database of the server.
    pub(super) fn read_and_dump_of(
        &self,
        cx: &Context<'_>,
        database: &str,
        dump: File,
        compression: Compression,
    ) -> Result<Reading, Failure> {
        self.read(cx, database, Some((dump, compression)))
    }

    fn read(
        &self,
        cx: &Context<'_>,
        database: &str,
        dump: Option<(File, Compression)>,
    ) -> Result<Reading, Failure> {
        let mut come = String::new();
        let psql = self.client(database, Some(cx.run), |connection| {
            come = connection.come();
            connection.psql()
        })?;
        let read = self.held.with(cx.commands, &psql, Some(&come), |session| {
            self.converse(cx, database, session, dump)
        });
        read.map_err(|broken| match broken {
            Broken::Client(error) => self.failure(error, "cannot be read"),
            Broken::Pipe(error) => self.pipe_broke(&error),
            Broken::Own { error, .. } => error,
        })
    }

    fn converse(
        &self,
        cx: &Context<'_>,
        database: &str,
        session: &mut Conversation,
        dump: Option<(File, Compression)>,
    ) -> Result<Reading, Failure> {
        self.say(session, &sql::begin_reading())?;
        let begun: Begun = self.hear(session)?;
        let Some((dump, compression)) = dump else {
            let contents = self.collect(cx, session, begun.tables)?;
            return Ok(Reading {
                contents,
                position: begun.position,
            });
        };
        let argv = self.client(database, Some(cx.run), |connection| {
            connection.dump(&begun.snapshot, compression)
        })?;
        let growing = dump.try_clone().map_err(|error| self.pipe_broke(&error))?;
        let commands = cx.commands;
        let contents = thread::scope(|scope| {
            let argv: &Argv = &argv;
            let dumping = scope.spawn(move || commands.run(argv, Input::Empty, Output::File(dump)));
            let contents = self.collect(cx, session, begun.tables);
            while !dumping.is_finished() {
                let bytes = growing.metadata().map(|found| found.len()).ok();
                cx.progress.report("dumping", bytes, None, Some("B"));
                thread::sleep(LOOK);
            }
            let dumped: Result<Finished, CommandError> = dumping
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            dumped.map_err(|error| self.failure(error, "cannot be dumped"))?;
            contents
        })?;
        Ok(Reading {
            contents,
            position: begun.position,
        })
    }

    fn collect(
        &self,
        cx: &Context<'_>,
        session: &mut Conversation,
        tables: u64,
    ) -> Result<Contents, Failure> {
        self.say(session, &sql::read_everything())?;
        let mut contents = Contents::default();
        cx.progress
            .report("counting rows", Some(0), Some(tables), Some("tables"));
        while self.collection(session, &mut contents)? {
            let read = (contents.collections.len() as u64).min(tables);
            cx.progress
                .report("counting rows", Some(read), Some(tables), Some("tables"));
        }
        Ok(contents)
    }

    /// Hears one collection; false at the end.
    pub(super) fn collection(
        &self,
        session: &mut Conversation,
        contents: &mut Contents,
    ) -> Result<bool, Failure> {
        match self.hear(session)? {
            Line::End {} => Ok(false),
            Line::Collection {
                collection,
                count,
                checksum,
            } => {
                contents
                    .collections
                    .insert(collection, Collection { count, checksum });
                Ok(true)
            }
        }
    }

    pub(super) fn say(&self, session: &mut Conversation, text: &str) -> Result<(), Failure> {
        session
            .say(text.as_bytes())
            .map_err(|error| self.pipe_broke(&error))
    }

    pub(super) fn hear<T: for<'de> Deserialize<'de>>(
        &self,
        session: &mut Conversation,
    ) -> Result<T, Failure> {
        match session.hear() {
            Ok(Some(line)) => serde_json::from_slice(line)
                .map_err(|error| self.misunderstood(&String::from_utf8_lossy(line), &error)),
            Ok(None) => Err(Failure::new(
                "datastore-connection-lost",
                format!(
                    "the server of `{}` ended the connection in the middle",
                    self.name
                ),
            )),
            Err(error) => Err(self.pipe_broke(&error)),
        }
    }

    pub(super) fn pipe_broke(&self, error: &std::io::Error) -> Failure {
        Failure::new(
            "datastore-connection-lost",
            format!("lost the connection to the server of `{}`", self.name),
        )
        .cause(error)
    }
}
