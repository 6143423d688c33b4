//! A simulated product of packages: dpkg's record, an installation that goes on without us, units that are held.
//!
//! As the real driver does, it takes a whole set of packages for an image, and an edit of the line that dpkg's record
//! says of the product for its installation.

use std::collections::BTreeMap;

use switchback_engine::ports::{Context, Driver, Failure, Finding, MigrationCall, MigrationTrace};
use switchback_engine::signal::Urgency;
use switchback_model::event::{Completed, Outcome};
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Act, Check, Expectation, FileEdit, Purpose};
use switchback_model::{Digest, MigrationId, ServiceName};

use crate::crash::Meanwhile;
use crate::driver::SimDriver;
use crate::host::{PACKAGES, RECORD, SimHost, Standing, set};
use crate::plans::image;
use crate::world::Reality;

/// Time passes for an installation that runs; how many there are.
pub(crate) fn pass(now: &mut Reality, meanwhile: Meanwhile) -> usize {
    if !now.host.as_ref().is_some_and(SimHost::apt_runs) {
        return 0;
    }
    match meanwhile {
        Meanwhile::TheyGoOn => {}
        Meanwhile::TheyEnd => while advance(now).is_none() {},
        Meanwhile::TheyDie => {
            if let Some((_, exit)) = now.host.as_mut().and_then(|host| host.apt.as_mut()) {
                *exit = Some(137);
            }
        }
    }
    1
}

/// The next thing that dpkg does; its exit code once there is nothing left.
fn advance(now: &mut Reality) -> Option<i64> {
    let host = now.host.as_mut()?;
    let (to, exit) = host.apt.clone()?;
    if exit.is_some() {
        return exit;
    }
    if let Some((name, package)) = host.packages.iter_mut().find(|(_, it)| it.half) {
        package.half = false;
        // Its script starts what it brought, whether or not that ran before.
        if !host.held {
            let violation = format!("the script of `{name}` started it under the installation");
            now.violations.push(violation);
        }
        return None;
    }
    let wanted = |name: &str| {
        let mut words = to.split(' ');
        words.find_map(|word| Some(word.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
    };
    for name in PACKAGES {
        let Some(package) = host.packages.get_mut(name) else {
            continue;
        };
        if let Some(version) = wanted(name).filter(|version| *version != package.version) {
            package.version = version;
            package.half = true;
            // The edited file is kept, and the packaged one put beside it.
            host.conffile.1 = true;
            return None;
        }
    }
    host.apt = Some((to, Some(0)));
    Some(0)
}

/// Drives a product of packages. What is not about them is as with any other.
pub(crate) struct SimPackages(pub(crate) SimDriver);

impl SimPackages {
    fn host<T>(&self, look: impl FnOnce(&SimHost) -> T) -> T {
        let look = |now: &mut Reality| now.host.as_ref().map(look);
        self.0.world.touch(look).expect("a host")
    }

    fn change<T>(&self, name: &str, change: impl FnOnce(&mut SimHost) -> T) -> T {
        let change = |now: &mut Reality| now.host.as_mut().map(change);
        self.0.world.effect(name, change).expect("a host")
    }

    fn runs(&self, service: &ServiceName, wanted: &ImagePin) -> Finding {
        let found = match self.host(SimHost::standing) {
            Standing::Settled(line) => line,
            Standing::Between(_, to) => format!("an installation of `{to}` that is not finished"),
            Standing::Broken => "packages that are half installed".to_owned(),
        };
        let version = wanted.reference.rsplit(':').next().unwrap_or_default();
        if found == set(version) {
            Finding::Holds
        } else {
            Finding::Differs {
                found: format!("`{service}` is of `{found}`"),
            }
        }
    }

    /// In the middle of an installation the record is neither what was nor what will be; then the step that leads
    /// from the one to the other, in either direction, may act.
    fn recorded(&self, cx: &Context<'_>, digest: &Digest) -> Finding {
        let found = match self.host(SimHost::standing) {
            Standing::Settled(line) if Digest::of(&line) == *digest => return Finding::Holds,
            Standing::Settled(line) => line,
            Standing::Between(from, to) => {
                let leads = cx.plan.step(cx.step).is_some_and(|step| match &step.act {
                    Act::Set { edits, .. } => edits.iter().any(|edit| {
                        let ends = [&edit.old, &edit.new];
                        (ends == [&from, &to] || ends == [&to, &from]) && edit.before == *digest
                    }),
                    _ => false,
                });
                if leads {
                    return Finding::Holds;
                }
                format!("an installation of `{to}` that is not finished")
            }
            Standing::Broken => "packages that are half installed".to_owned(),
        };
        Finding::Differs { found }
    }

    fn install(&self, cx: &Context<'_>, edit: &FileEdit) -> Result<Outcome, Failure> {
        let (from, to) = (edit.old.clone(), edit.new.clone());
        let mut completed = Completed::Done;
        match self.host(SimHost::standing) {
            Standing::Settled(line) if line == to => completed = Completed::AlreadyDone,
            Standing::Settled(line) if line == from => self.change("keep the conffile", |host| {
                let copy = host.conffile.clone();
                host.kept.insert(line, copy);
            }),
            Standing::Between(one, other)
                if [&one, &other] == [&from, &to] || [&other, &one] == [&from, &to] => {}
            _ => {
                return Err(Failure::new(
                    "file-changed",
                    "the packages are not those of the plan",
                ));
            }
        }
        if completed == Completed::Done {
            self.drive(cx, &from, &to)?;
        }
        if matches!(cx.plan.purpose, Purpose::Rollback { .. }) {
            self.change("put the conffile back", |host| {
                if let Some(kept) = host.kept.get(&to) {
                    host.conffile = kept.clone();
                }
            });
        }
        self.change("forget the installation", |host| {
            host.installing = None;
            host.apt = None;
        });
        Ok(Outcome {
            completed,
            summary: to,
            ..Outcome::default()
        })
    }

    /// Lets an installation run until the set is there, however often it is cut off.
    fn drive(&self, cx: &Context<'_>, from: &str, to: &str) -> Result<(), Failure> {
        let runs = |now: &mut Reality| now.services.values().any(|service| service.running);
        if self.0.world.touch(runs) {
            let what = "cannot install packages under a running product";
            return Err(Failure::new("services-running", what));
        }
        // What still runs may lead in the other direction: it is waited for, not mixed with.
        self.follow(cx)?;
        let ends = (from.to_owned(), to.to_owned());
        self.change("note the installation", |host| host.installing = Some(ends));
        while self.host(|host| host.is_half() || host.line() != to) {
            let begun = (to.to_owned(), None);
            self.change("start the installation", |host| host.apt = Some(begun));
            self.follow(cx)?;
        }
        Ok(())
    }

    fn follow(&self, cx: &Context<'_>) -> Result<(), Failure> {
        while self.host(SimHost::apt_runs) {
            if cx.stop.urgency() == Urgency::Now {
                return Err(Failure {
                    stopped: true,
                    ..Failure::new("stopped", "stopped waiting for dpkg")
                });
            }
            self.0.world.crash.point("while packages are installed");
            self.0.world.touch(advance);
        }
        Ok(())
    }

    fn settled_violation(&self, doing: &str) {
        self.0.world.touch(|now| {
            let host = now.host.as_ref();
            if host.is_some_and(|host| host.apt_runs() || host.is_half()) {
                now.violations
                    .push(format!("{doing} while packages change"));
            }
        });
    }
}

impl Driver for SimPackages {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        match expectation {
            Expectation::File { path, digest } if path == RECORD => self.recorded(cx, digest),
            Expectation::Runs { service, image } => self.runs(service, image),
            // Whoever could not start again does not run in a way that lasts.
            Expectation::Running { .. } if self.host(|host| host.noted) => Finding::Differs {
                found: "units that are held".to_owned(),
            },
            Expectation::Stopped { .. } if !self.host(|host| host.held) => Finding::Differs {
                found: "units that are free to start".to_owned(),
            },
            _ => self.0.look(cx, expectation),
        }
    }

    /// The files of the set, and those of what is installed: without them there would be no way back.
    fn fetch(&self, cx: &Context<'_>, wanted: &ImagePin) -> Result<Outcome, Failure> {
        if let Standing::Settled(line) = self.host(SimHost::standing) {
            let version = line.rsplit('=').next().unwrap_or_default();
            self.0.fetch(cx, &image(version))?;
        }
        self.0.fetch(cx, wanted)
    }

    fn stop(&self, cx: &Context<'_>, services: &[ServiceName]) -> Result<Outcome, Failure> {
        self.change("hold the units", |host| {
            host.noted = true;
            host.held = true;
        });
        self.0.stop(cx, services)
    }

    fn start(
        &self,
        cx: &Context<'_>,
        services: &[ServiceName],
        images: &BTreeMap<ServiceName, ImagePin>,
    ) -> Result<Outcome, Failure> {
        for (service, image) in images {
            if let Finding::Differs { found } = self.runs(service, image) {
                return Err(Failure::new("image-moved", found));
            }
        }
        self.settled_violation("started");
        self.change("release the units", |host| host.held = false);
        let outcome = self.0.start(cx, services, images)?;
        self.change("forget the hold", |host| host.noted = false);
        Ok(outcome)
    }

    fn set(&self, cx: &Context<'_>, edits: &[FileEdit]) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::default();
        for edit in edits {
            outcome = self.install(cx, edit)?;
        }
        Ok(outcome)
    }

    fn trace(&self, cx: &Context<'_>, migration: &MigrationId) -> Result<MigrationTrace, Failure> {
        self.0.trace(cx, migration)
    }

    fn migrate(&self, cx: &Context<'_>, call: &MigrationCall<'_>) -> Result<Outcome, Failure> {
        self.settled_violation("migrated");
        self.0.migrate(cx, call)
    }

    fn discard(&self, cx: &Context<'_>, migration: &MigrationId) -> Result<(), Failure> {
        self.0.discard(cx, migration)
    }

    fn check(&self, cx: &Context<'_>, check: &Check) -> Result<Outcome, Failure> {
        self.0.check(cx, check)
    }

    /// Kept package files stay: they are the way back. An installation that never began is forgotten.
    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let unbegun = |host: &SimHost| {
            let settled = matches!(host.standing(), Standing::Settled(_));
            settled && host.installing.is_some()
        };
        if self.host(unbegun) {
            self.change("forget what never began", |host| {
                host.installing = None;
                host.apt = None;
            });
        }
        self.0.clean(cx)
    }
}
