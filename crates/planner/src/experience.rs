//! What steps of earlier runs of a deployment took: better than any estimate of what they will take.

use std::collections::BTreeMap;

use switchback_model::plan::{Act, BackupMethod, Check, DatastorePlan, Plan, Purpose};
use switchback_model::{DatastoreName, RunId, StepNumber};

/// What was measured in one deployment. Made by the caller from the journal, oldest run first, so that the
/// planner asks no clock and reads no file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Experience {
    steps: Vec<Timed>,
}

/// A step that was done, and was not found done already.
#[derive(Clone, Debug, PartialEq)]
struct Timed {
    run: RunId,
    act: Act,
    kept: Option<Kept>,
    /// True in a way back: what is moved there is copied elsewhere.
    back: bool,
    milliseconds: u64,
}

/// The datastore of a step, as it was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) shadowed: bool,
    pub(crate) size: u64,
}

/// What the newest step of a kind took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measured<'a> {
    pub(crate) run: &'a RunId,
    pub(crate) milliseconds: u64,
    /// Bytes that its datastore had then.
    pub(crate) size: Option<u64>,
}

impl Experience {
    /// Adds what the steps of one run took, in milliseconds. Steps that were found done already tell nothing and
    /// are left out by the caller.
    pub fn learn(&mut self, run: &RunId, plan: &Plan, took: &BTreeMap<StepNumber, u64>) {
        let back = matches!(plan.purpose, Purpose::Rollback { .. });
        for (_, step) in plan.steps() {
            let Some(milliseconds) = took.get(&step.number) else {
                continue;
            };
            self.steps.push(Timed {
                run: run.clone(),
                act: step.act.clone(),
                kept: step
                    .act
                    .datastore()
                    .and_then(|name| plan.datastores.get(name))
                    .map(Kept::of),
                back,
                milliseconds: *milliseconds,
            });
        }
    }

    /// What the newest step that is like `act` took. `kept` is its datastore as it is now.
    pub(crate) fn of(&self, act: &Act, kept: Option<Kept>) -> Option<Measured<'_>> {
        let of_a_backup = matches!(act, Act::Seal { .. } | Act::Prove { .. });
        let like = |timed: &&Timed| {
            alike(act, &timed.act)
                && (!of_a_backup || timed.is_shadowed() == kept.map(|now| now.shadowed))
        };
        let newest = || self.steps.iter().rev().filter(like);
        // The same images answer as soon as they did.
        let found = newest()
            .find(|timed| same_images(act, &timed.act))
            .or_else(|| newest().next());
        found.map(Timed::measured)
    }

    /// What the newest restore of a datastore took that is kept as it is now. In a way back a shadow is moved,
    /// elsewhere it is copied: `back` says which is meant.
    pub(crate) fn restored(
        &self,
        name: &DatastoreName,
        kept: Kept,
        back: bool,
    ) -> Option<Measured<'_>> {
        let found = self.steps.iter().rev().find(|timed| {
            matches!(&timed.act, Act::Restore { datastore, .. } if datastore == name)
                && timed.back == back
                && timed.is_shadowed() == Some(kept.shadowed)
        });
        found.map(Timed::measured)
    }

    /// What the newest proof of a dump took: it was restored elsewhere and read, as a restore is.
    pub(crate) fn proof(&self, name: &DatastoreName) -> Option<Measured<'_>> {
        let found = self.steps.iter().rev().find(|timed| {
            matches!(&timed.act, Act::Prove { datastore } if datastore == name)
                && timed.is_shadowed() == Some(false)
        });
        found.map(Timed::measured)
    }

    /// Milliseconds that the newest stop and the newest start of the services took.
    pub(crate) fn restart(&self) -> Option<u64> {
        let newest = |wanted: fn(&Act) -> bool| {
            let found = self.steps.iter().rev().find(|timed| wanted(&timed.act));
            found.map(|timed| timed.milliseconds)
        };
        let stop = newest(|act| matches!(act, Act::Stop { .. }))?;
        let start = newest(|act| matches!(act, Act::Start { .. }))?;
        Some(stop + start)
    }
}

impl Timed {
    fn is_shadowed(&self) -> Option<bool> {
        self.kept.map(|kept| kept.shadowed)
    }

    fn measured(&self) -> Measured<'_> {
        Measured {
            run: &self.run,
            milliseconds: self.milliseconds,
            size: self.kept.map(|kept| kept.size).filter(|size| *size > 0),
        }
    }
}

impl Kept {
    pub(crate) fn of(datastore: &DatastorePlan) -> Self {
        Self {
            shadowed: datastore.method == BackupMethod::Shadow,
            size: datastore.size.unwrap_or(0),
        }
    }
}

/// True where the one step takes what the other takes, but for what data has grown since.
fn alike(wanted: &Act, known: &Act) -> bool {
    match (wanted, known) {
        (Act::Stop { services: wanted }, Act::Stop { services: known })
        | (
            Act::Start {
                services: wanted, ..
            },
            Act::Start {
                services: known, ..
            },
        ) => known.iter().any(|service| wanted.contains(service)),
        (Act::Seal { datastore: wanted }, Act::Seal { datastore: known })
        | (Act::Prove { datastore: wanted }, Act::Prove { datastore: known })
        // Either way one server stops, directories are renamed, and the other starts.
        | (
            Act::Exchange {
                datastore: wanted, ..
            }
            | Act::PutBack {
                datastore: wanted, ..
            },
            Act::Exchange {
                datastore: known, ..
            }
            | Act::PutBack {
                datastore: known, ..
            },
        ) => wanted == known,
        (
            Act::Carry {
                datastore: wanted,
                engine: to,
            },
            Act::Carry {
                datastore: known,
                engine,
            },
        ) => wanted == known && to.to == engine.to,
        (
            Act::Migrate {
                migration: wanted,
                version: to,
                datastore,
                ..
            },
            Act::Migrate {
                migration: known,
                version,
                datastore: of,
                ..
            },
        ) => wanted == known && to == version && datastore == of,
        // Whoever looked at more took longer.
        (Act::Verify { checks: wanted }, Act::Verify { checks: known }) => wanted
            .iter()
            .all(|wanted| known.iter().any(|known| same_look(wanted, known))),
        _ => false,
    }
}

fn same_look(wanted: &Check, known: &Check) -> bool {
    match (wanted, known) {
        (Check::Health { service: one, .. }, Check::Health { service: other, .. })
        | (Check::WritePath { service: one, .. }, Check::WritePath { service: other, .. }) => {
            one == other
        }
        (Check::Stable { .. }, Check::Stable { .. }) => true,
        (
            Check::Fits { datastore: one, .. },
            Check::Fits {
                datastore: other, ..
            },
        )
        | (
            Check::Counts { datastore: one, .. },
            Check::Counts {
                datastore: other, ..
            },
        ) => one == other,
        _ => false,
    }
}

fn same_images(wanted: &Act, known: &Act) -> bool {
    match (wanted, known) {
        (Act::Start { images: wanted, .. }, Act::Start { images: known, .. }) => wanted == known,
        _ => true,
    }
}
