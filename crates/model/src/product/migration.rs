//! The product's own migrations.

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use crate::id::{DatastoreName, MigrationId};
use crate::version::Range;

/// A migration that the product's own binary carries out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Migration {
    /// Name, e.g. `is-db`; several may differ only in `run` (`storage-db-init`).
    pub id: MigrationId,
    /// The datastore it changes.
    pub datastore: DatastoreName,
    /// Arguments given to the image's own entry point.
    pub run: Vec<String>,
    /// Editions that have it; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub editions: Vec<String>,
    /// Only where this holds, whichever release demands it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// Releases whose image has the command.
    #[serde(default = "Range::any")]
    pub exists: Range,
    /// Releases in which a failed run may not simply be run again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_repeatable: Vec<NotRepeatable>,
    /// Name of the probe that reads which schema the datastore has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<String>,
    /// Space it needs on top, as a multiple of the datastore's size.
    #[serde(default = "whole")]
    pub space_factor: f64,
    /// Position in a stage: lower runs first (initialise before migrate); equal phases run in
    /// the order of the versions that demand them.
    #[serde(default)]
    pub phase: u32,
}

/// A migration rewrites at most what is there: its own size again is a careful guess.
const fn whole() -> f64 {
    1.0
}

/// Why and when a failed migration may not be repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NotRepeatable {
    /// Images whose migrator has the flaw.
    pub versions: Range,
    /// What goes wrong.
    pub because: String,
    /// Where it was read.
    pub source: String,
}
