//! The answer: the way from one version to another, and all there is to know on it.

use serde::{Deserialize, Serialize};
use switchback_model::product::Deletion;
use switchback_model::{ProductId, Version};

use super::because::Because;
use super::crossed::{Change, PathNotice, PathProcedure};
use super::ground::Ground;
use super::legs::{Leg, OptionalMigration};
use super::stops::Considered;
use super::templates::PathTemplate;

/// The way from one version to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Path {
    /// Product of the catalog.
    pub product: ProductId,
    /// Edition in use.
    pub edition: Option<String>,
    /// Kind of deployment.
    pub driver: String,
    /// Version in use, as it was asked.
    pub from: Version,
    /// Version wanted, as it was asked.
    pub to: Version,
    /// Why it is as it is: one entry per required stop.
    pub because: Vec<Because>,
    /// The legs in order, the target last. Empty where there is nothing to do.
    pub legs: Vec<Leg>,
    /// Migrations that a crossed release offers and does not demand.
    pub optional_migrations: Vec<OptionalMigration>,
    /// Prerequisites, what cannot be taken back, what works differently.
    pub notices: Vec<PathNotice>,
    /// What is deprecated or removed on the way.
    pub deprecations: Vec<PathNotice>,
    /// Hand-work that is demanded, or that one has to know of.
    pub procedures: Vec<PathProcedure>,
    /// Hand-work that is offered.
    pub optional_procedures: Vec<PathProcedure>,
    /// What can be done from a release on the way on, at any time: no part of the upgrade.
    pub possibilities: Vec<PathProcedure>,
    /// Templates of the infrastructure that change, in the order of their numbers, which [`Path::orders`] may break.
    pub templates: Vec<PathTemplate>,
    /// What breaks the order of the templates' numbers.
    pub orders: Vec<Because>,
    /// Data that migrations delete on purpose.
    pub deletions: Vec<Deletion>,
    /// Release notes worth showing.
    pub changes: Vec<Change>,
    /// What else has to be said about the answer itself.
    pub remarks: Vec<String>,
    /// The same, of what a plan does by itself: for those who go the path by hand.
    pub done_by_plan: Vec<String>,
    /// What nobody answered, and what is assumed on the path rests on.
    pub questions: Vec<Question>,
    /// Every stop of the definition and why it is on the path or not.
    pub considered: Vec<Considered>,
}

/// A question that nothing could answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The probe that asks it: `--fact PROBE=ANSWER` answers.
    pub probe: String,
    /// What it asks.
    pub question: String,
}

impl Path {
    /// True where the version wanted is the one in use.
    pub fn is_nothing(&self) -> bool {
        self.legs.is_empty()
    }

    /// True where something about it rests on a condition that could not be known.
    pub fn is_assumed(&self) -> bool {
        self.because.iter().any(|because| because.assumed)
            || self
                .legs
                .iter()
                .flat_map(|leg| &leg.migrations)
                .any(|run| run.assumed)
            || self
                .legs
                .iter()
                .flat_map(|leg| &leg.actions)
                .any(|act| act.assumed)
    }

    /// The way where the version wanted is the one in use.
    pub(super) fn nothing_to_do(ground: &Ground<'_>) -> Self {
        Self {
            product: ground.product.id.clone(),
            edition: ground.edition.clone(),
            driver: ground.driver.clone(),
            from: ground.query.from.clone(),
            to: ground.query.to.clone(),
            because: Vec::new(),
            legs: Vec::new(),
            optional_migrations: Vec::new(),
            notices: Vec::new(),
            deprecations: Vec::new(),
            procedures: Vec::new(),
            optional_procedures: Vec::new(),
            possibilities: Vec::new(),
            templates: Vec::new(),
            orders: Vec::new(),
            deletions: Vec::new(),
            changes: Vec::new(),
            remarks: Vec::new(),
            done_by_plan: Vec::new(),
            questions: Vec::new(),
            considered: Vec::new(),
        }
    }
}
