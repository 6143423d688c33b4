//! A server of the other version beside the original, in a container without a network.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use switchback_engine::ports::{Context, Failure, Scratch};
use switchback_engine::process::{Argv, CommandError, Finished, Input, Output};
use switchback_model::Contents;
use switchback_model::observed::{DatastoreLocation, ImagePin};
use switchback_model::plan::EngineChange;

use super::super::commands::Connection;
use super::super::properties::Properties;
use super::super::server::{Server, application};
use super::super::shadow::{Control, Layout, State, server, stopped};
use super::super::sql;
use super::cluster::{Cluster, is_the_operators};
use crate::conversation::{self, Broken};
use crate::{disk, swap};

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// An empty server that does not answer within a minute has a reason to.
const START: Duration = Duration::from_secs(60);
/// So many lines of an error are told; all of it is kept.
const REASONS: usize = 4;
/// Where dumps lie in its directory.
const DUMP: &str = "dump";
/// What need not last is not synced: all of it is, once it is complete.
const IN_HASTE: [&str; 6] = [
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=4GB",
];

/// A cluster of another version that is being made.
pub(super) struct Beside<'a> {
    pub(super) server: &'a Server,
    pub(super) cx: &'a Context<'a>,
    pub(super) engine: &'a EngineChange,
    pub(super) cluster: &'a Cluster,
    pub(super) layout: Layout,
}

/// Its server, which runs.
pub(super) struct Running<'a> {
    beside: &'a Beside<'a>,
    scratch: Box<dyn Scratch>,
    location: DatastoreLocation,
}

impl<'a> Beside<'a> {
    /// Makes an empty cluster like the original's.
    pub(super) fn make(&self) -> Result<(), Failure> {
        let place = self.layout.place();
        let made = |error: std::io::Error| {
            let what = format!("cannot make {}", place.display());
            disk::failure("engine-io", what, &error)
        };
        let directory = self.server.directory()?;
        let like = std::fs::metadata(&directory).map_err(made)?;
        self.layout
            .make(&like)
            .and_then(|()| self.layout.furnish(None))
            .map_err(made)?;
        // It does nothing but stand there while programs are run beside it.
        let stands = Argv::new("tail", ["-f", "/dev/null"]);
        let scratch = self.scratch(place, stands)?;
        let data = format!("{}/data", scratch.directory());
        let argv = scratch.inside(self.cluster.make(&data))?;
        self.run(&argv, "", "making an empty cluster")
            .map(drop)
            .map_err(|error| self.failed(error, "cannot make a cluster like this one"))
    }

    /// Starts its server, with what the original needs.
    pub(super) fn start(&'a self) -> Result<Running<'a>, Failure> {
        let major = self
            .engine
            .to
            .split('.')
            .next()
            .and_then(|it| it.parse().ok());
        let mut argv = server(&self.cluster.limits(major.unwrap_or(0)), None);
        for setting in IN_HASTE {
            argv = argv.arg("-c").arg(setting);
        }
        let scratch = self.scratch(self.layout.place(), argv)?;
        let running = Running {
            location: DatastoreLocation {
                host: Some(scratch.directory().to_owned()),
                port: Some(5432),
                user: Some(self.cluster.bootstrap.clone()),
                ..self.server.location.clone()
            },
            beside: self,
            scratch,
        };
        running.wait()?;
        Ok(running)
    }

    fn scratch(&self, place: &Path, argv: Argv) -> Result<Box<dyn Scratch>, Failure> {
        let image: &ImagePin = &self.engine.image;
        self.server.reach.scratch_of(self.cx, image, place, argv)
    }

    /// Gives the stopped cluster the configuration of the original. What it was made with is left out.
    pub(super) fn configure(&self) -> Result<(), Failure> {
        let (data, directory) = (self.layout.data(), self.server.directory()?);
        let io = |error: std::io::Error| {
            disk::failure("engine-io", "cannot write the new configuration", &error)
        };
        let control = Control::read(&data).map_err(io)?;
        if control.state != State::Ended {
            return Err(Failure::new(
                "engine-unfinished",
                format!(
                    "the new server of `{}` did not end as it must",
                    self.server.name
                ),
            )
            .hint("resume: it is built anew"));
        }
        self.layout.strip().map_err(io)?;
        disk::remove(&self.layout.place().join(DUMP)).map_err(io)?;
        let theirs: Vec<_> = swap::names(&directory)
            .map_err(io)?
            .into_iter()
            .filter(|name| is_the_operators(name))
            .map(|name| directory.join(name))
            .collect();
        disk::copy(self.cx, &theirs, &data).map_err(|error| {
            disk::copy_failure(error, "cannot copy the configuration".to_owned())
        })?;
        let mut file = File::options()
            .append(true)
            .open(data.join("postgresql.conf"))
            .map_err(io)?;
        file.write_all(self.cluster.configuration().as_bytes())
            .map_err(io)
    }

    /// The identity of what was built.
    pub(super) fn system(&self) -> Option<u64> {
        Control::read(&self.layout.data())
            .ok()
            .map(|control| control.system)
    }

    /// Roles, as the original tells them. Passwords are among it: it goes nowhere but to the new server.
    pub(super) fn globals(&self) -> Result<String, Failure> {
        let argv = self
            .server
            .client(self.server.database(), Some(self.cx.run), |connection| {
                connection.globals()
            })?;
        let dumped = self.run(&argv, "", "reading the roles");
        let dumped =
            dumped.map_err(|error| self.server.failure(error, "does not tell its roles"))?;
        Ok(self.cluster.globals(&dumped.stdout))
    }

    /// Where a dump lies as this host sees it; a path that the new server's programs can read.
    pub(super) fn dump_file(&self, number: usize) -> Result<File, Failure> {
        let directory = self.layout.place().join(DUMP);
        let path = directory.join(number.to_string());
        let made = |error: std::io::Error| {
            disk::failure(
                "engine-io",
                format!("cannot write {}", path.display()),
                &error,
            )
        };
        let owner = std::fs::metadata(self.layout.place()).map_err(made)?;
        crate::backup::create_private(&directory).map_err(made)?;
        disk::give_to(&directory, &owner).map_err(made)?;
        let file = File::create(&path).map_err(made)?;
        disk::give_to(&path, &owner).map_err(made)?;
        Ok(file)
    }

    /// Runs a program to its end while telling that it runs.
    pub(super) fn run(
        &self,
        argv: &Argv,
        input: &str,
        doing: &str,
    ) -> Result<Finished, CommandError> {
        self.run_into(argv, input, None, doing)
    }

    /// As [`Beside::run`]; what the program says goes into a file where one is given.
    pub(super) fn run_into(
        &self,
        argv: &Argv,
        input: &str,
        file: Option<File>,
        doing: &str,
    ) -> Result<Finished, CommandError> {
        let commands = self.cx.commands;
        thread::scope(|scope| {
            let running = scope.spawn(move || {
                let output = file.map_or(Output::Capture, Output::File);
                commands.run(argv, Input::Bytes(input.as_bytes()), output)
            });
            while !running.is_finished() {
                self.cx.progress.report(doing, None, None, None);
                thread::sleep(LOOK);
            }
            running
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    pub(super) fn failed(&self, error: CommandError, what: &str) -> Failure {
        let said = match &error {
            CommandError::Exit { output, .. } => reasons(output),
            _ => Vec::new(),
        };
        let what = format!("PostgreSQL {}: {what}", self.engine.to);
        let mut failure = error.into_failure("engine-refuses", what);
        if !said.is_empty() {
            failure.causes = said;
        }
        failure
    }
}

/// The lines in which PostgreSQL's programs say what is wrong, among those in which they say what to do.
fn reasons(output: &str) -> Vec<String> {
    let lines = output.lines().map(str::trim);
    let said = lines.filter(|line| {
        ["error:", "ERROR:", "FATAL:", "DETAIL:"]
            .iter()
            .any(|word| line.contains(word))
    });
    said.take(REASONS).map(str::to_owned).collect()
}

impl Running<'_> {
    fn client(
        &self,
        database: &str,
        which: impl FnOnce(&Connection<'_>) -> Argv,
    ) -> Result<Argv, Failure> {
        let connection = Connection {
            location: &self.location,
            password: None,
            database,
            application: &application(Some(self.beside.cx.run)),
        };
        self.scratch.inside(which(&connection))
    }

    /// Runs SQL in a database of the new server.
    pub(super) fn sql(&self, database: &str, text: &str, doing: &str) -> Result<String, Failure> {
        let psql = self.client(database, |connection| connection.psql())?;
        let done = self.beside.run(&psql, text, doing);
        done.map(|finished| finished.stdout).map_err(|error| {
            self.beside
                .failed(error, &format!("refuses what is `{database}`"))
        })
    }

    pub(super) fn ask<T: DeserializeOwned>(&self, text: &str) -> Result<Vec<T>, Failure> {
        let told = self.sql("template1", text, "asking the new server")?;
        let lines = told.lines().filter(|line| !line.trim().is_empty());
        lines
            .map(|line| {
                serde_json::from_str(line)
                    .map_err(|error| self.beside.server.misunderstood(line, &error))
            })
            .collect()
    }

    /// Makes a database like the original's, empty.
    pub(super) fn create(&self, name: &str, properties: &Properties) -> Result<(), Failure> {
        let text = format!(
            "{}{}{}",
            sql::drop_database(name),
            properties.create(name),
            properties.apply(name)
        );
        self.sql("template1", &text, "creating databases").map(drop)
    }

    /// Fills a database from dump `number`.
    pub(super) fn fill(&self, name: &str, number: usize) -> Result<(), Failure> {
        let path = format!("{}/{DUMP}/{number}", self.scratch.directory());
        let jobs = thread::available_parallelism()
            .map_or(1, std::num::NonZero::get)
            .min(8);
        let argv = self.client(name, |connection| connection.restore_file(&path, jobs))?;
        let doing = format!("building {name}");
        self.beside
            .run(&argv, "", &doing)
            .map(drop)
            .map_err(|error| {
                self.beside
                    .failed(error, &format!("refuses what is in `{name}`"))
            })
    }

    /// Without statistics the first queries would be planned blindly.
    pub(super) fn analyze(&self) -> Result<(), Failure> {
        let argv = self.client("template1", |connection| connection.analyze())?;
        self.beside
            .run(&argv, "", "gathering statistics")
            .map(drop)
            .map_err(|error| self.beside.failed(error, "cannot be analyzed"))
    }

    /// Everything that a database of it holds.
    pub(super) fn contents(&self, name: &str) -> Result<Contents, Failure> {
        let (server, cx) = (self.beside.server, self.beside.cx);
        let psql = self.client(name, |connection| connection.psql())?;
        let read = conversation::with(cx.commands, &psql, |session| {
            server.say(session, &sql::begin_alone())?;
            server.say(session, &sql::read_everything())?;
            let mut contents = Contents::default();
            while server.collection(session, &mut contents)? {
                let read = contents.collections.len() as u64;
                cx.progress
                    .report("reading what was built", Some(read), None, Some("tables"));
            }
            Ok(contents)
        });
        read.map_err(|broken| match broken {
            Broken::Client(error) => self.beside.failed(error, "cannot be read"),
            Broken::Pipe(error) => server.pipe_broke(&error),
            Broken::Own { error, .. } => error,
        })
    }

    fn wait(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        let psql = self.client("template1", |connection| connection.psql())?;
        loop {
            let asked =
                self.beside
                    .cx
                    .commands
                    .run(&psql, Input::Bytes(b"select 1;\n"), Output::Capture);
            let Err(error) = asked else { return Ok(()) };
            if !self.scratch.running()? || begun.elapsed() > START {
                let mut failure = self
                    .beside
                    .failed(error, "does not start as this server was set up");
                failure.output = self.scratch.output().ok().filter(|text| !text.is_empty());
                return Err(failure);
            }
            stopped(self.beside.cx, "waiting for the new server")?;
            self.beside
                .cx
                .progress
                .report("waiting for the new server", None, None, None);
            thread::sleep(LOOK);
        }
    }

    /// Ends it in order. That it did is told by what it left.
    pub(super) fn end(self) -> Result<(), Failure> {
        let stop = Argv::new("pg_ctl", ["stop", "--mode=fast", "--wait", "--pgdata"])
            .arg(format!("{}/data", self.scratch.directory()));
        let argv = self.scratch.inside(stop)?;
        // Its container ends with it, and with that the program that waits inside.
        drop(self.beside.run(&argv, "", "ending the new server"));
        while self.scratch.running()? {
            stopped(self.beside.cx, "ending the new server")?;
            self.beside
                .cx
                .progress
                .report("ending the new server", None, None, None);
            thread::sleep(LOOK);
        }
        Ok(())
    }
}
