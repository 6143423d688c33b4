//! What the parameters of a stack become when it goes back.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::config::AwsParameter;
use switchback_model::stack::{ParameterWish, Stack, StackIs, StackUpdate, Template};

use crate::stack::carry::Unanswered;

/// What an update back is made from.
pub(super) struct Backwards<'a> {
    /// The stack as it is by then.
    pub(super) now: &'a Stack,
    /// What it was.
    pub(super) was: &'a StackIs,
    /// The template that it had.
    pub(super) template: &'a Template,
    /// The update that is taken back.
    pub(super) update: Option<&'a StackUpdate>,
    /// Parameters that name snapshots.
    pub(super) snapshots: &'a BTreeSet<&'a str>,
    /// What the operator says.
    pub(super) said: Option<&'a BTreeMap<String, AwsParameter>>,
}

/// The parameters of an update back.
#[derive(Default)]
pub(super) struct Wishes {
    pub(super) wishes: BTreeMap<String, ParameterWish>,
    /// Those that nobody here knows any more.
    pub(super) unanswered: Vec<Unanswered>,
    /// Masked ones that the run gave another value, which stays.
    pub(super) stay: Vec<String>,
}

impl Backwards<'_> {
    pub(super) fn wishes(&self) -> Wishes {
        let mut found = Wishes::default();
        for name in self.template.parameters.keys() {
            let was = self.was.parameters.get(name).and_then(Option::as_deref);
            let now = self.now.parameters.get(name);
            let same = now.is_some_and(|now| now.value.as_deref() == was);
            let wish = match (was, now) {
                // One that is emptied makes its store anew without data.
                (_, Some(_)) if self.snapshots.contains(name.as_str()) => ParameterWish::Previous,
                (Some(_), Some(_)) if same => ParameterWish::Previous,
                (Some(value), _) => ParameterWish::Value {
                    value: value.to_owned(),
                },
                (None, Some(_)) => {
                    let given = self.update.and_then(|update| update.parameters.get(name));
                    if given.is_some_and(|wish| *wish != ParameterWish::Previous) {
                        found.stay.push(name.clone());
                    }
                    ParameterWish::Previous
                }
                (None, None) => match self.said.and_then(|said| said.get(name)) {
                    Some(AwsParameter::Secret(from)) => {
                        ParameterWish::Secret { from: from.clone() }
                    }
                    Some(AwsParameter::Value(value)) => ParameterWish::Value {
                        value: value.clone(),
                    },
                    None => {
                        found.unanswered.push(Unanswered {
                            parameter: name.clone(),
                            because: "the run took it away, and its value was masked".to_owned(),
                            allowed: Vec::new(),
                        });
                        continue;
                    }
                },
            };
            found.wishes.insert(name.clone(), wish);
        }
        found
    }
}
