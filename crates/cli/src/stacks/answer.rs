//! What is asked of stacks, and what comes of it.

#![cfg_attr(
    not(feature = "aws"),
    expect(dead_code, reason = "a program without AWS makes none of these")
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use switchback_engine::process::Commands;
use switchback_model::observed::Observed;
use switchback_model::plan::Plan;
use switchback_model::stack::Cloud;
use switchback_model::{Config, Problem, RunId};
use switchback_planner::path::Path;
use switchback_planner::stack::Reviews;
use switchback_planner::{Planned, Proven};

/// How an account is reached that no configuration speaks of yet, and what of it belongs to the deployment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// Profile of the shared configuration.
    pub(crate) profile: Option<String>,
    /// Region.
    pub(crate) region: Option<String>,
    /// Role to assume.
    pub(crate) role: Option<String>,
    /// Stacks with the templates that they were made from, each `NAME=TEMPLATE`; found by their names where none is said.
    pub(crate) stacks: Vec<String>,
}

/// A product that was recognised in an account.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The smallest configuration that describes it.
    pub(crate) config: Config,
    /// By what it was recognised, for people.
    pub(crate) because: String,
}

/// What was found of a deployment.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Everything of the account that belongs to it.
    pub(crate) cloud: Cloud,
    /// The same as every other kind of deployment is told of.
    pub(crate) observed: Observed,
}

/// Which plan is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The version, as it was typed; the newest that a path leads to where none was.
    pub(crate) to: Option<&'a str>,
    /// What a recovery leaves out, each `STACK/RESOURCE`.
    pub(crate) skip: &'a [String],
    /// Where a run is not done: the one that waits for a recovery, and the refusal of every other plan.
    pub(crate) open: Option<&'a (Option<RunId>, Problem)>,
    /// The deployment's last run.
    pub(crate) parent: Option<&'a RunId>,
}

/// A run that is taken back.
#[derive(Clone, Copy)]
pub(crate) struct TakenBack<'a> {
    /// Its plan.
    pub(crate) plan: &'a Plan,
    /// What the journal proves about it.
    pub(crate) proven: &'a Proven,
    /// Where each round kept what it replaced.
    pub(crate) backups: &'a BTreeMap<u32, PathBuf>,
    /// What drivers are given to start processes with.
    pub(crate) commands: &'a Commands,
}

/// What planning came to.
#[derive(Debug)]
pub(crate) enum Answer {
    /// There is something to do.
    Plan(Box<Made>),
    /// Stacks have to come to rest first.
    Recovery(Box<Planned>),
    /// The version wanted is the one that runs.
    NothingToDo(Path),
}

/// A plan with what was seen of each update.
#[derive(Debug)]
pub(crate) struct Made {
    /// The plan and its notes.
    pub(crate) planned: Planned,
    /// The look from three sides at each update.
    pub(crate) reviews: Reviews,
    /// The way it goes.
    pub(crate) path: Path,
}
