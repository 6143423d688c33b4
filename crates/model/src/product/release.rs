//! Releases, what they demand, and which of them no path may skip or run.

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use crate::id::MigrationId;
use crate::version::{Range, Version};

/// One release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Release {
    /// Version as the image tag says it, without a leading `v`.
    pub version: Version,
    /// Day of release, ISO 8601.
    #[serde(
        default,
        deserialize_with = "super::parse::date",
        skip_serializing_if = "Option::is_none"
    )]
    pub date: Option<String>,
    /// Editions in which it exists; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub editions: Vec<String>,
    /// Editions for which it was announced while no tag or image of it was found: it is a target only
    /// where it is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed: Vec<String>,
    /// What it demands of whoever comes from below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<Demand>,
    /// Release notes worth showing, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Where it was read.
    pub source: String,
}

/// A release's demand for a migration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Demand {
    /// Which migration.
    pub migration: MigrationId,
    /// What it does, one line.
    pub because: String,
    /// Where it was read.
    pub source: String,
    /// Editions it applies to; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub editions: Vec<String>,
    /// True where the product works without it: offered, not planned.
    #[serde(default)]
    pub optional: bool,
    /// Only for targets in this range (a demand that a later release lists again as its own).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Range>,
    /// Only where this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
}

/// Whether the service runs at a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopKind {
    /// Only the stop's migrations run, with its image; the service stays down.
    Migrate,
    /// The product must start and work there until its own background work is finished.
    Run,
}

/// A release that a path from `from` to `to` may not skip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Stop {
    /// Stable identifier, e.g. `ns-through-3.24`.
    pub id: String,
    /// Whether the product runs there.
    pub kind: StopKind,
    /// Starting versions it applies to; `None`: every one below the stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Range>,
    /// Target versions it applies to; `None`: every one at or above the stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Range>,
    /// Versions that satisfy it, best first; the first that exists and is not poisoned is taken.
    pub at: Vec<Version>,
    /// Migrations to run there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<MigrationId>,
    /// Migrations to run once more with the target, whether or not a release in between demands them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then_run: Vec<MigrationId>,
    /// Editions it applies to; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub editions: Vec<String>,
    /// Only where this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// Not needed where this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<Condition>,
    /// Why it is required, one sentence.
    pub because: String,
    /// Where it was read.
    pub source: String,
}

/// A release that must not be run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Poisoned {
    /// The release.
    pub version: Version,
    /// What to run in its place, where there is something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substitute: Option<Version>,
    /// What is wrong with it.
    pub because: String,
    /// Where it was read.
    pub source: String,
}
