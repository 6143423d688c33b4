//! What keeps data: a snapshot of each store, once in a round; on the way back, what a mark becomes.

use switchback_model::plan::{Act, Expectation, Step};
use switchback_model::stack::{KeepBy, Snapshot, Store, StoreKind};
use switchback_model::{MigrationId, product};

use super::composer::{Composer, Direction};
use crate::draft::Draft;

/// True where a migration may change what the store of this name holds.
pub(super) fn may_change(of: &product::Template, logical: &str, migration: &MigrationId) -> bool {
    let said = of.migrated_by.get(logical);
    said.is_none_or(|migrations| migrations.contains(migration))
}

impl Composer<'_> {
    /// Snapshots of everything that can have one, before the round changes anything.
    pub(super) fn keep(&mut self) -> Vec<Step> {
        self.snapshots(|store| store.kind.can_be_snapshotted())
    }

    /// Snapshots of some stores of one stack.
    pub(super) fn snapshots_of(&mut self, stack: &str, logical: &[String]) -> Vec<Step> {
        self.snapshots(|store| store.stack == stack && logical.contains(&store.logical))
    }

    fn snapshots(&mut self, wanted: impl Fn(&Store) -> bool) -> Vec<Step> {
        let input = self.input;
        let mut steps = Vec::new();
        for store in input.cloud.stores.iter().filter(|store| wanted(store)) {
            let key = (store.stack.clone(), store.logical.clone());
            if self.stacks.contains_key(&store.stack) && self.snapshotted.insert(key) {
                steps.push(self.snapshot(store.clone()));
            }
        }
        steps
    }

    fn snapshot(&mut self, store: Store) -> Step {
        let what = store.kind.word();
        let because = match self.direction {
            Direction::Forth => format!("the {what} as it was before this round"),
            Direction::Back => format!("the {what} as it was before another takes its place"),
        };
        self.step(Draft {
            after: vec![Expectation::Snapshotted {
                stack: store.stack.clone(),
                logical: store.logical.clone(),
            }],
            because: Some(because),
            ..Draft::new(Act::Snapshot {
                store,
                by: KeepBy::Snapshot,
            })
        })
    }

    /// What a mark keeps becomes a snapshot, which a stack can be given. It comes before anything else: nothing is
    /// changed if the mark cannot be brought back.
    pub(super) fn recall(&mut self, mark: &Snapshot) -> Step {
        let what = mark.store.kind.word();
        self.step(Draft {
            after: vec![Expectation::Recalled { mark: mark.clone() }],
            because: Some(format!(
                "the {what} of the mark is made beside the present one, which serves meanwhile"
            )),
            ..Draft::new(Act::Recall { mark: mark.clone() })
        })
    }

    /// Stores that a migration may change: those that their stacks make anew from a snapshot, and those that a
    /// person may have to bring back. A disk comes back with its machine, or not at all.
    pub(super) fn migrated(&mut self, migration: &MigrationId) {
        let stores = self.input.cloud.stores.iter();
        for store in stores.filter(|store| store.kind.can_be_snapshotted()) {
            let Some(stack) = self.stacks.get(&store.stack) else {
                continue;
            };
            if !may_change(stack.of, &store.logical, migration) {
                continue;
            }
            let parameter = stack.of.snapshots.get(&store.logical);
            let returns = store.kind != StoreKind::Volume
                && parameter.is_some_and(|name| stack.template.parameters.contains_key(name));
            match returns {
                true => self.changed.restored.insert(store.to_string()),
                false => self.changed.by_hand.insert(store.to_string()),
            };
        }
    }
}
