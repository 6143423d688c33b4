//! What is so of a packaged product.

use switchback_engine::ports::{Context, Finding};
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Act, Expectation};
use switchback_model::{Digest, ServiceName};

use super::PackagesDriver;
use crate::by_hand;
use crate::packages::install::{self, Standing};
use crate::packages::set::Set;
use crate::packages::{hold, store, units};

impl PackagesDriver {
    pub(super) fn seen(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        match expectation {
            Expectation::ImageHere { image } => self.image_here(image),
            Expectation::Running { services } => self.running(services),
            Expectation::Stopped { services } => self.stopped(services),
            Expectation::Runs { service, image } => self.runs(service, image),
            Expectation::File { path, digest } if path == self.record() => {
                self.recorded(cx, digest)
            }
            Expectation::File { path, digest } => self.place.host.look_at(path, digest),
            Expectation::Migrated { migration, version } => {
                self.migrations().look(cx.run, migration, version)
            }
            Expectation::DoneByHand { done, .. } => by_hand::look(&self.place.host, done),
            _ => Finding::Unknown {
                why: "not for the driver to tell".to_owned(),
            },
        }
    }

    fn image_here(&self, image: &ImagePin) -> Finding {
        let id = image.id.as_deref().unwrap_or_default();
        let set = match store::with_id(&self.place, id) {
            Ok(Some(set)) => set,
            Ok(None) => {
                return Finding::Differs {
                    found: format!("no package files of `{}` are kept", image.reference),
                };
            }
            Err(failure) => return Finding::Unknown { why: failure.what },
        };
        match store::kept(&self.place, &set) {
            Ok(Ok(_)) => Finding::Holds,
            Ok(Err(found)) => Finding::Differs { found },
            Err(failure) => Finding::Unknown { why: failure.what },
        }
    }

    /// The installed set, where no installation is under way.
    fn settled(&self) -> Result<Set, Finding> {
        match install::standing(&self.place) {
            Ok(Standing::Settled(record)) => Ok(record.set),
            Ok(Standing::Between(_, note)) => Err(Finding::Differs {
                found: format!("an installation of `{}` that is not finished", note.to),
            }),
            Ok(Standing::Broken(_)) => Err(Finding::Differs {
                found: "packages that are half installed".to_owned(),
            }),
            Err(failure) => Err(Finding::Unknown { why: failure.what }),
        }
    }

    pub(super) fn runs(&self, service: &ServiceName, image: &ImagePin) -> Finding {
        let set = match self.settled() {
            Ok(set) => set,
            Err(finding) => return finding,
        };
        if Some(set.id()) == image.id {
            Finding::Holds
        } else {
            Finding::Differs {
                found: format!("`{service}` is of `{set}`"),
            }
        }
    }

    /// What the record of packages says. In the middle of an installation of ours it is neither what was nor what
    /// will be; then the step that leads from the one to the other, in either direction, may act.
    fn recorded(&self, cx: &Context<'_>, digest: &Digest) -> Finding {
        let standing = match install::standing(&self.place) {
            Ok(standing) => standing,
            Err(failure) => return Finding::Unknown { why: failure.what },
        };
        match standing {
            Standing::Settled(record) if record.set.digest() == *digest => Finding::Holds,
            Standing::Settled(record) => Finding::Differs {
                found: format!("`{}`", record.set),
            },
            Standing::Between(_, note) => {
                let step = cx.plan.step(cx.step);
                let leads = step.is_some_and(|step| match &step.act {
                    Act::Set { edits, .. } => edits.iter().any(|edit| {
                        let ends = [&edit.old, &edit.new];
                        let same = ends == [&note.from, &note.to] || ends == [&note.to, &note.from];
                        same && edit.before == *digest
                    }),
                    _ => false,
                });
                if leads {
                    Finding::Holds
                } else {
                    Finding::Differs {
                        found: format!("an installation of `{}` that is not finished", note.to),
                    }
                }
            }
            Standing::Broken(_) => Finding::Differs {
                found: "packages that are half installed".to_owned(),
            },
        }
    }

    /// Whoever could not start again does not run in a way that lasts: a stop that was cut off, or a start, still has to
    /// let go of the units.
    pub(super) fn running(&self, services: &[ServiceName]) -> Finding {
        match hold::is_engaged(&self.place) {
            Ok(false) => {}
            Ok(true) => {
                return Finding::Differs {
                    found: "units that are held, and would not start again".to_owned(),
                };
            }
            Err(failure) => return Finding::Unknown { why: failure.what },
        }
        let units = match self.place.units() {
            Ok(units) => units,
            Err(failure) => return Finding::Unknown { why: failure.what },
        };
        for service in services {
            let found = units.iter().find(|(name, _)| name == service);
            match found {
                Some((_, unit)) if unit.is_up() => {}
                Some((_, unit)) => {
                    return Finding::Differs {
                        found: format!("`{service}` is {}", unit.active),
                    };
                }
                None => {
                    return Finding::Differs {
                        found: format!("there is no unit for `{service}`"),
                    };
                }
            }
        }
        Finding::Holds
    }

    /// What could start again in the next moment, by a package's script, is not stopped.
    fn stopped(&self, services: &[ServiceName]) -> Finding {
        match units::left(&self.place, services) {
            Ok(None) => match hold::is_in_force(&self.place) {
                Ok(true) => Finding::Holds,
                Ok(false) => Finding::Differs {
                    found: "stopped, and free to start again".to_owned(),
                },
                Err(failure) => Finding::Unknown { why: failure.what },
            },
            Ok(Some(found)) => Finding::Differs { found },
            Err(failure) => Finding::Unknown { why: failure.what },
        }
    }
}
