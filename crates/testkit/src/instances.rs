//! Both simulated instances of a roll-over: what each holds, piece by piece.

use std::collections::{BTreeMap, BTreeSet};

/// What both instances hold, piece by piece, and the key that only shows how the new one keeps secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimContent {
    /// The old instance, by parcel.
    pub old: BTreeMap<String, BTreeSet<String>>,
    /// The new one.
    pub new: BTreeMap<String, BTreeSet<String>>,
    /// The parcel that the new instance fetches at this moment.
    pub(crate) fetching: Option<String>,
    /// How often it was told to fetch which parcel.
    pub told: BTreeMap<String, u32>,
    /// Serves the bringing and goes with it.
    pub(crate) trial: bool,
}

impl SimContent {
    /// A full instance and an empty one.
    pub fn two_instances() -> Self {
        let parcel = |id: &str, pieces: &[&str]| {
            let pieces = pieces.iter().map(|piece| (*piece).to_owned());
            (id.to_owned(), pieces.collect())
        };
        Self {
            old: [
                parcel("keys/all", &["a", "b", "c"]),
                parcel("pack/acme", &["pack.yaml", "rules"]),
                parcel("pack/legacy", &["pack.yaml"]),
                parcel("rules/all", &["on_call"]),
            ]
            .into(),
            ..Self::default()
        }
    }

    /// What must not outlive a run, named.
    pub(crate) fn left(&self) -> Vec<String> {
        let fetching = self.fetching.iter().map(|id| format!("a fetch of {id}"));
        fetching
            .chain(self.trial.then(|| "the trial key".to_owned()))
            .collect()
    }

    pub(crate) fn pieces(&self, parcel: &str) -> &BTreeSet<String> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        self.new.get(parcel).unwrap_or(&NONE)
    }

    /// Brings the next piece that is missing; `false` where none is.
    pub(crate) fn bring_one(&mut self, parcel: &str) -> bool {
        let original = self.old.get(parcel).cloned().unwrap_or_default();
        let here = self.new.entry(parcel.to_owned()).or_default();
        let missing = original.into_iter().find(|piece| !here.contains(piece));
        missing.is_some_and(|piece| here.insert(piece))
    }

    /// The new instance fetches one piece more, or is done.
    pub(crate) fn fetch_on(&mut self) {
        let Some(id) = self.fetching.take() else {
            return;
        };
        if self.bring_one(&id) {
            self.fetching = Some(id);
        }
    }
}
