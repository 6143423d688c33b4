//! What the journal proves about a run, as far as the way back needs it.

use std::collections::BTreeSet;

use switchback_model::hand_work::HandWork;
use switchback_model::plan::{Act, Plan, Stage, StageKind, Step};
use switchback_model::{RunId, StepNumber};

/// What the journal proves about the run that is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The run.
    pub run: RunId,
    /// Every step whose start is journaled, finished or not.
    pub begun: BTreeSet<StepNumber>,
    /// Every step whose end is journaled.
    pub finished: BTreeSet<StepNumber>,
    /// For how long the new version has been able to write: since its start began. For people.
    pub writing_seconds: Option<u64>,
}

impl Proven {
    /// True where the step may have acted.
    pub(crate) fn has_begun(&self, step: &Step) -> bool {
        self.begun.contains(&step.number) || self.finished.contains(&step.number)
    }

    pub(crate) fn is_finished(&self, step: &Step) -> bool {
        self.finished.contains(&step.number)
    }
}

/// The part of a plan that a way back takes back: from the last stop of the services on. Before it
/// the product ran, at its first version or at a stop where it was started and verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch<'p> {
    /// The stages of the plan, of which those from `first` on belong to the stretch.
    pub(super) stages: &'p [Stage],
    /// The stage where the product ran last; `None` where that was before the plan.
    pub(super) base: Option<&'p Stage>,
    /// Which backup of the run was sealed at its beginning.
    pub(super) round: u32,
}

impl<'p> Stretch<'p> {
    /// The stretch that a run is in.
    pub(super) fn of(plan: &'p Plan, proven: &Proven) -> Self {
        let stop = |stage: &Stage| {
            stage
                .steps
                .iter()
                .find(|step| matches!(step.act, Act::Stop { .. }))
                .is_some_and(|step| proven.has_begun(step))
        };
        let first = plan.stages.iter().rposition(stop);
        let ran = |stage: &&Stage| {
            matches!(
                stage.kind,
                StageKind::Engines { .. } | StageKind::Run { .. }
            ) && stage.steps.iter().all(|step| proven.is_finished(step))
        };
        match first {
            Some(first) => Self {
                stages: &plan.stages[first..],
                base: plan.stages[..first].iter().rev().find(ran),
                round: plan.stages[first].round,
            },
            None => Self {
                stages: &[],
                base: None,
                round: 1,
            },
        }
    }

    /// Work of people that is done, or that the run waits for: what they have done of that by now is in no journal.
    pub(super) fn by_hand(&self, proven: &Proven) -> Vec<&'p HandWork> {
        let mut open = self.stages.iter().flat_map(|stage| &stage.steps);
        let next = open.find(|step| !proven.is_finished(step));
        let mut steps = self.begun(proven);
        steps.extend(next.filter(|step| !proven.has_begun(step)));
        let works = steps.into_iter().filter_map(|step| match &step.act {
            Act::HandWork { work } => Some(work),
            _ => None,
        });
        works.collect()
    }

    /// Its steps that may have acted, in order.
    pub(super) fn begun(&self, proven: &Proven) -> Vec<&'p Step> {
        self.stages
            .iter()
            .flat_map(|stage| &stage.steps)
            .filter(|step| proven.has_begun(step))
            .collect()
    }
}
