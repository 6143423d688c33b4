//! Changes an exec deployment, one act at a time.

use std::collections::BTreeMap;
use std::fs;
use std::rc::Rc;
use std::time::Duration;

use switchback_engine::ports::{Context, Driver, Failure, Finding, MigrationCall, MigrationTrace};
use switchback_model::event::{Completed, Outcome};
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Check, Expectation, FileEdit};
use switchback_model::{Digest, MigrationId, ServiceName};

use super::companion;
use super::place::{Place, id_of, version_of};
use super::process::{self, Process};
use super::{migration, server};
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
}

impl ExecDriver {
    /// Everything that runs a service, also what somebody started by hand.
    fn processes(&self, service: &ServiceName) -> Vec<Process> {
        let mut found: Vec<Process> = self.place.process(service).into_iter().collect();
        let releases = self.place.directory.join(&self.place.exec.releases);
        let releases = fs::canonicalize(&releases).unwrap_or(releases);
        let words = self
            .place
            .exec
            .services
            .get(service)
            .cloned()
            .unwrap_or_default();
        for process in process::all() {
            let ours = process
                .executable()
                .is_some_and(|path| path.starts_with(&releases));
            if ours && !found.contains(&process) && process.arguments().get(1..) == Some(&words[..])
            {
                found.push(process);
            }
        }
        found
    }

    fn image_here(&self, pin: &ImagePin) -> Finding {
        match self.place.pin(&pin.reference) {
            Some(found) if found.id == pin.id => Finding::Holds,
            Some(_) => Finding::Differs {
                found: format!("`{}` is another file", pin.reference),
            },
            None => Finding::Differs {
                found: format!(
                    "`{}` is not here",
                    self.place.binary(version_of(&pin.reference)).display()
                ),
            },
        }
    }

    fn stopped(&self, services: &[ServiceName]) -> Finding {
        match services
            .iter()
            .find(|service| !self.processes(service).is_empty())
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
        let version = self
            .place
            .version()
            .map_err(|problem| Failure::new(&problem.code, problem.what))?;
        if version.as_str() != version_of(&pin.reference) {
            return Err(Failure::new("file-drifted", what).state(
                self.place.current().to_string_lossy(),
                format!("says {version}"),
            ));
        }
        let binary = self.place.binary(version.as_str());
        let bytes = fs::read(&binary).map_err(failed)?;
        if pin.id.as_deref() != Some(id_of(&bytes).as_str()) {
            return Err(Failure::new("image-moved", what).state(
                "release",
                format!("`{}` is not what was planned with", binary.display()),
            ));
        }
        fs::create_dir_all(self.place.notes()).map_err(failed)?;
        let note = self.place.note(service);
        let _ = fs::remove_file(&note);
        fs::write(
            self.place.started(service),
            format!("{} {}\n", id_of(&bytes), pin.reference),
        )
        .map_err(failed)?;
        let words = self
            .place
            .exec
            .services
            .get(service)
            .cloned()
            .unwrap_or_default();
        let program: Vec<String> = std::iter::once(binary.to_string_lossy().into_owned())
            .chain(words)
            .collect();
        let argv = process::detached(
            &note,
            &self.place.log(service),
            &program,
            &self.place.variables(),
        )
        .directory(&self.place.directory);
        cx.commands
            .capture(&argv)
            .map_err(|error| error.into_failure("start-failed", what.as_str()))?;
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
            Expectation::File { path, digest } => match fs::read(path) {
                Ok(bytes) if Digest::of(&bytes) == *digest => Finding::Holds,
                Ok(_) => Finding::Differs {
                    found: format!("`{path}` was changed"),
                },
                Err(error) => Finding::Unknown {
                    why: format!("cannot read `{path}`: {error}"),
                },
            },
            Expectation::Migrated { migration, version } => {
                match migration::ended(&self.place, cx.run, migration, version) {
                    MigrationTrace::Exited { code: 0 } => Finding::Holds,
                    MigrationTrace::Exited { code } => Finding::Differs {
                        found: format!("`{migration}` exited with {code}"),
                    },
                    MigrationTrace::Running => Finding::Differs {
                        found: format!("`{migration}` still runs"),
                    },
                    MigrationTrace::NeverStarted => Finding::Differs {
                        found: format!("`{migration}` was never started"),
                    },
                }
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
            .hint("put the release's executable there, then resume")),
        }
    }

    fn stop(&self, cx: &Context<'_>, services: &[ServiceName]) -> Result<Outcome, Failure> {
        let mut completed = Completed::AlreadyDone;
        for service in services {
            for process in self.processes(service) {
                completed = Completed::Done;
                let doing = format!("waiting for {service} to stop");
                process.end(&mut || cx.progress.report(&doing, None, None, None));
            }
        }
        Ok(outcome(completed, format!("{} stopped", list(services))))
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
        Ok(migration::trace(&self.place, cx, migration))
    }

    fn migrate(&self, cx: &Context<'_>, call: &MigrationCall<'_>) -> Result<Outcome, Failure> {
        migration::migrate(&self.place, cx, call)
    }

    fn discard(&self, cx: &Context<'_>, migration: &MigrationId) -> Result<(), Failure> {
        migration::discard(&self.place, cx, migration)
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
                let key = self.place.secret(api_key).map_err(|problem| {
                    let mut failure = Failure::new(&problem.code, problem.what);
                    failure.hints = problem.hints;
                    failure
                })?;
                write_path::check(&WritePath {
                    base: &self.base(*port, url.as_deref()),
                    key: &key,
                    run: cx.run,
                    requests,
                })
            }
            Check::Counts { .. } | Check::Fits { .. } => Err(Failure::new(
                "not-for-the-driver",
                "counts are the datastore's to compare",
            )),
        }
    }

    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        companion::clean(&self.place, cx)?;
        server::clean(&self.place, cx);
        write::clean(cx.plan)?;
        migration::clean(&self.place, cx.run)
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
