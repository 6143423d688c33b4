//! What a plan for stacks is made from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use switchback_model::config::AwsConfig;
use switchback_model::observed::Deployment;
use switchback_model::product::Product;
use switchback_model::stack::{ChangeSet, Cloud, Template, TemplatePlace};
use switchback_model::{Digest, RunId, Version};

use crate::path::Query;

/// Everything that a plan for stacks is made from. Equal inputs make equal plans, byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The definition.
    pub product: &'a Product,
    /// What the operator says.
    pub config: &'a AwsConfig,
    /// Base URL as users reach the product, where the operator says so.
    pub url: Option<&'a str>,
    /// From where to where, and what is known of the deployment.
    pub query: &'a Query,
    /// Which deployment this is.
    pub deployment: &'a Deployment,
    /// What was found.
    pub cloud: &'a Cloud,
    /// Every template that a stack has or is offered, by the digest of its text.
    pub templates: &'a BTreeMap<Digest, Template>,
    /// The templates of [`super::templates_wanted`] that could be got, by template and version.
    pub offered: &'a BTreeMap<(String, Version), Offered>,
    /// What the provider says that the first update of a stack would change, by stack.
    pub change_sets: &'a BTreeMap<String, ChangeSet>,
    /// The deployment's last run.
    pub parent: Option<&'a RunId>,
}

/// A template of a release: where it is, and the digest under which it is in [`Input::templates`].
pub type Offered = TemplatePlace;

/// A template that is needed for a plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wanted {
    /// Its name today.
    pub template: String,
    /// The release.
    pub version: Version,
    /// Every name that it may have there, today's first.
    pub names: Vec<String>,
}
