//! Which part of a run a way back takes back.

use switchback_model::Version;
use switchback_model::plan::{Act, Plan, Stage, StageKind, Step};

use crate::rollback::Proven;

/// From the first change after the product last ran and was looked at to the last change that was begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch<'p> {
    stages: &'p [Stage],
    proven: &'p Proven,
    /// The version that ran last.
    pub(super) base: &'p Version,
    /// The version that the run was on its way to when it ended.
    pub(super) reached: &'p Version,
}

impl<'p> Stretch<'p> {
    /// `None` where the run changed nothing.
    pub(super) fn of(plan: &'p Plan, proven: &'p Proven) -> Option<Self> {
        let changes = |step: &Step| {
            let looks = matches!(
                step.act,
                Act::Snapshot { .. } | Act::Recall { .. } | Act::Verify { .. }
            );
            !looks && proven.has_begun(step)
        };
        let stages = &plan.stages;
        let last = stages
            .iter()
            .rposition(|stage| stage.steps.iter().any(changes))?;
        let ran = |stage: &Stage| {
            matches!(stage.kind, StageKind::Run { .. })
                && stage.steps.iter().all(|step| proven.is_finished(step))
        };
        let base = stages[..last].iter().rposition(ran);
        Some(Self {
            stages: &stages[base.map_or(0, |base| base + 1)..=last],
            proven,
            base: base.map_or(&plan.from, |base| version(plan, &stages[base])),
            reached: version(plan, &stages[last]),
        })
    }

    /// Its steps that may have acted, in order, each with its stage.
    pub(super) fn begun(&self) -> impl DoubleEndedIterator<Item = (&'p Stage, &'p Step)> + use<'p> {
        let proven = self.proven;
        self.stages
            .iter()
            .flat_map(|stage| stage.steps.iter().map(move |step| (stage, step)))
            .filter(move |(_, step)| proven.has_begun(step))
    }
}

fn version<'p>(plan: &'p Plan, stage: &'p Stage) -> &'p Version {
    match &stage.kind {
        StageKind::Migrate { to } | StageKind::Run { to } => to,
        _ => &plan.to,
    }
}
