//! What is asked of the engine, and how that ended.

use switchback_journal::JournalError;
use switchback_model::observed::Deployment;
use switchback_model::{Plan, Problem, RunId, StepNumber};

/// What is to be done, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The run: a new id begins it, one of which events are recorded goes on.
    pub run: &'a RunId,
    /// The deployment as it was found just now.
    pub deployment: &'a Deployment,
    /// Words given with `--accept`.
    pub accepted: &'a [String],
    /// Steps of people, of those that the run waits for ([`crate::awaited`]), that somebody says are done.
    pub done: &'a [StepNumber],
    /// Who, where: `user@host`.
    pub by: &'a str,
    /// Version of switchback.
    pub program: &'a str,
}

/// How a run ended for now.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// Every step is done.
    Finished {
        /// Milliseconds without service.
        downtime: u64,
    },
    /// It stopped at a safe place; the same order goes on.
    Halted(Problem),
}

pub(crate) fn told(error: JournalError) -> Problem {
    error.problem()
}
