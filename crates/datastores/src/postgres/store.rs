//! The datastore port for a PostgreSQL database.

use std::cell::RefCell;

use switchback_engine::ports::{Context, Datastore, Failure, Finding, Hold, Reach};
use switchback_engine::process::{Commands, Secret};
use switchback_model::event::{Completed, Outcome};
use switchback_model::observed::DatastoreLocation;
use switchback_model::plan::{BackupMethod, EngineChange, Expectation};
use switchback_model::{Contents, DatastoreName, RunId, Structure};

use super::keep;
use super::server::Server;
use crate::conversation::Held;
use crate::said::{no_writers, other_server_removed, same_major};
use crate::survey::Survey;
use crate::writers::lasting;
use crate::{disk, shadow};

/// A PostgreSQL database.
pub(crate) struct Postgres {
    server: Server,
}

impl Postgres {
    pub(crate) fn new(
        name: &DatastoreName,
        location: &DatastoreLocation,
        reach: Box<dyn Reach>,
        password: Option<Secret>,
    ) -> Self {
        Self {
            server: Server {
                name: name.clone(),
                location: location.clone(),
                reach,
                password,
                maintenance: RefCell::default(),
                held: Held::default(),
                follower: Held::default(),
            },
        }
    }

    pub(crate) fn survey(&self, commands: &Commands) -> Result<Survey, Failure> {
        let _held = self.server.hold();
        let about = self.server.about(commands, None)?;
        let mut obstacles = Vec::new();
        if !about.creates {
            obstacles.push(format!("role `{}` may not create databases", about.role));
        }
        if about.standby {
            obstacles.push("the server is a standby".to_owned());
        }
        Ok(Survey {
            engine: Some(about.engine()),
            compatibility: None,
            size: Some(about.size),
            count: Some(about.rows),
            writers: self.server.writers(commands, None)?,
            obstacles,
            shadow: self.server.shadowing(commands),
            log_rate: self.server.log_rate(commands),
        })
    }

    pub(crate) fn structure(&self, commands: &Commands) -> Result<Structure, Failure> {
        self.server.structure(commands)
    }

    /// Whether the backup of `run` is a shadow, as its manifest says; before there is one, as the plan says.
    fn is_shadow(&self, cx: &Context<'_>, run: &RunId) -> Result<bool, Failure> {
        let manifest = self.server.backup(cx, run).manifest()?;
        let method = manifest.map_or_else(
            || shadow::method(cx, &self.server.name),
            |manifest| manifest.method,
        );
        Ok(method == BackupMethod::Shadow)
    }

    fn engine(&self, cx: &Context<'_>, expected: &str) -> Finding {
        match self.server.about(cx.commands, Some(cx.run)) {
            Err(failure) => Finding::Unknown { why: failure.what },
            Ok(about) => same_major(expected, &about.engine()),
        }
    }

    fn no_writers(&self, cx: &Context<'_>) -> Finding {
        if let Ok(false) = self.server.reach.running(cx) {
            return Finding::Holds;
        }
        no_writers(lasting(|| self.server.writers(cx.commands, Some(cx.run))))
    }
}

impl Datastore for Postgres {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        match expectation {
            Expectation::Reachable { .. } => match self.server.about(cx.commands, Some(cx.run)) {
                Ok(_) => Finding::Holds,
                Err(failure) => Finding::Differs {
                    found: failure.what,
                },
            },
            Expectation::Engine { version, .. } => self.engine(cx, version),
            Expectation::NoWriters { .. } => self.no_writers(cx),
            Expectation::Backup { state, run, .. } => {
                let run = run.as_ref().unwrap_or(cx.run);
                let backup = self.server.backup(cx, run);
                match backup.shadow() {
                    Ok(Some(shadow)) => self.server.shadow_reached(&backup, &shadow, run, *state),
                    _ => backup.has_reached(*state),
                }
            }
            Expectation::Restored { run, .. } => match self.server.backup(cx, run).shadow() {
                Ok(Some(shadow)) => self.server.shadow_restored(cx, &shadow, run),
                _ => self.server.restored(cx, run),
            },
            Expectation::Carried { version, .. } => self.server.carried(cx, version),
            Expectation::Released { run, .. } => match self.server.released_server(run) {
                Finding::Holds => match self.server.backup(cx, run).shadow() {
                    Ok(Some(_)) => self.server.shadow_released(run),
                    _ => self.server.released(cx, run),
                },
                left => left,
            },
            _ => Finding::Unknown {
                why: "not a datastore's matter".to_owned(),
            },
        }
    }

    fn hold(&self) -> Box<dyn Hold + '_> {
        Box::new(self.server.hold())
    }

    fn contents(&self, cx: &Context<'_>) -> Result<Contents, Failure> {
        self.server.contents_of(cx, self.server.database())
    }

    fn sealed_contents(&self, cx: &Context<'_>, run: &RunId) -> Result<Contents, Failure> {
        if self.is_shadow(cx, run)? {
            return self.server.sealed_shadow(cx, run);
        }
        self.server
            .backup(cx, run)
            .sealed()
            .map(|manifest| manifest.contents)
    }

    fn prepare(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        if shadow::method(cx, &self.server.name) == BackupMethod::Shadow {
            self.server.prepare_shadow(cx)
        } else {
            self.server.prepare(cx)
        }
    }

    fn follow(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.server.follow(cx)
    }

    fn seal(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        if self.is_shadow(cx, cx.run)? {
            self.server.seal_shadow(cx)
        } else {
            self.server.seal(cx)
        }
    }

    fn promote(
        &self,
        cx: &Context<'_>,
        into: &std::path::Path,
    ) -> Result<Option<Outcome>, Failure> {
        self.server.promote(cx, into)
    }

    fn capture(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.server.capture(cx)
    }

    fn prove(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        if self.is_shadow(cx, cx.run)? {
            self.server.prove_shadow(cx)
        } else {
            self.server.prove(cx)
        }
    }

    fn restore(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        if self.is_shadow(cx, run)? {
            self.server.restore_shadow(cx, run)
        } else {
            self.server.restore(cx, run)
        }
    }

    fn fits(&self, cx: &Context<'_>, engine: &EngineChange) -> Result<Outcome, Failure> {
        self.server.fits(cx, engine)
    }

    fn carry(&self, cx: &Context<'_>, engine: &EngineChange) -> Result<Outcome, Failure> {
        self.server.carry(cx, engine)
    }

    fn exchange(&self, cx: &Context<'_>, _: &EngineChange) -> Result<(), Failure> {
        self.server.exchange_server(cx)
    }

    fn put_back(&self, _: &Context<'_>, _: &EngineChange, run: &RunId) -> Result<(), Failure> {
        self.server.put_server_back(run)
    }

    fn answers(&self, cx: &Context<'_>, engine: &EngineChange) -> Result<Outcome, Failure> {
        self.server.answers_as(cx, engine)
    }

    fn release(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        let had = self.server.release_server(run)?;
        let released = if self.is_shadow(cx, run)? {
            self.server.release_shadow(cx, run)
        } else {
            self.server.release(cx, run)
        }?;
        if had && released.completed == Completed::AlreadyDone {
            return Ok(other_server_removed());
        }
        Ok(released)
    }

    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let backup = self.server.backup(cx, cx.run);
        for name in keep::half_written() {
            disk::remove(&backup.path(name)).map_err(|error| backup.io("tidy", &error))?;
        }
        self.server.clean_server(cx)?;
        self.server.clean_shadow(cx)?;
        self.server.clean(cx)
    }
}
