//! Objects of buckets, which come back where the operator wants that.

use switchback_model::plan::{Act, Expectation, Notice, Step};
use switchback_model::product::NoticeKind;
use switchback_model::stack::{History, ObjectsAt, StoreKind};

use super::stretch::Stretch;
use super::walk::Walk;
use crate::draft::Draft;

impl Walk<'_, '_> {
    /// Brings the objects of buckets back to when the data beside them was kept. Last of all: the version that changed
    /// them is gone by then.
    pub(super) fn rewind(&mut self, stretch: &Stretch<'_>) -> Vec<Step> {
        let input = self.input;
        let moment = self.moment(stretch);
        let mut steps = Vec::new();
        for name in &input.config.objects_back {
            let mut stores = input.cloud.stores.iter();
            let store = stores.find(|it| it.kind == StoreKind::Bucket && it.physical == *name);
            let why = match (store, &moment) {
                (None, _) => "no stack of the deployment has a bucket of this name",
                (Some(store), _) if store.history != Some(History::Versions) => {
                    "it keeps no versions"
                }
                (Some(_), None) => "the run has no snapshot that tells a moment to go back to",
                (Some(store), Some(at)) => {
                    let objects = ObjectsAt {
                        store: store.clone(),
                        at: at.clone(),
                    };
                    let notice = notice(self, &objects, stretch);
                    self.composer.notices.push(notice);
                    self.composer.changes();
                    steps.push(self.composer.step(Draft {
                        after: vec![Expectation::Rewound {
                            objects: objects.clone(),
                        }],
                        because: Some("as switchback.toml says".to_owned()),
                        ..Draft::new(Act::Rewind { objects })
                    }));
                    continue;
                }
            };
            let told = format!("`{name}` in objects-back is not followed: {why}");
            self.composer.warn(told);
        }
        steps
    }

    /// When the first of the snapshots was taken that the way back leads behind.
    fn moment(&self, stretch: &Stretch<'_>) -> Option<String> {
        let rounds = stretch.begun().map(|(stage, _)| stage.round);
        let first = rounds.min()?;
        let kept = self.input.snapshots.iter();
        let kept = kept.filter(|snapshot| snapshot.round == first);
        kept.filter_map(|snapshot| snapshot.at.clone()).min()
    }
}

fn notice(walk: &Walk<'_, '_>, objects: &ObjectsAt, stretch: &Stretch<'_>) -> Notice {
    let name = &objects.store.physical;
    Notice {
        id: format!("objects-back-{name}"),
        kind: NoticeKind::Behaviour,
        version: stretch.base.clone(),
        text: format!(
            "Objects of the bucket `{name}` that were changed or deleted since {} are again what they were then; what is there now stays as a version of each. Objects that came later stay.",
            objects.at
        ),
        found: None,
        source: format!("journal of {}", walk.input.proven.run),
        accept: None,
    }
}
