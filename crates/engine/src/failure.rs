//! A call that did not succeed.

use serde::{Deserialize, Serialize};
use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::problem::State;

/// A call that did not succeed. The engine adds what it knows and makes a `Problem` of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}")]
pub struct Failure {
    /// Stable identifier, e.g. `migration-failed`.
    pub code: String,
    /// What failed: one line, lowercase, no full stop.
    pub what: String,
    /// Underlying causes, outermost first.
    pub causes: Vec<String>,
    /// State that was seen while failing.
    pub state: Vec<State>,
    /// What to do, best first.
    pub hints: Vec<String>,
    /// Captured output, already redacted.
    pub output: Option<String>,
    /// True where the operator's second signal ended it.
    pub stopped: bool,
}

impl Failure {
    /// A failure with its code and first line.
    pub fn new(code: &str, what: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            what: what.into(),
            ..Self::default()
        }
    }

    /// The operator's second signal ended a wait.
    pub fn stopped(what: impl Into<String>) -> Self {
        Self {
            stopped: true,
            ..Self::new("stopped", what)
        }
    }

    /// Adds an underlying cause.
    #[must_use]
    pub fn cause(mut self, cause: impl ToString) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a state line.
    #[must_use]
    pub fn state(mut self, subject: impl Into<String>, seen: impl Into<String>) -> Self {
        self.state.push(State {
            subject: subject.into(),
            seen: Some(seen.into()),
        });
        self
    }

    /// Adds captured output.
    #[must_use]
    pub fn output(mut self, output: impl Into<String>) -> Self {
        self.output = Some(output.into());
        self
    }

    /// As a command tells it that has changed nothing.
    pub fn refused(self) -> Problem {
        Problem {
            causes: self.causes,
            state: self.state,
            hints: self.hints,
            ..Problem::new(Exit::Refused, &self.code, self.what)
        }
    }
}

/// A problem that was seen again while something was carried out.
impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self {
            causes: problem.causes,
            state: problem.state,
            hints: problem.hints,
            ..Self::new(&problem.code, problem.what)
        }
    }
}
