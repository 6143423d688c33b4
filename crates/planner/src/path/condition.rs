//! Whether a rule's conditions hold, as far as it is known.

use switchback_model::product::{Condition, ProbeCondition};

use super::ground::Ground;

/// The answer to a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    /// It holds.
    Yes,
    /// It does not hold.
    No,
    /// Nothing could tell; the rule counts, and says that it was assumed.
    Assumed,
}

impl Truth {
    pub(super) fn applies(self) -> bool {
        self != Self::No
    }

    pub(super) fn is_assumed(self) -> bool {
        self == Self::Assumed
    }

    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Assumed,
        }
    }
}

impl Ground<'_> {
    /// True where a rule is for every edition or for the one in use.
    pub(super) fn is_edition(&self, editions: &[String]) -> bool {
        match &self.edition {
            Some(edition) => editions.is_empty() || editions.contains(edition),
            None => true,
        }
    }

    /// Whether a rule with this condition applies.
    pub(super) fn when(&self, condition: Option<&Condition>) -> Truth {
        condition.map_or(Truth::Yes, |condition| self.holds(condition))
    }

    /// Whether a rule that this condition waives applies. What nothing can tell waives nothing.
    pub(super) fn unless(&self, condition: Option<&Condition>) -> Truth {
        match condition.map(|condition| self.holds(condition)) {
            None | Some(Truth::No) => Truth::Yes,
            Some(Truth::Yes) => Truth::No,
            Some(Truth::Assumed) => Truth::Assumed,
        }
    }

    fn holds(&self, condition: &Condition) -> Truth {
        let driver = condition.drivers.is_empty() || condition.drivers.contains(&self.driver);
        if !driver || !self.is_edition(&condition.editions) {
            return Truth::No;
        }
        let feature = condition.feature.as_ref();
        let feature = feature.map_or(Truth::Yes, |feature| self.has_feature(feature));
        let probe = condition.probe.as_ref();
        let probe = probe.map_or(Truth::Yes, |probe| self.answered(probe));
        self.on_distribution(condition).and(feature).and(probe)
    }

    fn answered(&self, wanted: &ProbeCondition) -> Truth {
        let Some(answer) = self.query.answers.get(&wanted.name) else {
            return if wanted.rare {
                Truth::No
            } else {
                Truth::Assumed
            };
        };
        let answer = answer.trim();
        let text = wanted.equals.as_ref().is_none_or(|text| text == answer);
        if wanted.below.is_none() && wanted.at_least.is_none() {
            return if text { Truth::Yes } else { Truth::No };
        }
        // An answer that is no number where one is wanted tells nothing.
        let Some(number) = as_number(answer) else {
            return Truth::Assumed;
        };
        let below = wanted.below.is_none_or(|bound| number < bound);
        let at_least = wanted.at_least.is_none_or(|bound| number >= bound);
        if text && below && at_least {
            Truth::Yes
        } else {
            Truth::No
        }
    }
}

/// Operators answer yes and no, databases `t` and `f`.
pub(super) fn as_number(answer: &str) -> Option<i64> {
    match answer {
        "yes" | "true" | "t" => Some(1),
        "no" | "false" | "f" => Some(0),
        number => number.parse().ok(),
    }
}
