//! The simulated datastore.

use std::path::PathBuf;

use switchback_engine::ports::{Context, Datastore, Failure, Finding};
use switchback_model::event::Outcome;
use switchback_model::hand_work::DoneWhen;
use switchback_model::plan::{BackupMethod, BackupState, EngineChange, Expectation, Purpose};
use switchback_model::{Contents, DatastoreName, RunId};

use crate::data::{SimBackup, SimStore};
use crate::world::{Reality, World, server_version};

/// Keeps one datastore of a [`World`].
pub(crate) struct SimDatastore {
    pub(crate) world: World,
    pub(crate) name: DatastoreName,
}

impl SimDatastore {
    fn with<T>(&self, change: impl FnOnce(&mut SimStore) -> T) -> T {
        self.world.touch(|now| change(self.of(now)))
    }

    fn effect<T>(&self, name: &str, change: impl FnOnce(&mut SimStore) -> T) -> T {
        self.world.effect(name, |now| change(self.of(now)))
    }

    fn of<'a>(&self, now: &'a mut Reality) -> &'a mut SimStore {
        now.stores.entry(self.name.clone()).or_default()
    }

    /// True where no server answers: it is dead, stopped, or of another version than the data.
    fn is_silent(&self) -> bool {
        self.world.touch(|now| {
            let store = now.stores.get(&self.name).cloned().unwrap_or_default();
            let server = store.server.as_ref().and_then(|name| now.servers.get(name));
            store.dead
                || server.is_some_and(|server| {
                    !server.running || server_version(server) != store.made_for()
                })
        })
    }

    fn answers(&self) -> Result<(), Failure> {
        if self.is_silent() {
            return Err(Failure::new(
                "datastore-unreachable",
                format!("`{}` does not answer", self.name),
            ));
        }
        Ok(())
    }

    fn writers(&self) -> Option<String> {
        self.world.touch(|now| {
            let service = now.services.iter().find(|(_, service)| service.running);
            let migration = now.one_offs.values().find(|one| one.exit.is_none());
            service
                .map(|(name, _)| name.to_string())
                .or_else(|| migration.map(|one| one.migration.to_string()))
        })
    }

    fn is_shadowed(&self, cx: &Context<'_>) -> bool {
        let plan = cx.plan.datastores.get(&self.name);
        plan.is_some_and(|plan| plan.method == BackupMethod::Shadow)
    }

    fn follows(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let key = key(cx, cx.run);
        if self.with(|store| store.following.as_ref() == Some(&key)) {
            return Ok(());
        }
        Err(Failure::new(
            "shadow-lost",
            format!("the shadow of `{}` does not follow", self.name),
        ))
    }

    fn mark(&self, cx: &Context<'_>, what: &str, state: BackupState) {
        let key = key(cx, cx.run);
        self.effect(what, |store| {
            let live = store.live.clone();
            if let Some(backup) = store.backups.get_mut(&key) {
                backup.state = state;
                // What follows holds what the original holds.
                if state <= BackupState::Sealed || store.following.is_some() {
                    backup.data = live;
                }
            }
        });
    }

    /// No longer than it takes to replay the last position and to end.
    fn seal_shadow(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        Self::answers(self)?;
        self.follows(cx)?;
        self.mark(cx, "seal", BackupState::Proven);
        self.effect("end the companion", |store| store.following = None);
        Ok(done("sealed"))
    }

    /// In the place of the data; a way back moves it, a restore within an upgrade copies it.
    fn exchange(&self, cx: &Context<'_>, run: &RunId, backup: &SimBackup) -> Result<(), Failure> {
        if self.with(|store| store.live == backup.data) {
            return Ok(());
        }
        self.require_engine(backup);
        if backup.moved {
            return Err(Failure::new(
                "shadow-spent",
                "it has taken the place already",
            ));
        }
        let moves = matches!(cx.plan.purpose, Purpose::Rollback { .. });
        let key = key(cx, run);
        self.effect("stop the server", |store| store.dead = true);
        self.effect("exchange", |store| {
            let old = std::mem::replace(&mut store.live, backup.data.clone());
            store.aside.get_or_insert(old);
            if let Some(backup) = store.backups.get_mut(&key) {
                backup.moved |= moves;
            }
        });
        Ok(())
    }

    /// Data of one version in the place of that of another is what no server reads.
    fn require_engine(&self, backup: &SimBackup) {
        self.world.touch(|now| {
            let store = now.stores.get(&self.name);
            if store.is_some_and(|store| store.engine != backup.engine) {
                let what = format!("`{}` got the data of another version", self.name);
                now.violations.push(what);
            }
        });
    }

    fn sealed(&self, cx: &Context<'_>, run: &RunId) -> Result<SimBackup, Failure> {
        let key = key(cx, run);
        self.with(|store| store.backups.get(&key).cloned())
            .filter(|backup| backup.state >= BackupState::Sealed)
            .ok_or_else(|| Failure::new("backup-missing", format!("no sealed backup of `{run}`")))
    }
}

fn key(cx: &Context<'_>, run: &RunId) -> (PathBuf, RunId) {
    (cx.backups.to_owned(), run.clone())
}

fn done(summary: &str) -> Outcome {
    Outcome {
        summary: summary.to_owned(),
        ..Outcome::default()
    }
}

fn either(holds: bool, found: &str) -> Finding {
    if holds {
        Finding::Holds
    } else {
        Finding::Differs {
            found: found.to_owned(),
        }
    }
}

impl Datastore for SimDatastore {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        let mut store = self.with(|store| store.clone());
        store.dead = self.is_silent();
        let backup = |run: &RunId| store.backups.get(&(cx.backups.to_owned(), run.clone()));
        match expectation {
            Expectation::Reachable { .. } => either(!store.dead, "no answer"),
            Expectation::Backup { state, run, .. } => {
                let run = run.as_ref().unwrap_or(cx.run);
                let found = backup(run).map(|backup| backup.state);
                let follows = found >= Some(BackupState::Sealed)
                    || *state != BackupState::Compared
                    || store.following.as_ref() == Some(&key(cx, run));
                let far = found.is_some_and(|found| found >= *state);
                either(far && follows, "less")
            }
            Expectation::Released { .. } => either(
                store.aside.is_none() && store.kept.is_none() && store.carried.is_none(),
                "data moved aside",
            ),
            Expectation::Carried { version, .. } => either(
                store.engine.as_ref() == Some(version)
                    || store.carried == Some((version.clone(), store.live.clone(), true)),
                "nothing, half of it, or something else",
            ),
            Expectation::DoneByHand {
                done: DoneWhen::Server(is),
                ..
            } => either(
                !store.dead && is.includes(store.made_for()),
                store.made_for(),
            ),
            _ if store.dead => Finding::Unknown {
                why: format!("`{}` does not answer", self.name),
            },
            Expectation::Engine { version, .. } => {
                either(version == store.made_for(), store.made_for())
            }
            Expectation::NoWriters { .. } => match self.writers() {
                None => Finding::Holds,
                Some(writer) => Finding::Differs {
                    found: format!("`{writer}` is connected"),
                },
            },
            Expectation::Restored { run, .. } => either(
                backup(run).is_some_and(|backup| backup.data == store.live),
                "other data",
            ),
            _ => Finding::Unknown {
                why: "not a datastore's matter".to_owned(),
            },
        }
    }

    fn contents(&self, _: &Context<'_>) -> Result<Contents, Failure> {
        Self::answers(self)?;
        Ok(self.with(|store| store.live.contents()))
    }

    fn sealed_contents(&self, cx: &Context<'_>, run: &RunId) -> Result<Contents, Failure> {
        self.sealed(cx, run).map(|backup| backup.data.contents())
    }

    fn prepare(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        Self::answers(self)?;
        let key = key(cx, cx.run);
        self.effect("prepare", |store| {
            let data = store.live.clone();
            store.backups.entry(key).or_insert(SimBackup {
                state: BackupState::Prepared,
                engine: store.engine.clone(),
                data,
                moved: false,
            });
        });
        if self.is_shadowed(cx) {
            let key = self::key(cx, cx.run);
            self.effect("start a companion", |store| store.following = Some(key));
        }
        Ok(done("prepared"))
    }

    fn follow(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let key = key(cx, cx.run);
        let unsealed = self.with(|store| {
            let backup = store.backups.get(&key);
            backup.is_some_and(|backup| backup.state < BackupState::Sealed)
        });
        if self.is_shadowed(cx) && unsealed && self.follows(cx).is_err() {
            Self::answers(self)?;
            let lost = self
                .world
                .touch(|now| now.faults.lost_shadows.remove(&self.name));
            if lost {
                // What was compared was the copy that is no more.
                self.mark(cx, "begin anew", BackupState::Prepared);
            }
            self.effect("start a companion", |store| store.following = Some(key));
        }
        Ok(done("follows"))
    }

    fn seal(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        if let Some(writer) = self.writers() {
            return Err(Failure::new(
                "writers-connected",
                format!("`{writer}` is connected"),
            ));
        }
        if self.is_shadowed(cx) {
            return self.seal_shadow(cx);
        }
        let key = key(cx, cx.run);
        let offline = self.with(|store| store.copied_offline);
        if offline {
            self.effect("stop the server", |store| store.dead = true);
        } else {
            Self::answers(self)?;
        }
        self.effect("seal", |store| {
            let data = store.live.clone();
            let state = BackupState::Sealed;
            let moved = false;
            let engine = store.engine.clone();
            let backup = SimBackup {
                state,
                engine,
                data,
                moved,
            };
            store.backups.insert(key, backup);
        });
        if offline {
            self.effect("start the server", |store| store.dead = false);
        }
        Ok(done("sealed"))
    }

    fn prove(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        Self::answers(self)?;
        if self.is_shadowed(cx) {
            self.follows(cx)?;
            self.mark(cx, "mark compared", BackupState::Compared);
            return Ok(done("compared"));
        }
        let backup = self.sealed(cx, cx.run)?;
        self.effect("start a scratch server", |store| store.scratch = true);
        if self.with(|store| store.live != backup.data) {
            return Err(Failure::new(
                "backup-differs",
                "the backup holds other data",
            ));
        }
        let key = key(cx, cx.run);
        self.effect("mark proven", |store| {
            if let Some(backup) = store.backups.get_mut(&key) {
                backup.state = BackupState::Proven;
            }
        });
        self.effect("end the scratch server", |store| store.scratch = false);
        Ok(done("proven"))
    }

    fn restore(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        let backup = self.sealed(cx, run)?;
        if self.is_shadowed(cx) {
            self.exchange(cx, run, &backup)?;
            self.effect("start the server", |store| store.dead = false);
            return Ok(done("restored"));
        }
        self.require_engine(&backup);
        let bad = self
            .world
            .touch(|now| now.faults.bad_restores.remove(&self.name));
        // A copy that must be made offline leaves the server down where the engine dies.
        if self.with(|store| store.copied_offline) {
            self.effect("stop the server", |store| store.dead = true);
        }
        self.effect("write beside", |store| {
            store.beside = Some((backup.data.clone(), false));
        });
        self.effect("complete what is beside", |store| {
            let mut data = backup.data.clone();
            if bad {
                data.collections.pop_first();
            }
            store.beside = Some((data, true));
        });
        if self.with(|store| store.beside.as_ref().map(|(data, _)| *data != backup.data))
            == Some(true)
        {
            return Err(Failure::new(
                "restore-differs",
                format!(
                    "the restored copy of `{}` is not what was sealed",
                    self.name
                ),
            ));
        }
        self.effect("switch", |store| {
            if let Some((data, true)) = store.beside.take() {
                let old = std::mem::replace(&mut store.live, data);
                // What is aside already is the original: a second restore must not replace it.
                store.aside.get_or_insert(old);
            }
        });
        if self.with(|store| store.copied_offline) {
            self.effect("start the server", |store| store.dead = false);
        }
        Ok(done("restored"))
    }

    fn fits(&self, _: &Context<'_>, _: &EngineChange) -> Result<Outcome, Failure> {
        Self::answers(self)?;
        self.effect("start a scratch server", |store| store.scratch = true);
        self.effect("end the scratch server", |store| store.scratch = false);
        Ok(done("fits"))
    }

    fn carry(&self, cx: &Context<'_>, engine: &EngineChange) -> Result<Outcome, Failure> {
        Self::answers(self)?;
        self.sealed(cx, cx.run)?;
        if let Some(writer) = self.writers() {
            let what = format!("carried over while `{writer}` is connected");
            self.world.touch(|now| now.violations.push(what));
        }
        for whole in [false, true] {
            self.effect("build beside", |store| {
                store.carried = Some((engine.to.clone(), store.live.clone(), whole));
            });
        }
        Ok(done("carried over"))
    }

    fn exchange(&self, _: &Context<'_>, engine: &EngineChange) -> Result<(), Failure> {
        self.effect("exchange what the server runs on", |store| {
            if let Some((version, data, true)) = store.carried.take() {
                let before = store.engine.replace(version);
                store.kept = Some((before, std::mem::replace(&mut store.live, data)));
            }
        });
        match self.with(|store| store.made_for() == engine.to) {
            true => Ok(()),
            false => Err(Failure::new("nothing-carried", "nothing was carried over")),
        }
    }

    fn put_back(&self, _: &Context<'_>, _: &EngineChange, _: &RunId) -> Result<(), Failure> {
        self.effect("put back what the server ran on", |store| {
            if let Some((before, data)) = store.kept.take() {
                let engine = std::mem::replace(&mut store.engine, before);
                let made = std::mem::replace(&mut store.live, data);
                // It is kept until it is released.
                store.carried = Some((engine.unwrap_or_default(), made, false));
            }
        });
        Ok(())
    }

    fn answers(&self, _: &Context<'_>, _: &EngineChange) -> Result<Outcome, Failure> {
        Self::answers(self)?;
        Ok(done("answers"))
    }

    fn release(&self, _: &Context<'_>, _: &RunId) -> Result<Outcome, Failure> {
        self.effect("remove what is aside", |store| {
            store.aside = None;
            store.kept = None;
            store.carried = None;
        });
        Ok(done("released"))
    }

    fn clean(&self, _: &Context<'_>) -> Result<(), Failure> {
        if self.with(|store| store.scratch || store.beside.is_some()) {
            self.effect("clean", |store| {
                store.scratch = false;
                store.beside = None;
            });
        }
        Ok(())
    }
}
