//! Which stores a run's migrations may have changed, and from what they come back.

use std::collections::BTreeMap;

use switchback_model::plan::{Act, Stage};
use switchback_model::stack::{KeepBy, Snapshot, Store};
use switchback_model::{Problem, RunId};

use super::problems;
use super::stretch::Stretch;
use crate::stack::composer::Composer;
use crate::stack::keep::may_change;

/// The stores of a stretch.
#[derive(Default)]
pub(super) struct Stores<'p> {
    /// Those that come back, by stack.
    pub(super) returning: BTreeMap<&'p str, Vec<&'p Snapshot>>,
    /// Those that no migration of the stretch changed.
    pub(super) staying: Vec<&'p Store>,
}

impl<'p> Stores<'p> {
    /// `snapshots` are those of the run that are there.
    pub(super) fn of(
        composer: &Composer<'_>,
        stretch: &Stretch<'p>,
        snapshots: &'p [Snapshot],
        run: &RunId,
    ) -> Result<Self, Problem> {
        let mut changed: BTreeMap<(&str, &str), Result<&Snapshot, KeepBy>> = BTreeMap::new();
        let mut kept: BTreeMap<(&str, &str), &Store> = BTreeMap::new();
        for (stage, step) in stretch.begun() {
            match &step.act {
                Act::Snapshot { store, .. } => {
                    kept.insert((&store.stack, &store.logical), store);
                }
                Act::Migrate { migration, .. } => {
                    for (store, by) in of_stage(stage) {
                        let key = (store.stack.as_str(), store.logical.as_str());
                        let stack = composer.stacks.get(&store.stack);
                        let touched =
                            stack.is_none_or(|stack| may_change(stack.of, key.1, migration));
                        // Before the first of them the store was as it was when the product ran.
                        if touched && !changed.contains_key(&key) {
                            let of = |it: &&Snapshot| it.round == stage.round && it.store == *store;
                            let snapshot = snapshots.iter().find(of);
                            changed.insert(key, snapshot.ok_or(by));
                        }
                    }
                }
                _ => {}
            }
        }
        let mut stores = Self::default();
        for (key, store) in kept {
            match changed.get(&key) {
                None => stores.staying.push(store),
                Some(Err(by)) => return Err(problems::snapshot_gone(run, store, *by)),
                Some(Ok(snapshot)) => {
                    stores.returning.entry(key.0).or_default().push(snapshot);
                }
            }
        }
        Ok(stores)
    }
}

/// What the round of a stage keeps.
fn of_stage(stage: &Stage) -> impl Iterator<Item = (&Store, KeepBy)> {
    stage.steps.iter().filter_map(|step| match &step.act {
        Act::Snapshot { store, by } => Some((store, *by)),
        _ => None,
    })
}
