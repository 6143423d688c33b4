//! What steps will take: as they took in an earlier run of the deployment, or as a judgement where nothing was measured.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::plan::{Act, DatastorePlan, Step};
use switchback_model::product::DatastoreKind;
use switchback_model::{DatastoreName, RunId};

use super::costs;
use crate::experience::{Experience, Kept, Measured};

const SECOND: u64 = 1_000;

/// Tells what the steps of one plan will take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimates<'a> {
    /// Every datastore of the plan.
    pub(crate) datastores: &'a BTreeMap<DatastoreName, DatastorePlan>,
    /// What was measured before.
    pub(crate) experience: &'a Experience,
    /// True for a way back: a shadow is moved there, and a restore reads what it built.
    pub(crate) back: bool,
}

/// How long users will be without service, and how that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Downtime {
    pub(crate) seconds: u64,
    /// Runs in which steps like these were measured.
    runs: BTreeSet<RunId>,
    measured: Vec<&'static str>,
    estimated: Vec<&'static str>,
    /// Migrations that were never measured.
    pub(crate) unmeasured_migrations: usize,
}

impl Estimates<'_> {
    /// Adds up those of `steps` during which users wait.
    pub(crate) fn downtime<'s>(&self, steps: impl Iterator<Item = &'s Step>) -> Downtime {
        let mut downtime = Downtime::default();
        let mut milliseconds = 0;
        for step in steps.filter(|step| step.downtime) {
            let measured = self.measured(&step.act);
            let took = measured.map_or_else(
                || self.judged(&step.act) * SECOND,
                |(milliseconds, _)| milliseconds,
            );
            milliseconds += took;
            if matches!(step.act, Act::Migrate { .. }) && measured.is_none() {
                downtime.unmeasured_migrations += 1;
            }
            let list = match measured {
                Some((_, run)) => {
                    downtime.runs.insert(run.clone());
                    &mut downtime.measured
                }
                None if took == 0 => continue,
                None => &mut downtime.estimated,
            };
            let word = self.word(&step.act);
            if !list.contains(&word) {
                list.push(word);
            }
        }
        downtime.seconds = milliseconds.div_ceil(SECOND);
        downtime
    }

    /// Seconds that `act` takes.
    pub(crate) fn seconds(&self, act: &Act) -> u64 {
        self.measured(act).map_or_else(
            || self.judged(act),
            |(milliseconds, _)| milliseconds.div_ceil(SECOND),
        )
    }

    /// Seconds in which `name` comes back in a way back.
    pub(crate) fn way_back(&self, name: &DatastoreName) -> u64 {
        let (act, back) = (
            Act::Restore {
                datastore: name.clone(),
                run: RunId::new(""),
            },
            Self {
                back: true,
                ..*self
            },
        );
        back.seconds(&act)
    }

    /// As it took before, and what has grown since added at the pace that is judged.
    fn measured(&self, act: &Act) -> Option<(u64, &RunId)> {
        let kept = act.datastore().and_then(|name| self.kept(name));
        let (times, found) = match act {
            Act::Restore { datastore, .. } => self.restored(datastore, kept?)?,
            _ => (1, self.experience.of(act, kept)?),
        };
        Some((times * self.grown(act, &found), found.run))
    }

    /// A dump that never came back was restored elsewhere and read when it was proven. A way back does that
    /// twice: once beside, and once more before it takes the place of the other.
    fn restored(&self, name: &DatastoreName, kept: Kept) -> Option<(u64, Measured<'_>)> {
        if let Some(found) = self.experience.restored(name, kept, self.back) {
            return Some((1, found));
        }
        let proof = self.experience.proof(name).filter(|_| !kept.shadowed)?;
        Some((if self.back { 2 } else { 1 }, proof))
    }

    fn grown(&self, act: &Act, then: &Measured<'_>) -> u64 {
        let now = act.datastore().and_then(|name| self.kept(name));
        let more = match (now, then.size) {
            (Some(now), Some(size)) if now.size > size => {
                self.judged_at(act, now.size) - self.judged_at(act, size)
            }
            _ => 0,
        };
        then.milliseconds + more * SECOND
    }

    fn kept(&self, name: &DatastoreName) -> Option<Kept> {
        self.datastores.get(name).map(Kept::of)
    }

    /// Seconds, where nothing was measured.
    fn judged(&self, act: &Act) -> u64 {
        let kept = act.datastore().and_then(|name| self.kept(name));
        self.judged_at(act, kept.map_or(0, |kept| kept.size))
    }

    fn judged_at(&self, act: &Act, size: u64) -> u64 {
        let shadowed = |name| self.kept(name).is_some_and(|kept| kept.shadowed);
        let kind = |name| {
            self.datastores
                .get(name)
                .map_or(DatastoreKind::Files, |known| known.location.kind)
        };
        match act {
            Act::Fetch { .. }
            | Act::Prepare { .. }
            | Act::Set { .. }
            | Act::Release { .. }
            | Act::HandWork { .. }
            | Act::Bring { .. }
            | Act::Snapshot { .. }
            | Act::Recall { .. }
            | Act::Rewind { .. }
            | Act::Update { .. }
            | Act::TakeBack { .. }
            | Act::Remove { .. }
            | Act::Terminate { .. }
            | Act::Renew { .. }
            | Act::EndRefresh { .. } => 0,
            Act::Stop { .. } => costs::STOP,
            Act::Seal { datastore } if shadowed(datastore) => costs::SHADOW_SEAL,
            Act::Seal { datastore } => costs::seal(kind(datastore), size),
            Act::Restore { datastore, .. } if self.back && shadowed(datastore) => costs::EXCHANGE,
            // Once built beside, once read before it takes the place of the other.
            Act::Restore { datastore, .. } if self.back => {
                2 * costs::restore(kind(datastore), size)
            }
            Act::Prove { datastore } | Act::Restore { datastore, .. } => {
                costs::restore(kind(datastore), size)
            }
            Act::Migrate { .. } => costs::migration(size),
            Act::Carry { datastore, .. } => costs::carry(kind(datastore), size),
            Act::Exchange { .. } | Act::PutBack { .. } => costs::SERVER,
            Act::Start { .. } => costs::START,
            Act::Verify { .. } => costs::VERIFY,
        }
    }

    fn word(&self, act: &Act) -> &'static str {
        let shadowed = |name| self.kept(name).is_some_and(|kept| kept.shadowed);
        match act {
            Act::Restore { datastore, .. } if shadowed(datastore) => "exchange",
            Act::Exchange { .. } | Act::PutBack { .. } => "server",
            Act::Migrate { .. } => "migration",
            Act::Seal { datastore } if shadowed(datastore) => "seal",
            _ => act.verb(),
        }
    }
}

impl Downtime {
    /// What was measured, and what is still a judgement; `None` where nothing was measured.
    pub(crate) fn in_words(&self) -> Option<String> {
        let place = match (self.runs.first(), self.runs.len()) {
            (None, _) => return None,
            (Some(run), 1) => run.to_string(),
            (_, several) => format!("{several} earlier runs"),
        };
        let measured = format!("measured in {place}: {}", self.measured.join(", "));
        Some(match self.estimated.is_empty() {
            true => measured,
            false => format!("{measured}; estimated: {}", self.estimated.join(", ")),
        })
    }
}
