//! Whether a deployment has a feature, as far as anybody said.

use switchback_model::product::Feature;

use super::condition::{Truth, as_number};
use super::ground::Ground;

/// What the operator said of a feature.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    /// It is there.
    Yes,
    /// It is not.
    No,
    /// Nothing.
    Nothing,
}

impl Ground<'_> {
    /// Whether the deployment has a feature.
    pub(super) fn has_feature(&self, id: &str) -> Truth {
        let mut declared = self.product.features.iter();
        let declared = declared.find(|feature| feature.id == id);
        let possible = declared.map_or(Truth::Yes, |feature| self.can_have(feature));
        let said = match self.said(id) {
            Said::Yes => Truth::Yes,
            Said::Nothing if declared.is_some_and(|feature| self.is_assumed(feature)) => {
                Truth::Assumed
            }
            Said::Nothing | Said::No => Truth::No,
        };
        possible.and(said)
    }

    /// Features that count as there, or as not there, although nobody said so: by the definition's names.
    pub(super) fn unsaid_features(&self) -> (Vec<&str>, Vec<&str>) {
        let (mut there, mut absent) = (Vec::new(), Vec::new());
        for feature in &self.product.features {
            let asked = self.said(&feature.id) == Said::Nothing
                && self.is_usual(feature)
                && self.can_have(feature).applies();
            if asked && self.is_assumed(feature) {
                there.push(feature.id.as_str());
            } else if asked {
                absent.push(feature.id.as_str());
            }
        }
        (there, absent)
    }

    fn can_have(&self, feature: &Feature) -> Truth {
        if feature.distributions.is_empty() {
            return Truth::Yes;
        }
        self.among(|distribution| feature.distributions.contains(&distribution.id))
    }

    /// A usual feature counts as there as long as the operator named no usual one: who names one has looked.
    /// What was found out some other way says nothing of the rest.
    fn is_assumed(&self, feature: &Feature) -> bool {
        let mut all = self.product.features.iter();
        let named = all.any(|it| {
            let mut names = std::iter::once(&it.id).chain(&it.implied_by);
            it.usual && names.any(|name| self.is_named(name))
        });
        self.is_usual(feature) && !named
    }

    fn is_named(&self, id: &str) -> bool {
        self.query.features.iter().any(|said| is_same(said, id))
    }

    fn is_usual(&self, feature: &Feature) -> bool {
        feature.usual && self.range_holds(&feature.from, &self.from.key)
    }

    /// What was said of a feature, or of one that is not there without it.
    fn said(&self, id: &str) -> Said {
        let mut declared = self.product.features.iter();
        let declared = declared.find(|feature| feature.id == id);
        let mut implied_by = declared.iter().flat_map(|feature| &feature.implied_by);
        match self.said_itself(id) {
            Said::Nothing if implied_by.any(|other| self.said_itself(other) == Said::Yes) => {
                Said::Yes
            }
            said => said,
        }
    }

    fn said_itself(&self, id: &str) -> Said {
        if self.is_named(id) {
            return Said::Yes;
        }
        let mut answers = self.query.answers.iter();
        match answers.find(|(said, _)| is_same(said, id)) {
            None => Said::Nothing,
            Some((_, answer)) if as_number(answer.trim()) == Some(0) => Said::No,
            Some(_) => Said::Yes,
        }
    }
}

/// `no-coordination-backend` and `no_coordination_backend` are one feature.
pub(super) fn is_same(said: &str, id: &str) -> bool {
    let plain = |letter| if letter == '-' { '_' } else { letter };
    said.chars().map(plain).eq(id.chars().map(plain))
}
