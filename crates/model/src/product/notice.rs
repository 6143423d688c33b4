//! What people have to know or to do when a release is crossed.

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use crate::id::{DatastoreName, MigrationId};
use crate::version::{Range, Version};

/// What a notice asks of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// Must be true before the upgrade.
    Prerequisite,
    /// Cannot be undone by the product; needs `--accept` where `accept` is set.
    OneWay,
    /// Works differently afterwards.
    Behaviour,
    /// Will be, or was, removed.
    Deprecation,
    /// Changes the order in which things are done.
    Ordering,
}

/// Something to know before a range is crossed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Notice {
    /// Stable identifier, e.g. `contact-infos-deleted`.
    pub id: String,
    /// What it asks.
    pub kind: NoticeKind,
    /// The release that brings it: applies where `from < version <= to`.
    pub version: Version,
    /// One or two sentences.
    pub text: String,
    /// Where it was read.
    pub source: String,
    /// Only for targets in this range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Range>,
    /// Only where this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// For deprecations: the release that removes it, where one has; crossing it counts as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_in: Option<Version>,
    /// The word for `--accept`, where the operator must say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// A minimum version of a datastore's server that can be checked, e.g. Redis 6.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<EngineRequirement>,
}

/// Something to say of a path because of where it begins or ends, or of what runs on it, rather than of what it
/// crosses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Remark {
    /// Stable identifier, e.g. `3.7.1-withdrawn`.
    pub id: String,
    /// Only for starts in this range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Range>,
    /// Only for targets in this range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Range>,
    /// Only where the path runs one of these migrations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<MigrationId>,
    /// Only where the path runs none of these migrations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs_not: Vec<MigrationId>,
    /// Only where this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// True where a plan's steps do what this says: paths tell it, plans do not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done_by_plan: bool,
    /// One or two sentences.
    pub text: String,
    /// Where it was read.
    pub source: String,
}

/// A datastore server must be at least this version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EngineRequirement {
    /// Which datastore.
    pub datastore: DatastoreName,
    /// Dotted numbers, e.g. `6.2`.
    pub at_least: String,
}

/// Whether a procedure can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcedureKind {
    /// Has to be done where its condition holds.
    Mandatory,
    /// To know; nothing to do.
    Notice,
    /// Good to do.
    Advice,
    /// Offered.
    Optional,
    /// Can be done from that release on, at any time: no part of the upgrade.
    Possible,
}

/// Hand-work that crossing a release demands or offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Procedure {
    /// Stable identifier, e.g. `cac-copy-3.21.0`.
    pub id: String,
    /// Whether it can be left out.
    pub kind: ProcedureKind,
    /// The release that brings it: applies where `from < version <= to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Further releases that bring it as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<Version>,
    /// Only for starts in this range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Range>,
    /// Only for targets in this range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Range>,
    /// Only where the path changes this template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Only where the path has a required stop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_stops: bool,
    /// What it is, one line.
    pub title: String,
    /// What to do, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// Only where this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// Where it was read.
    pub source: String,
}
