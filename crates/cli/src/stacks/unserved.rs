//! A program without AWS: it says where there is one that has it.

use std::collections::BTreeMap;

use switchback_engine::ports::{Context, Driver, Progress};
use switchback_model::config::Prices;
use switchback_model::observed::Deployment as Identity;
use switchback_model::plan::Plan;
use switchback_model::product::Product;
use switchback_model::stack::Account;
use switchback_model::{Digest, Problem, Version};
use switchback_planner::Planned;
use switchback_planner::stack::Copies;

use super::answer::{Access, Answer, Asked, Found, Seen, TakenBack};
use super::refusal::unserved;
use crate::failure::Failed;
use crate::place::deployment::Found as Deployment;

/// There are none.
pub(crate) enum Stacks {}

impl Stacks {
    /// Refused.
    pub(crate) fn open(
        _: &Deployment,
        _: &Product,
        _: BTreeMap<Digest, Version>,
    ) -> Result<Self, Problem> {
        Err(unserved())
    }

    /// Which deployment this is.
    pub(crate) fn identity(&self) -> Identity {
        match *self {}
    }

    /// What the operator pays AWS, where that is said.
    pub(crate) fn prices(&self) -> Option<&Prices> {
        match *self {}
    }

    /// Whose account it is.
    pub(crate) fn account(&self) -> Account {
        match *self {}
    }

    /// Fails where the plan is for another account.
    pub(crate) fn must_be_of(&self, _: &Plan) -> Result<(), Problem> {
        match *self {}
    }

    /// What changes the stacks.
    pub(crate) fn driver(&self) -> Box<dyn Driver> {
        match *self {}
    }

    /// Looks at everything.
    pub(crate) fn look(&self, _: &Product, _: &dyn Progress) -> Result<Seen, Problem> {
        match *self {}
    }

    /// As [`Stacks::look`], also for what was changed by other means, which takes a minute, and for what ways back left.
    pub(crate) fn examine(&self, _: &Product, _: &dyn Progress) -> Result<Seen, Problem> {
        match *self {}
    }

    /// Looks and plans.
    pub(crate) fn plan(
        &self,
        _: &Product,
        _: &Asked<'_>,
        _: &dyn Progress,
    ) -> Result<Answer, Failed> {
        match *self {}
    }

    /// Looks, and plans the way back of a run.
    pub(crate) fn way_back(
        &self,
        _: &Product,
        _: &TakenBack<'_>,
        _: &dyn Progress,
    ) -> Result<Planned, Failed> {
        match *self {}
    }

    /// Looks, and plans copies on which the migrations of a plan can be rehearsed.
    pub(crate) fn copies(
        &self,
        _: &Product,
        _: &Plan,
        _: &str,
        _: &str,
        _: &dyn Progress,
    ) -> Result<Copies, Problem> {
        match *self {}
    }

    /// Removes what the run of a rehearsal's plan made.
    pub(crate) fn remove_copies(&self, _: &Context<'_>) -> Result<(), Problem> {
        match *self {}
    }
}

/// Refused.
pub(crate) fn recognise(_: &Access, _: &[Product], _: &dyn Progress) -> Result<Found, Problem> {
    Err(unserved())
}
