//! What copies are planned from, and what comes of it.

use std::collections::BTreeMap;

use switchback_model::config::AwsConfig;
use switchback_model::plan::{Act, Plan, Step};
use switchback_model::product::{Product, Template};
use switchback_model::stack::{Cloud, Served, Store, TaskDefinition};
use switchback_model::{MigrationId, Version};

use crate::stack::cost::Billed;
use crate::stack::recognise;

/// Everything that copies are planned from. Equal inputs make equal plans, byte for byte.
#[derive(Clone, Copy)]
pub struct CopyInput<'a> {
    /// The rehearsal, without what its id begins with: it is in the name of everything that is made.
    pub id: &'a str,
    /// The definition.
    pub product: &'a Product,
    /// What the operator says.
    pub config: &'a AwsConfig,
    /// The plan that is rehearsed.
    pub plan: &'a Plan,
    /// What is there now.
    pub cloud: &'a Cloud,
    /// How each store is reached.
    pub served: &'a [Served],
    /// What migrations are made from today; `None` where they run as no tasks.
    pub definition: Option<&'a TaskDefinition>,
    /// The directory of what is written for it: the template, and secrets while they are needed.
    pub directory: &'a str,
}

impl<'a> CopyInput<'a> {
    /// The template that a store's stack has, in the definition.
    pub(super) fn template_of(&self, store: &Store) -> Option<&'a Template> {
        let stack = self.cloud.stacks.get(&store.stack)?;
        recognise(self.product, self.config, stack)
    }

    /// Variables that tell a program of a store.
    pub(super) fn told_by(&self, served: &Served) -> &'a [String] {
        self.template_of(&served.store)
            .and_then(|template| template.told_by.get(&served.store.logical))
            .map_or(&[], Vec::as_slice)
    }
}

/// What can be copied, and how it is migrated.
pub struct Copies {
    /// The plan; `None` where no migration can be led to a copy.
    pub plan: Option<Plan>,
    /// The stack that the plan makes.
    pub stack: String,
    /// Files that the plan reads, by absolute path. Some hold secrets.
    pub files: BTreeMap<String, String>,
    /// Migrations that are not rehearsed.
    pub left: Vec<LeftOut>,
    /// Variables that the task is not given, because they lead to production.
    pub withheld: Vec<String>,
    /// What is made, for people, one line each.
    pub made: Vec<String>,
    /// What AWS bills of it.
    pub billed: Vec<Billed>,
}

/// A migration that is not rehearsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Which.
    pub migration: MigrationId,
    /// Of which release.
    pub version: Version,
    /// Why, as half a sentence.
    pub why: String,
}

impl LeftOut {
    /// The migration of a step; nothing where it is none.
    pub(super) fn of(step: &Step, why: &str) -> Option<Self> {
        match &step.act {
            Act::Migrate {
                migration, version, ..
            } => Some(Self {
                migration: migration.clone(),
                version: version.clone(),
                why: why.to_owned(),
            }),
            _ => None,
        }
    }
}
