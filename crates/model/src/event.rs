//! What happened. Everything but [`Event::Progress`] is journaled; terminal,
//! JSON output, history and console render these and nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::{DatastoreName, PlanId, RunId, StepNumber};
use crate::problem::Problem;

/// An event with its place in the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// The run it belongs to.
    pub run: RunId,
    /// Place in the run, from 1. Progress carries the number of the last journaled event.
    pub sequence: u64,
    /// Milliseconds since the Unix epoch, by the clock of the machine that ran it. Never used for decisions.
    pub at: u64,
    /// What happened.
    pub event: Event,
}

/// One thing that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A run began.
    RunStarted {
        /// The plan it executes.
        plan: PlanId,
        /// Digest of the plan file.
        digest: Digest,
        /// Name of the deployment.
        deployment: String,
        /// Acceptances given.
        accepted: Vec<String>,
        /// Who, where: `user@host`.
        by: String,
        /// Version of switchback.
        program: String,
        /// The holder of the deployment that was found dead, where there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        took_over: Option<String>,
    },
    /// A run that had halted, or whose process had died, goes on.
    RunResumed {
        /// Who, where.
        by: String,
        /// Version of switchback.
        program: String,
        /// The number of the lease under which it goes on.
        lease: u64,
        /// The holder that was found dead, where there was one.
        took_over: Option<String>,
    },
    /// A step is about to act. On disk before the act.
    StepStarted {
        /// Which.
        step: StepNumber,
        /// 1 for the first try.
        attempt: u32,
    },
    /// A step that may not be repeated is recovered first.
    RecoveryStarted {
        /// Which step.
        step: StepNumber,
        /// The datastore that is brought back.
        datastore: DatastoreName,
        /// Why.
        because: String,
    },
    /// That recovery is done: the step may act again.
    RecoveryFinished {
        /// Which step.
        step: StepNumber,
        /// The datastore that was brought back.
        datastore: DatastoreName,
    },
    /// How far a step is. Never journaled, may be dropped.
    Progress {
        /// Which step.
        step: StepNumber,
        /// What it does now, or waits for.
        doing: String,
        /// Done so far.
        done: Option<u64>,
        /// Of how many.
        of: Option<u64>,
        /// Unit of the two, e.g. `B`, `rows`, `layers`.
        unit: Option<String>,
    },
    /// A try failed; the run halts or tries again.
    AttemptFailed {
        /// Which step.
        step: StepNumber,
        /// Which try.
        attempt: u32,
        /// What went wrong.
        problem: Problem,
        /// Captured output.
        output: Option<Digest>,
    },
    /// A step is done.
    StepFinished {
        /// Which.
        step: StepNumber,
        /// How.
        outcome: Outcome,
        /// Milliseconds it took, by a clock that never jumps.
        took: u64,
    },
    /// The run stopped at a safe place.
    RunHalted {
        /// Why, in what state, what next.
        problem: Problem,
    },
    /// Every step is done.
    RunFinished {
        /// Milliseconds without service.
        downtime: u64,
    },
}

/// How a step was completed, and what it found or made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether anything had to be done.
    pub completed: Completed,
    /// One line for people, e.g. `1.2 GB in 12 tables`.
    pub summary: String,
    /// Facts that later steps, rollback or reports need, e.g. `backup-bytes`.
    pub facts: BTreeMap<String, String>,
    /// Captured output.
    pub output: Option<Digest>,
}

impl Outcome {
    /// One that has nothing to keep but its line.
    pub fn told(completed: Completed, summary: impl Into<String>) -> Self {
        Self {
            completed,
            summary: summary.into(),
            ..Self::default()
        }
    }
}

/// Whether anything had to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completed {
    /// It was done now.
    #[default]
    Done,
    /// It had been done already.
    AlreadyDone,
    /// Another process had begun it and this one saw it end.
    Adopted,
}
