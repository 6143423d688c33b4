//! The three-part form of everything that goes wrong: what failed, what state
//! things are in, what to type next. Text, JSON and console render the same value.

use serde::{Deserialize, Serialize};

use crate::exit::Exit;

/// Something that went wrong or was refused, told so that an operator can act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Decides the exit code and the first word (`error`, `refused`, `drifted`, `halted`).
    pub exit: Exit,
    /// Stable identifier for scripts and tests, e.g. `compose-file-missing`.
    pub code: String,
    /// What failed: one line, lowercase, no full stop, values in backticks.
    pub what: String,
    /// What state things are in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<State>,
    /// Why it matters, where that is not plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What to do or type next, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The chain of underlying causes, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// The facts a refusal rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Citation>,
}

/// One line of state. A claim is made only where a probe saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What the line is about, e.g. `postgres`.
    pub subject: String,
    /// What a probe found, or `None` when nothing could look: shown as `unknown`.
    pub seen: Option<String>,
}

/// A fact with its source: file and line of a definition, release note, configuration line, probe.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Citation {
    /// Stable identifier of the rule or probe, e.g. `ns-through-3.24`.
    pub id: String,
    /// The fact as a sentence.
    pub text: String,
    /// Where it was read.
    pub source: String,
}

impl Problem {
    /// A problem with only its first part; add the others with the methods below.
    pub fn new(exit: Exit, code: &str, what: impl Into<String>) -> Self {
        Self {
            exit,
            code: code.to_owned(),
            what: what.into(),
            state: Vec::new(),
            why: None,
            hints: Vec::new(),
            causes: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// Adds a state line that a probe saw.
    #[must_use]
    pub fn state(mut self, subject: impl Into<String>, seen: impl Into<String>) -> Self {
        self.state.push(State {
            subject: subject.into(),
            seen: Some(seen.into()),
        });
        self
    }

    /// Adds a state line that nothing could look at.
    #[must_use]
    pub fn unknown(mut self, subject: impl Into<String>) -> Self {
        self.state.push(State {
            subject: subject.into(),
            seen: None,
        });
        self
    }

    /// Says why it matters.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Adds what to do or type next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds one underlying cause.
    #[must_use]
    pub fn cause(mut self, cause: impl ToString) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds an error and the chain below it as causes.
    #[must_use]
    pub fn caused_by(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            self.causes.push(cause.to_string());
            next = cause.source();
        }
        self
    }

    /// Adds a fact that this rests on.
    #[must_use]
    pub fn fact(mut self, fact: Citation) -> Self {
        self.facts.push(fact);
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Problem {}
