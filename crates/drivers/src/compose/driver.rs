//! Changes a Compose deployment, one act at a time.

use std::collections::BTreeMap;
use std::fs;
use std::rc::Rc;
use std::time::Duration;

use switchback_engine::ports::{Context, Driver, Failure, Finding, MigrationCall, MigrationTrace};
use switchback_engine::signal::Urgency;
use switchback_model::event::{Completed, Outcome};
use switchback_model::observed::{ImagePin, ServiceState};
use switchback_model::plan::{Check, Expectation, FileEdit};
use switchback_model::{Digest, MigrationId, ServiceName};

use super::engine_api::{Container, Engine, Status};
use super::failures::{command_failed, containers_failed, failure_of};
use super::labels::{PROJECT, SERVICE};
use super::observe::state_of;
use super::reach::end_all;
use super::shared::Shared;
use super::{health, images, labels, oneoff};
use crate::by_hand;
use crate::host::Host;
use crate::write;

/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(250);
/// Looks after `docker compose` has returned: what is left is the engine's bookkeeping.
const LOOKS: u32 = 80;

/// Drives one project.
#[derive(Debug)]
pub(super) struct ComposeDriver {
    shared: Rc<Shared>,
}

impl ComposeDriver {
    pub(super) fn new(shared: Rc<Shared>) -> Self {
        Self { shared }
    }

    fn engine(&self) -> Result<&Engine, Failure> {
        self.shared.engine().map_err(failure_of)
    }

    fn containers(&self, service: &ServiceName) -> Result<Vec<Container>, Failure> {
        self.shared
            .containers(service)
            .map_err(|error| containers_failed(service, error))
    }

    /// Everything that runs a service, one-off containers of other people included.
    fn anything_of(&self, service: &ServiceName) -> Result<Vec<Container>, Failure> {
        let filter = [
            format!("{PROJECT}={}", self.shared.project.name),
            format!("{SERVICE}={service}"),
        ];
        self.engine()?.containers(&filter).map_err(|error| {
            error.into_failure(format!("cannot look at the containers of `{service}`"))
        })
    }

    fn states(
        &self,
        services: &[ServiceName],
    ) -> Result<Vec<(ServiceName, ServiceState)>, Failure> {
        services
            .iter()
            .map(|service| Ok((service.clone(), state_of(&self.containers(service)?))))
            .collect()
    }

    fn find(&self, cx: &Context<'_>, expectation: &Expectation) -> Result<Finding, Failure> {
        match expectation {
            Expectation::ImageHere { image } => images::here(self.engine()?, image),
            Expectation::Running { services } => {
                Ok(all_are(&self.states(services)?, &[ServiceState::Running]))
            }
            Expectation::Stopped { services } => self.stopped(services),
            Expectation::Runs { service, image } => self.runs(service, image),
            Expectation::File { path, digest } => Ok(file(path, digest)),
            Expectation::Migrated { migration, version } => {
                oneoff::migrated(self.engine()?, cx.run, migration, version)
            }
            Expectation::DoneByHand { done, .. } => {
                Ok(by_hand::look(&Host::Here(cx.commands.clone()), done))
            }
            _ => Ok(Finding::Unknown {
                why: "not for the driver to tell".to_owned(),
            }),
        }
    }

    fn stopped(&self, services: &[ServiceName]) -> Result<Finding, Failure> {
        let mut running = Vec::new();
        for service in services {
            running.extend(self.anything_of(service)?.into_iter().filter(|container| {
                container.status != Status::Stopped
                    && !container.labels.contains_key(labels::MIGRATION)
            }));
        }
        let names: Vec<String> = running
            .into_iter()
            .map(|container| container.name)
            .collect();
        Ok(if names.is_empty() {
            Finding::Holds
        } else {
            Finding::Differs {
                found: format!("container {} runs", names.join(", ")),
            }
        })
    }

    fn runs(&self, service: &ServiceName, pin: &ImagePin) -> Result<Finding, Failure> {
        let containers = self.containers(service)?;
        if containers.is_empty() {
            return Ok(Finding::Differs {
                found: format!("`{service}` has no container"),
            });
        }
        for container in &containers {
            let image = self.engine()?.image(&container.image).map_err(|error| {
                error.into_failure(format!("cannot look at the image of `{service}`"))
            })?;
            let same = match (&pin.id, &image) {
                (Some(id), _) => *id == container.image,
                (None, Some(image)) => images::is_pinned(pin, image),
                (None, None) => false,
            };
            if !same {
                return Ok(Finding::Differs {
                    found: format!(
                        "`{service}` was made from {} ({})",
                        container.reference,
                        images::short(&container.image)
                    ),
                });
            }
        }
        Ok(Finding::Holds)
    }

    /// Keeps stopped containers stopped, also when the engine or the machine starts anew in between.
    fn hold(&self, services: &[ServiceName]) -> Result<(), Failure> {
        for service in services {
            for container in self.containers(service)? {
                if container.restart_policy.as_deref() == Some("always") {
                    self.engine()?
                        .set_restart(&container.id, "no")
                        .map_err(|error| {
                            error.into_failure(format!("cannot keep `{service}` stopped"))
                        })?;
                }
            }
        }
        Ok(())
    }

    /// Gives containers the restart policy of the compose file again.
    fn let_go(&self, services: &[ServiceName]) -> Result<(), Failure> {
        for service in services {
            let policy = self
                .shared
                .project
                .service(service)
                .and_then(|spec| spec.restart.as_deref())
                .unwrap_or("no");
            for container in self.containers(service)? {
                let now = container
                    .restart_policy
                    .as_deref()
                    .filter(|now| !now.is_empty());
                if now.unwrap_or("no") != policy.split(':').next().unwrap_or(policy) {
                    self.engine()?
                        .set_restart(&container.id, policy)
                        .map_err(|error| {
                            error.into_failure(format!(
                                "cannot set the restart policy of `{service}`"
                            ))
                        })?;
                }
            }
        }
        Ok(())
    }

    /// Waits for the engine's bookkeeping to say what `docker compose` has done.
    fn settle(
        &self,
        cx: &Context<'_>,
        doing: &str,
        look: &dyn Fn() -> Result<Finding, Failure>,
    ) -> Result<Finding, Failure> {
        let mut finding = look()?;
        for _ in 0..LOOKS {
            if finding == Finding::Holds || cx.stop.urgency() == Urgency::Now {
                break;
            }
            cx.progress.report(doing, None, None, None);
            std::thread::sleep(LOOK);
            finding = look()?;
        }
        Ok(finding)
    }
}

impl Driver for ComposeDriver {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        self.find(cx, expectation)
            .unwrap_or_else(|failure| Finding::Unknown {
                why: std::iter::once(failure.what)
                    .chain(failure.causes)
                    .collect::<Vec<_>>()
                    .join(": "),
            })
    }

    fn fetch(&self, cx: &Context<'_>, image: &ImagePin) -> Result<Outcome, Failure> {
        images::fetch(self.engine()?, cx, image)
    }

    fn stop(&self, cx: &Context<'_>, services: &[ServiceName]) -> Result<Outcome, Failure> {
        let names = list(services);
        if self.stopped(services)? == Finding::Holds {
            self.hold(services)?;
            return Ok(Outcome::told(
                Completed::AlreadyDone,
                format!("{names} does not run"),
            ));
        }
        cx.progress
            .report(&format!("stopping {names}"), None, None, None);
        cx.commands
            .capture(&self.shared.compose.stop(services))
            .map_err(|error| {
                command_failed(error, "stop-failed", format!("cannot stop {names}"))
            })?;
        let doing = format!("waiting for {names} to stop");
        match self.settle(cx, &doing, &|| self.stopped(services))? {
            Finding::Holds => {
                self.hold(services)?;
                Ok(Outcome::told(Completed::Done, format!("{names} stopped")))
            }
            Finding::Differs { found } => Err(Failure::new(
                "still-running",
                format!("{names} does not stop"),
            )
            .state("service", found)
            .hint("stop what runs: docker ps shows it, docker stop NAME ends it; then resume")),
            Finding::Unknown { why } => Err(Failure::new(
                "still-running",
                format!("cannot tell whether {names} stopped"),
            )
            .cause(why)),
        }
    }

    fn start(
        &self,
        cx: &Context<'_>,
        services: &[ServiceName],
        images: &BTreeMap<ServiceName, ImagePin>,
    ) -> Result<Outcome, Failure> {
        let names = list(services);
        // Compose starts what the tag stands for: it has to be what was planned.
        for pin in images.values() {
            if let Finding::Differs { found } = images::here(self.engine()?, pin)? {
                return Err(Failure::new(
                    "image-moved",
                    format!("`{}` is not the image that was planned with", pin.reference),
                )
                .state("image", found)
                .hint("fetch it again: switchback resume does, once the tag is right"));
            }
        }
        cx.progress
            .report(&format!("starting {names}"), None, None, None);
        cx.commands
            .capture(&self.shared.compose.up(services))
            .map_err(|error| {
                command_failed(error, "start-failed", format!("cannot start {names}"))
                    .hint(format!("see why: docker compose logs --tail 50 {names}"))
            })?;
        let as_planned = || {
            for (service, pin) in images {
                match self.runs(service, pin)? {
                    Finding::Holds => {}
                    other => return Ok(other),
                }
            }
            Ok(all_are(
                &self.states(services)?,
                &[ServiceState::Running, ServiceState::Restarting],
            ))
        };
        match self.settle(cx, &format!("waiting for {names} to start"), &as_planned)? {
            Finding::Holds => {
                self.let_go(services)?;
                Ok(Outcome::told(Completed::Done, format!("{names} started")))
            }
            Finding::Differs { found } | Finding::Unknown { why: found } => {
                let mut failure =
                    Failure::new("start-failed", format!("{names} does not run as planned"))
                        .state("service", found)
                        .hint(format!("see why: docker compose logs --tail 50 {names}"));
                failure.output = health::last_words(&self.shared, services);
                Err(failure)
            }
        }
    }

    fn set(&self, cx: &Context<'_>, edits: &[FileEdit]) -> Result<Outcome, Failure> {
        let written = write::apply(edits)?;
        let completed = if written == 0 {
            Completed::AlreadyDone
        } else {
            Completed::Done
        };
        let said = write::in_words(edits, &cx.plan.deployment.directory);
        Ok(Outcome::told(completed, said))
    }

    fn trace(&self, cx: &Context<'_>, migration: &MigrationId) -> Result<MigrationTrace, Failure> {
        oneoff::trace(self.engine()?, cx.run, cx.step, migration)
    }

    fn migrate(&self, cx: &Context<'_>, call: &MigrationCall<'_>) -> Result<Outcome, Failure> {
        oneoff::migrate(&self.shared, self.engine()?, cx, call)
    }

    fn discard(&self, cx: &Context<'_>, migration: &MigrationId) -> Result<(), Failure> {
        oneoff::discard(self.engine()?, cx.run, cx.step, migration)
    }

    fn check(&self, cx: &Context<'_>, check: &Check) -> Result<Outcome, Failure> {
        health::check(&self.shared, cx, check)
    }

    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let what = format!("cannot remove the containers of run {}", cx.run);
        let engine = self.engine()?;
        let found = engine
            .containers(&[format!("{}={}", labels::RUN, cx.run)])
            .map_err(|error| error.into_failure(what.as_str()))?;
        end_all(engine, cx, &found).map_err(|error| error.into_failure(what.as_str()))?;
        for container in found {
            engine
                .remove(&container.id, true)
                .map_err(|error| error.into_failure(what.as_str()))?;
        }
        write::clean(cx.plan)?;
        oneoff::remove_overrides(cx)
    }
}

fn file(path: &str, digest: &Digest) -> Finding {
    match fs::read(path) {
        Ok(bytes) if Digest::of(&bytes) == *digest => Finding::Holds,
        Ok(_) => Finding::Differs {
            found: format!("`{path}` was changed"),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Finding::Differs {
            found: format!("`{path}` is not there"),
        },
        Err(error) => Finding::Unknown {
            why: format!("cannot read `{path}`: {error}"),
        },
    }
}

fn all_are(states: &[(ServiceName, ServiceState)], wanted: &[ServiceState]) -> Finding {
    let others: Vec<String> = states
        .iter()
        .filter(|(_, state)| !wanted.contains(state))
        .map(|(service, state)| {
            let state = match state {
                ServiceState::Running => "runs",
                ServiceState::Stopped => "does not run",
                ServiceState::Absent => "has no container",
                ServiceState::Restarting => "restarts again and again",
            };
            format!("`{service}` {state}")
        })
        .collect();
    if others.is_empty() {
        Finding::Holds
    } else {
        Finding::Differs {
            found: others.join(", "),
        }
    }
}

fn list(services: &[ServiceName]) -> String {
    let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
    names.join(" ")
}
