//! Snapshots of what holds data, each once in a round.

use switchback_model::plan::{Act, Expectation, Interrupted, Step};
use switchback_model::stack::Store;

use super::composer::{Composer, Draft};

impl Composer<'_> {
    /// Snapshots of everything that can have one, before the round changes anything.
    pub(super) fn keep(&mut self) -> Vec<Step> {
        let stores: Vec<Store> = self
            .input
            .cloud
            .stores
            .iter()
            .filter(|store| store.kind.can_be_snapshotted())
            .filter(|store| self.stacks.contains_key(&store.stack))
            .cloned()
            .collect();
        stores
            .into_iter()
            .filter_map(|store| self.snapshot(store))
            .collect()
    }

    pub(super) fn snapshots_of(&mut self, stack: &str, covered: &[String]) -> Vec<Step> {
        let stores: Vec<Store> = self
            .input
            .cloud
            .stores
            .iter()
            .filter(|store| store.stack == stack && covered.contains(&store.logical))
            .cloned()
            .collect();
        stores
            .into_iter()
            .filter_map(|store| self.snapshot(store))
            .collect()
    }

    fn snapshot(&mut self, store: Store) -> Option<Step> {
        let key = (store.stack.clone(), store.logical.clone());
        self.snapshots.insert(key).then(|| {
            let what = store.kind.word();
            self.step(Draft {
                after: vec![Expectation::Snapshotted {
                    stack: store.stack.clone(),
                    logical: store.logical.clone(),
                }],
                act: Act::Snapshot { store },
                before: Vec::new(),
                interrupted: Interrupted::Repeat,
                downtime: false,
                because: Some(format!("the {what} as it was before this round")),
            })
        })
    }
}
