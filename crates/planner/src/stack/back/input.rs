//! What the way back of stacks is planned from.

use std::collections::BTreeMap;

use switchback_model::Digest;
use switchback_model::config::AwsConfig;
use switchback_model::plan::Plan;
use switchback_model::product::Product;
use switchback_model::stack::{ChangeSet, Cloud, Snapshot, Template, TemplatePlace};

use crate::rollback::Proven;

/// Everything that the way back of a run is made from. Equal inputs make equal plans, byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct BackInput<'a> {
    /// The definition.
    pub product: &'a Product,
    /// What the operator says.
    pub config: &'a AwsConfig,
    /// Base URL as users reach the product, where the operator says so.
    pub url: Option<&'a str>,
    /// The plan whose run is taken back.
    pub plan: &'a Plan,
    /// What the journal proves about that run.
    pub proven: &'a Proven,
    /// What is there now.
    pub cloud: &'a Cloud,
    /// Every template that a stack has, and every text that was kept with the run, by digest.
    pub templates: &'a BTreeMap<Digest, Template>,
    /// Where the texts are that were kept with the run.
    pub kept: &'a BTreeMap<Digest, TemplatePlace>,
    /// The run's snapshots that are there and complete.
    pub snapshots: &'a [Snapshot],
    /// What the provider says that the first update of a stack would change, by stack.
    pub change_sets: &'a BTreeMap<String, ChangeSet>,
}
