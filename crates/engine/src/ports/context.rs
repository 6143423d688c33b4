//! What every call gets, and what a look answers.

use std::path::Path;

use serde::{Deserialize, Serialize};
use switchback_model::plan::Plan;
use switchback_model::{RunId, StepNumber};

use crate::process::Commands;
use crate::signal::StopSignal;

/// What every call gets: which run and step it serves, and the means to act.
pub struct Context<'a> {
    /// The plan being executed.
    pub plan: &'a Plan,
    /// The run.
    pub run: &'a RunId,
    /// The step, for labels and file names; [`StepNumber::NONE`] where the call serves none.
    pub step: StepNumber,
    /// Where backups of this deployment live, those of the present round: `<state>/shadows/<deployment>`, with
    /// `round-<n>` below it for a later one. A datastore uses `<backups>/<run>/<datastore>/`.
    pub backups: &'a Path,
    /// Starts child processes, captured, redacted, in groups of their own.
    pub commands: &'a Commands,
    /// Tells how far things are. Call at least every few seconds while waiting.
    pub progress: &'a dyn Progress,
    /// The operator's wish to stop.
    pub stop: &'a StopSignal,
}

impl<'a> Context<'a> {
    /// The context of a call that serves no step: a backup made or proven by command, a copy filled for
    /// a rehearsal. What stops `commands` stops the call, and nobody hears of its progress.
    pub fn outside_steps(
        plan: &'a Plan,
        run: &'a RunId,
        backups: &'a Path,
        commands: &'a Commands,
    ) -> Self {
        Self {
            plan,
            run,
            step: StepNumber::NONE,
            backups,
            commands,
            progress: &Silent,
            stop: commands.stop(),
        }
    }

    /// The same, and `progress` hears how far it is.
    #[must_use]
    pub fn telling(self, progress: &'a dyn Progress) -> Self {
        Self { progress, ..self }
    }
}

/// Listens to how far a step is.
pub trait Progress {
    /// `doing` says what is done or waited for, in a few words without a full stop; `done` of `of` counts in `unit`
    /// (`B`, `rows`, `s`), where there is anything to count. May be called as often as one likes.
    fn report(&self, doing: &str, done: Option<u64>, of: Option<u64>, unit: Option<&str>);
}

/// Nobody listens.
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {}
}

/// The answer to an [`Expectation`](switchback_model::plan::Expectation).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It is so.
    Holds,
    /// It is not so; this was found.
    Differs {
        /// What was found, for people.
        found: String,
    },
    /// Nothing could look. Never counts as *no*.
    Unknown {
        /// Why.
        why: String,
    },
}
