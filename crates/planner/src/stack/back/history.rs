//! What a stack was after each update of a run, and where in that it is now.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::Problem;
use switchback_model::plan::{Act, Expectation, Step};
use switchback_model::stack::{Stack, StackIs, StackUpdate};

use super::problems;
use super::stretch::Stretch;

/// The updates of one stack that a run may have made.
#[derive(Clone, Debug)]
pub(super) struct History<'p> {
    /// What it was before the first; `None` where that made it.
    first: Option<&'p StackIs>,
    /// What each leaves, in order.
    after: Vec<(&'p StackUpdate, &'p StackIs)>,
}

impl<'p> History<'p> {
    /// The histories of all stacks that the stretch may have changed.
    pub(super) fn of(stretch: &Stretch<'p>) -> Result<BTreeMap<&'p str, Self>, Problem> {
        let mut histories: BTreeMap<&str, Self> = BTreeMap::new();
        for (_, step) in stretch.begun() {
            let update = match &step.act {
                Act::Update { update } => update,
                Act::Remove { stack, .. } => return Err(problems::removed(stack)),
                _ => continue,
            };
            let name = update.stack.as_str();
            let first = is(&step.before, name);
            let Some(after) = is(&step.after, name) else {
                continue;
            };
            let history = histories.entry(name).or_insert(Self {
                first,
                after: Vec::new(),
            });
            history.after.push((update, after));
        }
        Ok(histories)
    }

    /// What it was before the update of this place, from 1 on; before the first one for 0 as well. `None` where it was not
    /// there.
    pub(super) fn before(&self, place: usize) -> Option<&'p StackIs> {
        match place.checked_sub(2).and_then(|at| self.after.get(at)) {
            Some((_, is)) => Some(is),
            None => self.first,
        }
    }

    /// True where the run made it.
    pub(super) fn is_made(&self) -> bool {
        self.first.is_none()
    }

    /// The update of this place.
    pub(super) fn update(&self, place: usize) -> Option<&'p StackUpdate> {
        let (update, _) = self.after.get(place.checked_sub(1)?)?;
        Some(update)
    }

    /// The place of a step's update.
    pub(super) fn place(&self, step: &Step) -> Option<usize> {
        let found = self.after.iter().position(|(update, _)| {
            matches!(&step.act, Act::Update { update: of } if std::ptr::eq(of, *update))
        });
        found.map(|place| place + 1)
    }

    /// How many of its updates the stack shows: of states that are alike, the one that takes the least to take back.
    /// Parameters in `free` do not count: they name snapshots, which a way back leaves as they are.
    pub(super) fn shown(&self, now: &Stack, free: &BTreeSet<&str>) -> Option<usize> {
        let before = |place: &usize| self.before(place + 1);
        (0..=self.after.len()).find(|place| before(place).is_some_and(|is| fits(is, now, free)))
    }
}

fn is<'p>(expected: &'p [Expectation], stack: &str) -> Option<&'p StackIs> {
    expected.iter().find_map(|expected| match expected {
        Expectation::Stack { is } if is.stack == stack => Some(is),
        _ => None,
    })
}

fn fits(is: &StackIs, now: &Stack, free: &BTreeSet<&str>) -> bool {
    let as_said = |(name, said): (&String, &Option<String>)| {
        let known = now.parameters.get(name).map(|now| now.value.as_deref());
        match (known, said) {
            (Some(Some(value)), Some(said)) => value == said || free.contains(name.as_str()),
            (found, _) => found.is_some(),
        }
    };
    is.body == now.body
        && is.id.as_ref().is_none_or(|id| *id == now.id)
        && is.parameters.len() == now.parameters.len()
        && is.parameters.iter().all(as_said)
}
