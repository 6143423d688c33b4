//! What a plan is made from, and what comes beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use switchback_model::observed::{ImagePin, Observed};
use switchback_model::plan::FileEdit;
use switchback_model::product::Product;
use switchback_model::{Config, DatastoreName, Plan, RunId, ServiceName, Version};

use crate::experience::Experience;
use crate::path::Path;

/// Everything that a plan is made from. Equal inputs make equal plans, byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The definition.
    pub product: &'a Product,
    /// What the operator says.
    pub config: &'a Config,
    /// What was found.
    pub observed: &'a Observed,
    /// The way, stage by stage.
    pub path: &'a Path,
    /// What every image reference of [`crate::images_needed`] stands for.
    pub pins: &'a BTreeMap<String, ImagePin>,
    /// For every version of [`crate::versions_set`], the edits that bring the files to it from the
    /// version before.
    pub edits: &'a BTreeMap<Version, Vec<FileEdit>>,
    /// The edits that make the servers of [`crate::engines_wanted`] what they shall be; those of `edits` come after them.
    pub engine_edits: &'a [FileEdit],
    /// What steps of earlier runs of the deployment took.
    pub experience: &'a Experience,
    /// The deployment's last run.
    pub parent: Option<&'a RunId>,
}

/// A plan, and what was decided on the way to it.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an unread note is a decision that nobody saw"]
pub struct Planned {
    /// The plan, sealed.
    pub plan: Plan,
    /// What was decided and why, in the order of the plan.
    pub notes: Vec<Note>,
}

/// One decision that the operator may want to know of or to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What it is about.
    pub place: Place,
    /// One sentence: what was decided, and why.
    pub text: String,
    /// Whether every reader of the plan should see it.
    pub weight: Weight,
}

/// Who should see a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Whoever asks how the plan came about.
    Detail,
    /// Whoever is about to apply it: something is less safe than it could be.
    Warning,
}

/// What a note is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The plan as a whole.
    Plan,
    /// One datastore.
    Datastore(DatastoreName),
    /// One service.
    Service(ServiceName),
    /// Verification after the start.
    Verification,
}

impl Note {
    pub(crate) fn new(place: Place, text: impl Into<String>) -> Self {
        Self {
            place,
            text: text.into(),
            weight: Weight::Detail,
        }
    }

    pub(crate) fn warning(place: Place, text: impl Into<String>) -> Self {
        Self {
            weight: Weight::Warning,
            ..Self::new(place, text)
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plan => f.write_str("plan"),
            Self::Datastore(name) => write!(f, "{name}"),
            Self::Service(name) => write!(f, "{name}"),
            Self::Verification => f.write_str("verify"),
        }
    }
}
