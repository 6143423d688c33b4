//! Where the time without service went: the same verbs as in the plan, with what each took.

use switchback_model::StepNumber;
use switchback_model::event::{Event, Stamped};
use switchback_model::plan::Plan;

use super::{measure, wrap};

/// Kinds of steps that took less than this are not worth a word.
const WORTH: u64 = 50;
/// What no step accounts for is said where it is at least this long, and this share of the whole.
const UNACCOUNTED: u64 = 1_000;
const SHARE: u64 = 10;

/// Milliseconds by verb, in the order of the plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent {
    kinds: Vec<(&'static str, u64)>,
}

impl Spent {
    /// What the events of a run tell.
    pub(crate) fn of(plan: &Plan, events: &[Stamped]) -> Self {
        let mut spent = Self::default();
        for stamped in events {
            if let Event::StepFinished { step, took, .. } = &stamped.event {
                spent.add(plan, *step, *took);
            }
        }
        spent
    }

    /// A step is done.
    pub(crate) fn add(&mut self, plan: &Plan, number: StepNumber, took: u64) {
        let Some(step) = plan.step(number).filter(|step| step.downtime) else {
            return;
        };
        let verb = plan.verb(&step.act);
        match self.kinds.iter_mut().find(|(known, _)| *known == verb) {
            Some((_, sum)) => *sum += took,
            None => self.kinds.push((verb, took)),
        }
    }

    /// The same as a line under the downtime itself, with its newline.
    pub(crate) fn line(&self, downtime: u64, width: usize) -> String {
        match self.in_words(downtime) {
            words if words.is_empty() => words,
            words => format!("{}\n", wrap::hanging("  ", &words, width)),
        }
    }

    /// `stop 0.5 s · seal 0.8 s · migrate 21 s · start 0.9 s · verify 5.4 s`; empty where there was no downtime.
    fn in_words(&self, downtime: u64) -> String {
        let mut parts: Vec<String> = self
            .kinds
            .iter()
            .filter(|(_, took)| *took >= WORTH)
            .map(|(verb, took)| format!("{verb} {}", measure::duration(*took)))
            .collect();
        let told: u64 = self.kinds.iter().map(|(_, took)| took).sum();
        let rest = downtime.saturating_sub(told);
        if rest >= UNACCOUNTED && rest * SHARE >= downtime {
            let rest = measure::duration(rest);
            parts.push(format!(
                "{rest} in tries that failed and while it was halted"
            ));
        }
        parts.join(" · ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(kinds: &[(&'static str, u64)], downtime: u64) -> String {
        let spent = Spent {
            kinds: kinds.to_vec(),
        };
        spent.in_words(downtime)
    }

    #[test]
    fn short_kinds_are_left_out() {
        assert_eq!(
            spent(&[("stop", 480), ("set", 2), ("migrate", 21_000)], 21_490),
            "stop 0.5 s · migrate 21 s"
        );
    }

    #[test]
    fn what_no_step_accounts_for_is_said_where_it_matters() {
        assert_eq!(
            spent(&[("migrate", 20_000)], 80_000),
            "migrate 20 s · 1 min in tries that failed and while it was halted"
        );
        assert_eq!(spent(&[("migrate", 20_000)], 21_500), "migrate 20 s");
    }

    #[test]
    fn only_steps_without_service_count_and_kinds_keep_the_order_of_the_plan() {
        let plan = switchback_testkit::plans::smallest();
        let numbers: Vec<StepNumber> = plan.steps().map(|(_, step)| step.number).collect();
        let down = plan.steps().filter(|(_, step)| step.downtime).count() as u64;
        let mut spent = Spent::default();
        for number in numbers {
            spent.add(&plan, number, 100);
        }
        let sum: u64 = spent.kinds.iter().map(|(_, took)| took).sum();
        assert_eq!(sum, 100 * down);
    }
}
