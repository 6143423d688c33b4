//! Changes an exec deployment, one act at a time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use switchback_engine::ports::{
    Context, Driver, Failure, Finding, MigrationCall, MigrationTrace, no_stacks, not_for_a_driver,
};
use switchback_engine::process::Argv;
use switchback_model::event::{Completed, Outcome};
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Check, Expectation, FileEdit};
use switchback_model::{MigrationId, ServiceName};

use super::companion;
use super::place::{Place, Unset};
use super::release::version_of;
use super::server;
use crate::by_hand;
use crate::detached::migration::{Program, Traces};
use crate::host::Host;
use crate::host::process;
use crate::waiting::{self, Pulse, Watched};
use crate::write;
use crate::write_path::{self, WritePath};

/// How often a wait looks, and how often before it gives up on a program that does not even appear.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: u32 = 200;
/// A program that cannot start ends within this.
const SETTLE: Duration = Duration::from_millis(500);
/// How long services are watched for their end.
const WATCH_SECONDS: u64 = 5;

/// Drives one exec deployment.
#[derive(Debug)]
pub(super) struct ExecDriver {
    pub(super) place: Rc<Place>,
    /// Where notes of processes are.
    pub(super) notes: PathBuf,
    /// Where processes run.
    pub(super) inside: PathBuf,
}

impl ExecDriver {
    fn image_here(&self, pin: &ImagePin) -> Finding {
        match self.place.pin(&pin.reference) {
            Ok(Some(found)) if found.id == pin.id => Finding::Holds,
            Ok(Some(_)) => Finding::Differs {
                found: format!("`{}` is not what it was", pin.reference),
            },
            Ok(None) => Finding::Differs {
                found: format!("`{}` is not here", self.release(pin).display()),
            },
            Err(error) => Finding::Unknown {
                why: format!("cannot read `{}`: {error}", self.release(pin).display()),
            },
        }
    }

    /// Where the release of a pin is.
    fn release(&self, pin: &ImagePin) -> PathBuf {
        self.place.releases.place(version_of(&pin.reference))
    }

    /// Fails where the release is not what was planned with.
    fn unmoved(&self, pin: &ImagePin, code: &str, what: &str) -> Result<(), Failure> {
        let found = self
            .place
            .pin(&pin.reference)
            .map_err(|error| Failure::new(code, what).cause(error))?;
        let release = self.release(pin);
        match found {
            Some(found) if found.id == pin.id => Ok(()),
            Some(_) => Err(Failure::new("image-moved", what).state(
                "release",
                format!("`{}` is not what was planned with", release.display()),
            )),
            None => Err(Failure::new(code, what)
                .cause(format!("`{}` is not here", release.display()))
                .hint("put it back, then resume")),
        }
    }

    fn stopped(&self, services: &[ServiceName]) -> Finding {
        match services
            .iter()
            .find(|service| self.place.process(service).is_some())
        {
            Some(service) => Finding::Differs {
                found: format!("`{service}` runs"),
            },
            None => Finding::Holds,
        }
    }

    fn running(&self, services: &[ServiceName]) -> Finding {
        match services
            .iter()
            .find(|service| self.place.process(service).is_none())
        {
            Some(service) => Finding::Differs {
                found: format!("`{service}` does not run"),
            },
            None => Finding::Holds,
        }
    }

    fn runs(&self, service: &ServiceName, pin: &ImagePin) -> Finding {
        match self.place.image(service) {
            Some(found) if found.id == pin.id => Finding::Holds,
            Some(found) => Finding::Differs {
                found: format!("`{service}` was started from {}", found.reference),
            },
            None => Finding::Differs {
                found: format!("`{service}` was never started"),
            },
        }
    }

    fn start_one(
        &self,
        cx: &Context<'_>,
        service: &ServiceName,
        pin: &ImagePin,
    ) -> Result<(), Failure> {
        let what = format!("cannot start `{service}`");
        if self.place.process(service).is_some() {
            if self.runs(service, pin) == Finding::Holds {
                return Ok(());
            }
            self.stop(cx, std::slice::from_ref(service))?;
        }
        let failed =
            |error: std::io::Error| Failure::new("start-failed", what.as_str()).cause(error);
        let version = self.place.version()?;
        if version.as_str() != version_of(&pin.reference) {
            return Err(Failure::new("file-drifted", what).state(
                self.place.current().to_string_lossy(),
                format!("says {version}"),
            ));
        }
        self.unmoved(pin, "start-failed", &what)?;
        let program = self
            .place
            .start(service, version.as_str())
            .map_err(|unset| unfilled(&unset, "start-failed", &what))?;
        fs::create_dir_all(self.place.notes()).map_err(failed)?;
        let note = self.place.note(service);
        let _ = fs::remove_file(&note);
        fs::write(
            self.place.started(service),
            format!(
                "{} {}\n",
                pin.id.as_deref().unwrap_or_default(),
                pin.reference
            ),
        )
        .map_err(failed)?;
        let argv = process::detached(
            &note,
            &self.place.log(service),
            &program,
            &self.place.variables(),
        )
        .directory(self.place.inside());
        cx.commands
            .capture(&argv)
            .map_err(|error| error.into_failure("start-failed", what.as_str()))?;
        self.came_up(service, &note)
    }

    /// Waits for the note of a process that was started, and looks whether it stays.
    fn came_up(&self, service: &ServiceName, note: &Path) -> Result<(), Failure> {
        for _ in 0..LOOKS {
            if note.exists() {
                break;
            }
            std::thread::sleep(LOOK);
        }
        std::thread::sleep(SETTLE);
        if self.place.process(service).is_some() {
            return Ok(());
        }
        let mut failure = Failure::new(
            "start-failed",
            format!("`{service}` ended right after its start"),
        )
        .hint(format!("see why: {}", self.place.log(service).display()));
        failure.output = last_words(&self.place, service);
        Err(failure)
    }

    fn migrations(&self) -> Traces<'_> {
        Traces {
            host: &self.place.host,
            notes: &self.notes,
        }
    }

    /// The program of a migration, where it is what was planned with.
    fn migrator(&self, call: &MigrationCall<'_>) -> Result<Program<'_>, Failure> {
        let what = format!("cannot start `{}`", call.run.join(" "));
        self.unmoved(call.image, "migration-not-started", &what)?;
        let words = self
            .place
            .command(version_of(&call.image.reference), call.run)
            .map_err(|unset| unfilled(&unset, "migration-not-started", &what))?;
        Ok(Program {
            words,
            environment: self.place.variables(),
            inside: &self.inside,
        })
    }

    /// Asks a service to stop as its definition says; what does not end by that is ended by a signal. Returns
    /// what went wrong with the asking.
    fn ask_to_stop(&self, cx: &Context<'_>, service: &ServiceName) -> Option<String> {
        let said = self.place.releases.service(service)?;
        let running = self.place.image(service)?;
        if said.stop.is_empty() {
            return None;
        }
        let version = version_of(&running.reference);
        let mut words = match self.place.command(version, &said.stop) {
            Ok(words) => words.into_iter(),
            Err(unset) => return Some(unset.told().0),
        };
        let mut argv = Argv::new(&words.next()?, words).directory(&self.inside);
        argv.env = self.place.variables();
        let asked = cx.commands.capture(&argv);
        asked.err().map(|error| error.to_string())
    }

    fn base(&self, port: u16, url: Option<&str>) -> String {
        url.map_or_else(
            || format!("http://127.0.0.1:{port}"),
            |url| url.trim_end_matches('/').to_owned(),
        )
    }

    fn stable(
        &self,
        cx: &Context<'_>,
        images: &BTreeMap<ServiceName, ImagePin>,
    ) -> Result<Outcome, Failure> {
        for second in 0..WATCH_SECONDS {
            for (service, pin) in images {
                let services = std::slice::from_ref(service);
                let findings = [self.running(services), self.runs(service, pin)];
                if let Some(Finding::Differs { found }) = findings
                    .into_iter()
                    .find(|finding| *finding != Finding::Holds)
                {
                    let mut failure = Failure::new("service-ended", found);
                    failure.output = last_words(&self.place, service);
                    return Err(failure);
                }
            }
            cx.progress.report(
                "watching for early ends",
                Some(second + 1),
                Some(WATCH_SECONDS),
                Some("s"),
            );
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(outcome(
            Completed::Done,
            format!("{} runs", list(&images.keys().cloned().collect::<Vec<_>>())),
        ))
    }
}

impl Driver for ExecDriver {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        match expectation {
            Expectation::ImageHere { image } => self.image_here(image),
            Expectation::Running { services } => self.running(services),
            Expectation::Stopped { services } => self.stopped(services),
            Expectation::Runs { service, image } => self.runs(service, image),
            Expectation::File { path, digest } => self.place.host.look_at(path, digest),
            Expectation::Migrated { migration, version } => {
                self.migrations().look(cx.run, migration, version)
            }
            Expectation::DoneByHand { done, .. } => {
                by_hand::look(&Host::Here(cx.commands.clone()), done)
            }
            _ => Finding::Unknown {
                why: "not for the driver to tell".to_owned(),
            },
        }
    }

    fn fetch(&self, _: &Context<'_>, image: &ImagePin) -> Result<Outcome, Failure> {
        match self.image_here(image) {
            Finding::Holds => Ok(outcome(
                Completed::AlreadyDone,
                format!("{} is here", image.reference),
            )),
            Finding::Differs { found } | Finding::Unknown { why: found } => Err(Failure::new(
                "image-unavailable",
                format!("cannot fetch `{}`", image.reference),
            )
            .state("release", found)
            .hint("put the release there, then resume")),
        }
    }

    fn stop(&self, cx: &Context<'_>, services: &[ServiceName]) -> Result<Outcome, Failure> {
        let mut completed = Completed::AlreadyDone;
        let mut said = format!("{} stopped", list(services));
        for service in services {
            let processes = self.place.processes(service);
            if processes.is_empty() {
                continue;
            }
            completed = Completed::Done;
            let doing = format!("waiting for {service} to stop");
            if let Some(problem) = self.ask_to_stop(cx, service) {
                said = format!(
                    "{said}; {service} by a signal, because its own command failed: {problem}"
                );
            }
            for process in processes {
                process.end(&mut || cx.progress.report(&doing, None, None, None));
            }
        }
        Ok(outcome(completed, said))
    }

    fn start(
        &self,
        cx: &Context<'_>,
        services: &[ServiceName],
        images: &BTreeMap<ServiceName, ImagePin>,
    ) -> Result<Outcome, Failure> {
        for service in services {
            let pin = images.get(service).ok_or_else(|| {
                Failure::new(
                    "start-failed",
                    format!("the plan names no release for `{service}`"),
                )
            })?;
            cx.progress
                .report(&format!("starting {service}"), None, None, None);
            self.start_one(cx, service, pin)?;
        }
        Ok(outcome(
            Completed::Done,
            format!("{} started", list(services)),
        ))
    }

    fn set(&self, cx: &Context<'_>, edits: &[FileEdit]) -> Result<Outcome, Failure> {
        let completed = match write::apply(edits)? {
            0 => Completed::AlreadyDone,
            _ => Completed::Done,
        };
        let said = write::in_words(edits, &cx.plan.deployment.directory);
        Ok(outcome(completed, said))
    }

    fn trace(&self, cx: &Context<'_>, migration: &MigrationId) -> Result<MigrationTrace, Failure> {
        self.migrations().trace(cx, migration)
    }

    fn migrate(&self, cx: &Context<'_>, call: &MigrationCall<'_>) -> Result<Outcome, Failure> {
        self.migrations().migrate(cx, call, || self.migrator(call))
    }

    fn discard(&self, cx: &Context<'_>, migration: &MigrationId) -> Result<(), Failure> {
        self.migrations().discard(cx, migration)
    }

    fn check(&self, cx: &Context<'_>, check: &Check) -> Result<Outcome, Failure> {
        match check {
            Check::Health {
                service,
                port,
                url,
                path,
            } => {
                let mut watched = Watch {
                    place: &self.place,
                    service,
                    base: self.base(*port, url.as_deref()),
                };
                waiting::healthy(cx, service, path, &mut watched)
            }
            Check::Stable { images } => self.stable(cx, images),
            Check::WritePath {
                port,
                url,
                api_key,
                requests,
                ..
            } => {
                let key = self.place.secret(api_key)?;
                write_path::check(&WritePath {
                    base: &self.base(*port, url.as_deref()),
                    key: &key,
                    run: cx.run,
                    requests,
                })
            }
            Check::Machine { stack, .. } | Check::AsTemplate { stack, .. } => Err(no_stacks(stack)),
            Check::Counts { .. } | Check::Fits { .. } | Check::Content => Err(not_for_a_driver()),
        }
    }

    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        companion::clean(&self.place, cx)?;
        server::clean(&self.place, cx);
        write::clean(cx.plan)?;
        self.migrations().clean(cx.run)
    }
}

/// A service's process, as a wait looks at it.
struct Watch<'a> {
    place: &'a Place,
    service: &'a ServiceName,
    base: String,
}

impl Watched for Watch<'_> {
    fn base(&self) -> Result<String, Failure> {
        Ok(self.base.clone())
    }

    fn pulse(&mut self) -> Result<Pulse, Failure> {
        match self.place.process(self.service) {
            Some(process) => Ok(Pulse {
                processor: process.processor_time(),
                last_lines: self.last_words().into_iter().collect(),
            }),
            None => {
                let mut failure =
                    Failure::new("service-ended", format!("`{}` ended", self.service)).hint(
                        format!("see why: {}", self.place.log(self.service).display()),
                    );
                failure.output = self.last_words();
                Err(failure)
            }
        }
    }

    fn last_words(&self) -> Option<String> {
        last_words(self.place, self.service)
    }
}

/// The end of a service's log, redacted.
fn last_words(place: &Place, service: &ServiceName) -> Option<String> {
    let bytes = fs::read(place.log(service)).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(20)..].join("\n");
    (!last.is_empty()).then(|| place.commands.redactor().mask(&last))
}

/// A command that names what is not known.
fn unfilled(unset: &Unset, code: &str, what: &str) -> Failure {
    let (cause, hint) = unset.told();
    Failure::new(code, what).cause(cause).hint(hint)
}

fn outcome(completed: Completed, summary: impl Into<String>) -> Outcome {
    Outcome {
        completed,
        summary: summary.into(),
        ..Outcome::default()
    }
}

fn list(services: &[ServiceName]) -> String {
    let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
    names.join(" ")
}
