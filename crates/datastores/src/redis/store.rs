//! The datastore port for a Redis server.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;

use switchback_engine::ports::{Context, Datastore, Failure, Finding, Hold, Reach};
use switchback_engine::process::{Commands, Secret};
use switchback_model::event::{Completed, Outcome};
use switchback_model::observed::DatastoreLocation;
use switchback_model::plan::{BackupMethod, EngineChange, Expectation};
use switchback_model::{Contents, DatastoreName, RunId};

use super::contents;
use super::server::Server;
use crate::conversation::Held;
use crate::said::{no_writers, other_server_removed, same_major};
use crate::survey::Survey;
use crate::writers::lasting;

/// A Redis server.
pub(crate) struct Redis {
    server: Server,
}

impl Redis {
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
                program: OnceCell::new(),
                original: Held::default(),
                replica: Held::default(),
                suitable: Cell::new(false),
            },
        }
    }

    pub(crate) fn survey(&self, commands: &Commands) -> Result<Survey, Failure> {
        let _held = self.server.hold();
        let client = self.server.client(commands)?;
        let engine = self.server.engine(commands)?;
        let memory = client.info("memory")?;
        let stats = client.info("stats")?;
        let mut obstacles: Vec<String> = self.server.obstacle(commands)?.into_iter().collect();
        let layout = self.server.layout(commands)?;
        if let Err(failure) = layout.on_host(&self.server.name, &self.server.location) {
            obstacles.push(failure.causes.first().cloned().unwrap_or(failure.what));
        }
        let shadow = self.server.shadowing(commands, &layout, &obstacles)?;
        Ok(Survey {
            engine: Some(engine),
            compatibility: None,
            size: memory
                .get("used_memory")
                .and_then(|bytes| bytes.parse().ok()),
            count: Some(contents::count(&client)?),
            writers: self.server.writers(commands)?,
            obstacles,
            shadow,
            log_rate: log_rate(&stats),
        })
    }
}

/// What clients send it in a second: not all of that are changes, and no change is larger than what was sent.
fn log_rate(stats: &BTreeMap<String, String>) -> Option<u64> {
    let kilobytes: f64 = stats.get("instantaneous_input_kbps")?.parse().ok()?;
    Some((kilobytes.clamp(0.0, 1e9) * 1024.0) as u64)
}

fn answered<T>(answer: Result<T, Failure>, finding: impl FnOnce(T) -> Finding) -> Finding {
    answer.map_or_else(|failure| Finding::Unknown { why: failure.what }, finding)
}

impl Datastore for Redis {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        let server = &self.server;
        match expectation {
            Expectation::Reachable { .. } => match server
                .client(cx.commands)
                .and_then(|client| client.command("PING"))
            {
                Ok(_) => Finding::Holds,
                Err(failure) => Finding::Differs {
                    found: failure.what,
                },
            },
            Expectation::Engine { version, .. } => answered(server.engine(cx.commands), |found| {
                same_major(version, &found)
            }),
            Expectation::NoWriters { .. } => {
                if let Ok(false) = server.reach.running(cx) {
                    return Finding::Holds;
                }
                no_writers(lasting(|| server.writers(cx.commands)))
            }
            Expectation::Backup { state, run, .. } => {
                server.reached(cx, run.as_ref().unwrap_or(cx.run), *state)
            }
            Expectation::Restored { run, .. } => server.restored(cx, run),
            Expectation::Carried { version, .. } => server.carried(cx, version),
            Expectation::Released { run, .. } => match server.released_server(cx, run) {
                Finding::Holds => server.released(cx, run),
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
        let _held = self.server.hold();
        let client = self.server.client(cx.commands)?;
        contents::read(&client, cx.progress).map(|held| held.contents)
    }

    fn sealed_contents(&self, cx: &Context<'_>, run: &RunId) -> Result<Contents, Failure> {
        let backup = self.server.backup(cx, run);
        let manifest = backup.sealed()?;
        if manifest.method == BackupMethod::Shadow {
            return self.server.read_sealed(cx, &backup, manifest);
        }
        Ok(manifest.contents)
    }

    fn prepare(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.server.prepare(cx)
    }

    fn follow(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.server.follow(cx)
    }

    fn seal(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.server.seal(cx)
    }

    fn capture(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.server.capture(cx)
    }

    fn promote(
        &self,
        cx: &Context<'_>,
        into: &std::path::Path,
    ) -> Result<Option<Outcome>, Failure> {
        self.server.promote(cx, into)
    }

    fn prove(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.server.prove(cx)
    }

    fn restore(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        self.server.restore(cx, run)
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

    fn put_back(&self, cx: &Context<'_>, _: &EngineChange, run: &RunId) -> Result<(), Failure> {
        self.server.put_server_back(cx, run)
    }

    fn answers(&self, cx: &Context<'_>, _: &EngineChange) -> Result<Outcome, Failure> {
        self.server.answers_as(cx)
    }

    fn release(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        let had = self.server.release_server(cx, run)?;
        let released = self.server.release(cx, run)?;
        if had && released.completed == Completed::AlreadyDone {
            return Ok(other_server_removed());
        }
        Ok(released)
    }

    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        self.server.clean_server(cx)?;
        self.server.clean(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_told_in_kilobytes() {
        let of = |told: &str| {
            let name = "instantaneous_input_kbps".to_owned();
            log_rate(&BTreeMap::from([(name, told.to_owned())]))
        };
        assert_eq!(of("1500.50"), Some(1_536_512));
        assert_eq!((of("0.00"), of("-1"), of("?")), (Some(0), Some(0), None));
    }
}
