//! What a command ends with when it does not end well.

use switchback_engine::ports::Failure;
use switchback_journal::JournalError;
use switchback_model::Problem;
use switchback_model::product::diagnostic::Diagnostic;

/// A problem, with the places in files that it points at.
#[derive(Debug)]
pub(crate) struct Failed {
    /// What is told in every form.
    pub problem: Box<Problem>,
    /// The lines it points at.
    pub diagnostics: Vec<Diagnostic>,
    /// True where the problem was shown already, e.g. as the last event of a run.
    pub shown: bool,
}

impl Failed {
    /// A problem that points at lines of files.
    pub(crate) fn diagnosed(problem: Problem, diagnostics: Vec<Diagnostic>) -> Self {
        Self {
            problem: Box::new(problem),
            diagnostics,
            shown: false,
        }
    }

    /// A problem that needs no printing any more: only its exit code is left.
    pub(crate) fn shown(problem: Problem) -> Self {
        Self {
            shown: true,
            ..Self::from(problem)
        }
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::diagnosed(problem, Vec::new())
    }
}

impl From<JournalError> for Failed {
    fn from(error: JournalError) -> Self {
        error.problem().into()
    }
}

/// What a port failed at, as a command ends with it that changes nothing of the deployment.
pub(crate) fn told(failure: &Failure) -> Problem {
    let mut problem = failure.clone().refused();
    if problem.hints.is_empty() {
        problem = problem.hint("every check: `switchback doctor`");
    }
    problem
}
