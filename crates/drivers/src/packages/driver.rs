//! Changes a packaged product, one act at a time.

mod look;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use switchback_engine::ports::{
    Context, Driver, Failure, Finding, MigrationCall, MigrationTrace, no_stacks, not_for_a_driver,
};
use switchback_model::event::{Completed, Outcome};
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Act, Check, Expectation, FileEdit, Plan, Purpose};
use switchback_model::{MigrationId, ServiceName};

use super::install;
use super::packaging::Wanted;
use super::place::Place;
use super::record::Record;
use super::set::Set;
use super::{fetch, locks, observe, store, systemd, units};
use crate::detached::migration::{Program, Traces};
use crate::host::unwritable;
use crate::waiting::{self, Pulse, Watched};
use crate::write_path::{self, WritePath};

/// How long services are watched for their end.
const WATCH_SECONDS: u64 = 5;

/// Drives one packaged product.
#[derive(Debug)]
pub(super) struct PackagesDriver {
    place: Rc<Place>,
    notes: PathBuf,
}

impl PackagesDriver {
    pub(super) fn new(place: Rc<Place>) -> Self {
        Self {
            notes: place.notes(),
            place,
        }
    }

    /// Where the record of versions is, as edits name it.
    fn record(&self) -> &'static str {
        self.place.packaging().words().record
    }

    fn migrations(&self) -> Traces<'_> {
        Traces {
            host: &self.place.host,
            notes: &self.notes,
        }
    }

    /// The set that a pin stands for: installed, kept, or to be had.
    fn set(&self, record: &Record, image: &ImagePin) -> Result<Set, Failure> {
        let id = image.id.as_deref().unwrap_or_default();
        if record.set.id() == id {
            return Ok(record.set.clone());
        }
        if let Some(set) = store::with_id(&self.place, id)? {
            return Ok(set);
        }
        let set = observe::set_named(&self.place, record, &image.reference)?;
        if set.id() == id {
            return Ok(set);
        }
        let what = format!("cannot fetch `{}`", image.reference);
        Err(Failure::new("image-moved", what)
            .state("to be had", set.to_string())
            .cause("the repository has other packages of that release than when it was planned")
            .hint("plan again"))
    }

    fn stable(
        &self,
        cx: &Context<'_>,
        images: &BTreeMap<ServiceName, ImagePin>,
    ) -> Result<Outcome, Failure> {
        let restarts = || -> Result<BTreeMap<String, u64>, Failure> {
            let units = self.place.units()?.into_iter();
            Ok(units
                .filter(|(name, _)| images.contains_key(name))
                .map(|(_, unit)| (unit.id, unit.restarts))
                .collect())
        };
        let before = restarts()?;
        let names: Vec<ServiceName> = images.keys().cloned().collect();
        for second in 0..WATCH_SECONDS {
            let mut found = vec![self.running(&names)];
            found.extend(images.iter().map(|(name, image)| self.runs(name, image)));
            for finding in found {
                if let Finding::Differs { found } | Finding::Unknown { why: found } = finding {
                    return Err(self.unwell(&names, found));
                }
            }
            let now = restarts()?;
            if let Some((unit, _)) = now
                .iter()
                .find(|(unit, times)| before.get(*unit) != Some(times))
            {
                return Err(self.unwell(&names, format!("`{unit}` was restarted by systemd")));
            }
            cx.progress.report(
                "watching for early ends",
                Some(second + 1),
                Some(WATCH_SECONDS),
                Some("s"),
            );
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(outcome(Completed::Done, format!("{} runs", list(&names))))
    }

    fn unwell(&self, services: &[ServiceName], found: String) -> Failure {
        let mut failure = Failure::new("service-ended", found)
            .hint("see why in its journal; then switchback resume, or switchback rollback");
        failure.output = services
            .iter()
            .find(|service| failure.what.contains(service.as_str()))
            .and_then(|service| {
                units::last_words(&self.place, &systemd::unit_of(service.as_str()))
            });
        failure
    }
}

impl Driver for PackagesDriver {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        self.seen(cx, expectation)
    }

    /// The files of the image, and those of what is installed: without them there would be no way back.
    fn fetch(&self, cx: &Context<'_>, image: &ImagePin) -> Result<Outcome, Failure> {
        let place = &self.place;
        place.claim(cx)?;
        locks::wait(place, cx)?;
        let record = place.record()?;
        if matches!(cx.plan.purpose, Purpose::Upgrade)
            && let Some(problem) = observe::obstacles(place, &record)?.into_iter().next()
        {
            return Err(problem.into());
        }
        let set = self.set(&record, image)?;
        let mut fetched = false;
        for wanted in [&record.set, &set] {
            let doing = format!("fetching {wanted}");
            cx.progress.report(&doing, None, None, None);
            fetched |= fetch::keep(place, &record, wanted)?;
        }
        if matches!(cx.plan.purpose, Purpose::Upgrade) {
            let mut named = named_in(cx.plan, self.record());
            named.extend([record.set.clone(), set.clone()]);
            store::keep_only(place, &named);
        }
        let files = store::kept(place, &set)?.map_err(|wrong| {
            Failure::new("package-unavailable", "what was fetched is not whole").cause(wrong)
        })?;
        if set != record.set {
            let files: Vec<String> = files
                .iter()
                .map(|path| path.to_string_lossy().into_owned())
                .collect();
            fetch::simulate(place, &set, &Wanted::Files(&files))?;
        }
        Ok(outcome(
            if fetched {
                Completed::Done
            } else {
                Completed::AlreadyDone
            },
            format!("{set}; kept as the way back: {}", record.set),
        ))
    }

    fn stop(&self, cx: &Context<'_>, services: &[ServiceName]) -> Result<Outcome, Failure> {
        self.place.claim(cx)?;
        // What another installation holds up now, it would hold up while nothing runs.
        locks::wait(&self.place, cx)?;
        let completed = units::stop(&self.place, cx)?;
        Ok(outcome(
            completed,
            format!("{} stopped, no process is left", list(services)),
        ))
    }

    fn start(
        &self,
        cx: &Context<'_>,
        services: &[ServiceName],
        images: &BTreeMap<ServiceName, ImagePin>,
    ) -> Result<Outcome, Failure> {
        self.place.claim(cx)?;
        for (service, image) in images {
            if let Finding::Differs { found } | Finding::Unknown { why: found } =
                self.runs(service, image)
            {
                return Err(
                    Failure::new("image-moved", format!("cannot start `{service}`"))
                        .state("installed", found)
                        .state("wanted", image.reference.as_str()),
                );
            }
        }
        let started = units::start(&self.place, cx, services)?;
        Ok(outcome(
            Completed::Done,
            format!("{} started", list(&started)),
        ))
    }

    fn set(&self, cx: &Context<'_>, edits: &[FileEdit]) -> Result<Outcome, Failure> {
        self.place.claim(cx)?;
        let mut result = outcome(Completed::AlreadyDone, String::new());
        if let Some(other) = edits.iter().find(|edit| edit.path != self.record()) {
            return Err(Failure::new(
                "edit-refused",
                format!("`{}` is no record of packages", other.path),
            ));
        }
        for edit in edits {
            let installed = install::install(&self.place, cx, edit)?;
            if !result.summary.is_empty() {
                result.summary.push_str(", ");
            }
            result.summary.push_str(&installed.summary);
            if installed.completed == Completed::Done {
                result.completed = Completed::Done;
            }
        }
        Ok(result)
    }

    fn trace(&self, cx: &Context<'_>, migration: &MigrationId) -> Result<MigrationTrace, Failure> {
        self.migrations().trace(cx, migration)
    }

    fn migrate(&self, cx: &Context<'_>, call: &MigrationCall<'_>) -> Result<Outcome, Failure> {
        self.place.claim(cx)?;
        self.migrations().migrate(cx, call, || {
            if let Finding::Differs { found } | Finding::Unknown { why: found } =
                self.runs(call.service, call.image)
            {
                let what = format!("cannot start `{}`", call.run.join(" "));
                return Err(Failure::new("image-moved", what).state("installed", found));
            }
            Ok(Program {
                words: call.run.to_vec(),
                environment: Vec::new(),
                inside: &self.place.there,
            })
        })
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
                    port: *port,
                    url: url.as_deref(),
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
                    base: &base(&self.place, *port, url.as_deref())?,
                    key: &key,
                    run: cx.run,
                    requests,
                })
            }
            Check::Machine { stack, .. } | Check::AsTemplate { stack, .. } => Err(no_stacks(stack)),
            Check::Counts { .. } | Check::Fits { .. } | Check::Content => Err(not_for_a_driver()),
        }
    }

    /// Package files stay: they are the way back. So does an installation that was begun.
    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        install::forget_unbegun(&self.place)?;
        self.migrations().clean(cx.run)?;
        self.place.release(cx)
    }
}

/// Where a service is reached: as its users do, where that is said.
fn base(place: &Place, port: u16, url: Option<&str>) -> Result<String, Failure> {
    match url {
        Some(url) => Ok(url.trim_end_matches('/').to_owned()),
        None => place.host.base(port),
    }
}

/// A service's unit, as a wait looks at it.
struct Watch<'a> {
    place: &'a Place,
    service: &'a ServiceName,
    port: u16,
    url: Option<&'a str>,
}

impl Watched for Watch<'_> {
    fn base(&self) -> Result<String, Failure> {
        base(self.place, self.port, self.url)
    }

    fn pulse(&mut self) -> Result<Pulse, Failure> {
        let units = self.place.units()?;
        let unit = units.iter().find(|(name, _)| name == self.service);
        let process = unit
            .filter(|(_, unit)| unit.is_up())
            .map(|(_, unit)| self.place.host.processor_time(unit.main))
            .transpose()
            .map_err(|error| unwritable(Path::new("/proc"), &error))?
            .flatten();
        let Some(processor) = process else {
            let mut failure = Failure::new("service-ended", format!("`{}` ended", self.service));
            failure.output = self.last_words();
            return Err(failure);
        };
        let said = self.last_words().unwrap_or_default();
        Ok(Pulse {
            processor,
            last_lines: said.lines().last().map(str::to_owned).into_iter().collect(),
        })
    }

    fn last_words(&self) -> Option<String> {
        units::last_words(self.place, &systemd::unit_of(self.service.as_str()))
    }
}

/// Every set that the plan leads through.
fn named_in(plan: &Plan, record: &str) -> Vec<Set> {
    let edits = plan.steps().flat_map(|(_, step)| match &step.act {
        Act::Set { edits, .. } => edits.as_slice(),
        _ => &[],
    });
    edits
        .filter(|edit| edit.path == record)
        .flat_map(|edit| [Set::parse(&edit.old), Set::parse(&edit.new)])
        .flatten()
        .collect()
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
