//! The simulated driver.

use std::collections::BTreeMap;

use switchback_engine::ports::{Context, Driver, Failure, Finding, MigrationCall, MigrationTrace};
use switchback_engine::signal::Urgency;
use switchback_model::event::{Completed, Outcome};
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Check, Expectation, FileEdit};
use switchback_model::{Digest, MigrationId, ServiceName};

use crate::data::SimStore;
use crate::migration::OneOff;
use crate::world::{Reality, SimService, World, server_version};

/// Drives a [`World`].
pub(crate) struct SimDriver {
    pub(crate) world: World,
}

impl SimDriver {
    fn reach(&self) -> Result<(), Failure> {
        self.world.touch(|now| {
            if now.faults.daemon_down {
                Err(
                    Failure::new("daemon-down", "cannot reach the container engine")
                        .cause("connection refused"),
                )
            } else if now.faults.disk_full {
                Err(Failure::new("disk-full", "no space left on device"))
            } else {
                Ok(())
            }
        })
    }
}

fn done(summary: &str) -> Outcome {
    Outcome {
        summary: summary.to_owned(),
        ..Outcome::default()
    }
}

fn either(holds: bool, found: impl FnOnce() -> String) -> Finding {
    if holds {
        Finding::Holds
    } else {
        Finding::Differs { found: found() }
    }
}

fn running(now: &Reality, services: &[ServiceName], wanted: bool) -> Finding {
    let other = services
        .iter()
        .find(|name| service(now, name).is_some_and(|service| service.running) != wanted);
    either(other.is_none(), || {
        let name = other.map(ToString::to_string).unwrap_or_default();
        format!("`{name}` {}", if wanted { "stopped" } else { "running" })
    })
}

impl Driver for SimDriver {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        self.world.touch(|now| {
            if let Expectation::File { path, digest } = expectation {
                let found = now.files.get(path).map(Digest::of);
                return either(found.as_ref() == Some(digest), || {
                    found.map_or("no such file".to_owned(), |found| {
                        format!("digest {}", found.short())
                    })
                });
            }
            if now.faults.daemon_down {
                return Finding::Unknown {
                    why: "the container engine does not answer".to_owned(),
                };
            }
            match expectation {
                Expectation::ImageHere { image } => {
                    either(now.images.contains(&image.reference), || {
                        "no such image".to_owned()
                    })
                }
                Expectation::Running { services } => running(now, services, true),
                Expectation::Stopped { services } => running(now, services, false),
                Expectation::Runs { service, image } => {
                    let found = self::service(now, service).and_then(|found| found.image.clone());
                    either(found.as_ref() == Some(image), || {
                        found.map_or("no container".to_owned(), |found| {
                            format!("`{}`", found.reference)
                        })
                    })
                }
                Expectation::Migrated { migration, version } => {
                    let one = now.one_offs.get(&(cx.run.clone(), cx.step));
                    let ended_well = one.is_some_and(|one| {
                        one.migration == *migration
                            && one.version == *version
                            && one.exit == Some(0)
                    });
                    either(ended_well, || "no container that ended with 0".to_owned())
                }
                Expectation::DoneByHand { work, .. } => either(now.by_hand.contains(work), || {
                    format!("nobody did `{work}` yet")
                }),
                _ => Finding::Unknown {
                    why: "not a driver's matter".to_owned(),
                },
            }
        })
    }

    fn fetch(&self, _: &Context<'_>, image: &ImagePin) -> Result<Outcome, Failure> {
        self.reach()?;
        self.world.effect("fetch", |now| {
            now.images.insert(image.reference.clone());
        });
        Ok(done("here"))
    }

    fn stop(&self, _: &Context<'_>, services: &[ServiceName]) -> Result<Outcome, Failure> {
        self.reach()?;
        for name in services {
            self.world.effect("stop", |now| {
                let server = now.servers.get_mut(name);
                if let Some(service) = server.or_else(|| now.services.get_mut(name)) {
                    service.running = false;
                }
            });
        }
        Ok(done("stopped"))
    }

    fn start(
        &self,
        _: &Context<'_>,
        services: &[ServiceName],
        images: &BTreeMap<ServiceName, ImagePin>,
    ) -> Result<Outcome, Failure> {
        self.reach()?;
        for name in services {
            self.world
                .effect("start", |now| start(now, name, images.get(name)));
        }
        Ok(done("running"))
    }

    fn set(&self, _: &Context<'_>, edits: &[FileEdit]) -> Result<Outcome, Failure> {
        self.reach()?;
        for edit in edits {
            self.world.effect("edit", |now| apply(now, edit))?;
        }
        Ok(done("written"))
    }

    fn trace(&self, cx: &Context<'_>, _: &MigrationId) -> Result<MigrationTrace, Failure> {
        self.reach()?;
        Ok(self
            .world
            .touch(|now| match now.one_offs.get(&(cx.run.clone(), cx.step)) {
                None => MigrationTrace::NeverStarted,
                Some(OneOff { exit: None, .. }) => MigrationTrace::Running,
                Some(OneOff {
                    exit: Some(code), ..
                }) => MigrationTrace::Exited { code: *code },
            }))
    }

    fn migrate(&self, cx: &Context<'_>, call: &MigrationCall<'_>) -> Result<Outcome, Failure> {
        self.reach()?;
        let key = (cx.run.clone(), cx.step);
        let adopted = self.world.touch(|now| now.one_offs.contains_key(&key));
        if !adopted {
            self.world.effect("start a migration", |now| {
                begin(now, &key, call);
            });
        }
        loop {
            if cx.stop.urgency() == Urgency::Now {
                return Err(Failure {
                    stopped: true,
                    ..Failure::new("stopped", "ended by the operator")
                });
            }
            self.world.crash.point("while a migration runs");
            let exit = self.world.touch(|now| advance(now, &key));
            cx.progress.report("applying", None, None, None);
            match exit {
                None => {}
                Some(0) => {
                    let mut outcome = done("migrated");
                    outcome.output = cx.commands.keep("migrated\n")?;
                    if adopted {
                        outcome.completed = Completed::Adopted;
                    }
                    return Ok(outcome);
                }
                Some(code) => {
                    return Err(Failure::new(
                        "migration-failed",
                        format!("`{} migrate` exited with {code}", call.migration),
                    )
                    .output("error: db_needs_migration\n"));
                }
            }
        }
    }

    fn discard(&self, cx: &Context<'_>, _: &MigrationId) -> Result<(), Failure> {
        self.reach()?;
        self.world.effect("discard a migration", |now| {
            now.one_offs.remove(&(cx.run.clone(), cx.step));
        });
        Ok(())
    }

    fn check(&self, _: &Context<'_>, check: &Check) -> Result<Outcome, Failure> {
        self.reach()?;
        self.world.touch(|now| match check {
            Check::Stable { images } => {
                let other = images.iter().find(|(name, image)| {
                    now.services.get(name).is_none_or(|service| {
                        !service.running || service.image.as_ref() != Some(image)
                    })
                });
                match other {
                    None => Ok(done("stable")),
                    Some((name, _)) => {
                        Err(Failure::new("unstable", format!("`{name}` does not run")))
                    }
                }
            }
            _ => match now.stores.values().find_map(|store| store.live.half_run()) {
                None => Ok(done("writes and reads")),
                Some(unit) => Err(Failure::new(
                    "write-path-failed",
                    format!("the first write failed: schema `{unit}` is missing"),
                )),
            },
        })
    }

    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        self.reach()?;
        let left: Vec<_> = self.world.touch(|now| {
            now.one_offs
                .keys()
                .filter(|(run, _)| run == cx.run)
                .cloned()
                .collect()
        });
        for key in left {
            self.world.effect("remove a container", |now| {
                now.one_offs.remove(&key);
            });
        }
        let of_run = |store: &SimStore| {
            let following = store.following.as_ref();
            following.is_some_and(|(_, run)| run == cx.run)
        };
        if self.world.touch(|now| now.stores.values().any(of_run)) {
            self.world.effect("end the companions", |now| {
                let ours = now.stores.values_mut().filter(|store| of_run(store));
                ours.for_each(|store| store.following = None);
            });
        }
        Ok(())
    }
}

fn service<'a>(now: &'a Reality, name: &ServiceName) -> Option<&'a SimService> {
    now.services.get(name).or_else(|| now.servers.get(name))
}

/// A server of another version than the data is made for refuses it at best, and spoils it at worst.
fn start_server(now: &mut Reality, name: &ServiceName, image: Option<&ImagePin>) {
    let Some(server) = now.servers.get_mut(name) else {
        return;
    };
    server.running = true;
    server.image = image.cloned().or(server.image.take());
    let version = server_version(server).to_owned();
    for (store, _) in now
        .stores
        .iter()
        .filter(|(_, store)| store.server.as_ref() == Some(name) && store.made_for() != version)
    {
        now.violations
            .push(format!("`{name}` {version} started on the data of {store}"));
    }
}

fn start(now: &mut Reality, name: &ServiceName, image: Option<&ImagePin>) {
    start_server(now, name, image);
    let Some(service) = now.services.get_mut(name) else {
        return;
    };
    if let Some(image) = image {
        service.image = Some(image.clone());
    }
    if !service.running {
        service.running = true;
        // A product that runs writes.
        for store in now.stores.values_mut() {
            if let Some((_, revision)) = store.live.collections.get_mut("sessions") {
                *revision += 1;
            }
        }
    }
}

fn apply(now: &mut Reality, edit: &FileEdit) -> Result<(), Failure> {
    let found = now.files.get(&edit.path).cloned().unwrap_or_default();
    if Digest::of(&found) == edit.after {
        return Ok(());
    }
    if Digest::of(&found) != edit.before {
        return Err(Failure::new(
            "file-changed",
            format!("`{}` was changed by somebody else", edit.path),
        ));
    }
    let mut written = found[..edit.offset].to_vec();
    written.extend_from_slice(edit.new.as_bytes());
    written.extend_from_slice(&found[edit.offset + edit.old.len()..]);
    now.files.insert(edit.path.clone(), written);
    Ok(())
}

type Label = (switchback_model::RunId, switchback_model::StepNumber);

fn begin(now: &mut Reality, key: &Label, call: &MigrationCall<'_>) {
    let of = now
        .migrations
        .get(&(call.migration.clone(), call.version.clone()))
        .map(|migration| (migration.datastore.clone(), migration.marks_first));
    if let Some((datastore, marks_first)) = of {
        if let Some(service) = now.services.iter().find(|(_, service)| service.running) {
            now.violations
                .push(format!("{} begun while {} runs", call.migration, service.0));
        }
        let beside = now.one_offs.values().any(|one| one.exit.is_none());
        if beside {
            now.violations.push(format!(
                "{} begun while another migration runs",
                call.migration
            ));
        }
        if let Some(unit) = now
            .stores
            .get(&datastore)
            .and_then(|store| store.live.half_run())
            && marks_first
        {
            now.violations
                .push(format!("{} begun over half-run {unit}", call.migration));
        }
    }
    let one = OneOff::started(call.migration.clone(), call.version.clone());
    now.one_offs.insert(key.clone(), one);
}

pub(crate) fn advance(now: &mut Reality, key: &Label) -> Option<i64> {
    let one = now.one_offs.get_mut(key)?;
    let kind = (one.migration.clone(), one.version.clone());
    let migration = now.migrations.get(&kind);
    let store = migration.and_then(|migration| now.stores.get_mut(&migration.datastore));
    one.advance(migration, store, now.faults.migrations.get_mut(&kind));
    one.exit
}
