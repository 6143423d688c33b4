//! What the checker has against a plan.

use serde::{Deserialize, Serialize};
use switchback_model::StepNumber;
use switchback_model::exit::Exit;
use switchback_model::problem::Problem;

/// One rule that a plan breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objection {
    /// The step that breaks it; `None` where the plan as a whole does.
    pub step: Option<StepNumber>,
    /// Stable identifier of the rule, e.g. `migration-while-running`.
    pub rule: String,
    /// What is wrong, one line.
    pub text: String,
}

impl std::fmt::Display for Objection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.step {
            Some(step) => write!(f, "step {step}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// The refusal of a plan that the checker objects to; `None` where it does not.
pub fn refusal(objections: &[Objection]) -> Option<Problem> {
    let first = objections.first()?;
    let problem = Problem::new(
        Exit::Refused,
        "plan-rejected",
        match objections.len() {
            1 => format!("the plan breaks a rule: {first}"),
            count => format!("the plan breaks {count} rules, first: {first}"),
        },
    )
    .state("deployment", "unchanged")
    .why("a plan that was edited, or made by another program, is not executed on trust")
    .hint("plan again: `switchback plan`");
    Some(
        objections
            .iter()
            .fold(problem, |problem, objection| problem.cause(objection)),
    )
}

/// Collects objections.
#[derive(Debug, Default)]
pub(super) struct Objections(pub(super) Vec<Objection>);

impl Objections {
    pub(super) fn plan(&mut self, rule: &str, text: impl Into<String>) {
        self.0.push(Objection {
            step: None,
            rule: rule.to_owned(),
            text: text.into(),
        });
    }

    pub(super) fn step(&mut self, step: StepNumber, rule: &str, text: impl Into<String>) {
        self.0.push(Objection {
            step: Some(step),
            rule: rule.to_owned(),
            text: text.into(),
        });
    }
}
