//! What a release demands of the order in which stacks are updated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::version::{Range, Version};

/// What comes before or after the order of the templates' numbers, where a release is crossed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Order {
    /// Stable identifier.
    pub id: String,
    /// The kind of deployment it belongs to.
    pub driver: String,
    /// The release that demands it: applies where `from < version <= to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Only for targets in this range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Range>,
    /// Only where the deployment has a stack of this template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    /// The template whose update it surrounds; everything where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<String>,
    /// What is done before, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Move>,
    /// What is done after, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Move>,
    /// The template that takes over what `before` switches off: where that was on, the deployment has to have a stack of
    /// it, or be given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_over_by: Option<String>,
    /// Templates that are left as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<String>,
    /// The procedure that it carries out, which is no hand-work then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    /// Why, as half a sentence.
    pub because: String,
    /// Where it was read.
    pub source: String,
}

/// Something that is done with the stacks of one template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Move {
    /// The template.
    pub template: String,
    /// What it is.
    #[serde(rename = "do")]
    pub what: MoveKind,
    /// Parameters that have another value for the time being: the next update of the stack in the same round, a
    /// move or the ordinary one, gives them back what they had.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
}

/// What is done with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MoveKind {
    /// Its parameters change, on the template that it has by then.
    Parameters,
    /// It is brought to its new template, and not once more in its turn.
    Update,
    /// Its machines are ended for good, so that the next update makes them anew.
    Terminate,
    /// It is removed.
    Remove,
}
