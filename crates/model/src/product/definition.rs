//! The sections of a definition, as plain values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Action, Conffile, DeadEnd, Distribution, Engine, Exec, Feature, Lock, Package, Service,
};
use crate::digest::Digest;
use crate::id::{DatastoreName, MigrationId, ProductId};
use crate::version::{Range, Scheme, Version};

use super::order::Order;
use super::template::Template;

/// Everything known about upgrading one product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Product {
    /// Identifier in the catalog and in `switchback.toml`.
    pub id: ProductId,
    /// Name as people write it.
    pub name: String,
    /// How its version numbers compare.
    pub scheme: Scheme,
    /// Digest of the definition's files: a plan names the definition it was made from.
    pub digest: Digest,
    /// True where only paths are described: `path` works, `plan` refuses and says so.
    pub path_only: bool,
    /// Versions that the stops speak for even where [`Product::releases`] does not list them one by one.
    pub covers: Option<Range>,
    /// The variants that are released; a product without variants has one.
    pub editions: Vec<Edition>,
    /// Kinds of deployment that the definition covers, e.g. `compose`.
    pub drivers: Vec<String>,
    /// Services that run the product's own code, by the command they are given.
    pub components: Vec<Component>,
    /// How it is run as plain processes, where the definition says so.
    pub exec: Option<Exec>,
    /// What holds state.
    pub datastores: Vec<Datastore>,
    /// The product's own migrations, in the order in which one stage runs them.
    pub migrations: Vec<Migration>,
    /// Every release, oldest first.
    pub releases: Vec<Release>,
    /// Releases that a path may not skip.
    pub stops: Vec<Stop>,
    /// Releases that must not be run, and what takes their place.
    pub poisoned: Vec<Poisoned>,
    /// Things to know or to have done before a range is crossed.
    pub notices: Vec<Notice>,
    /// Hand-work that a range demands or offers.
    pub procedures: Vec<Procedure>,
    /// Templates that its infrastructure is made from, in the order in which they are updated.
    pub templates: Vec<Template>,
    /// What releases demand of the order in which templates are updated.
    pub orders: Vec<Order>,
    /// What a stage consists of beside migrations, in no particular order: each says when it is done.
    pub actions: Vec<Action>,
    /// Servers of datastores that have a path of their own.
    pub engines: Vec<Engine>,
    /// Operating systems that it is packaged for; empty where that makes no difference.
    pub distributions: Vec<Distribution>,
    /// Its packages, in the order in which they are named.
    pub packages: Vec<Package>,
    /// Its services, in the order in which they are started.
    pub services: Vec<Service>,
    /// Files of its packages that operators edit.
    pub conffiles: Vec<Conffile>,
    /// What a deployment may have or not. Where the definition lists any, it lists all that its conditions name.
    pub features: Vec<Feature>,
    /// Versions between which nothing leads in place.
    pub dead_ends: Vec<DeadEnd>,
    /// How health is asked for, by version.
    pub health: Vec<Health>,
    /// How a write path is proven from outside.
    pub write_path: Option<WritePath>,
    /// Named read-only questions to the real system.
    pub probes: BTreeMap<String, Probe>,
    /// What may be held by something that died.
    pub locks: Vec<Lock>,
    /// Data that a migration deletes on purpose.
    pub deletions: Vec<Deletion>,
    /// Known failures: pattern, explanation, next step.
    pub advice: Vec<Advice>,
    /// Environment variables and options of the product that hold secrets (`*` matches any run of characters).
    pub secrets: Vec<String>,
}

/// One variant of a product that is released under its own image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Edition {
    /// Identifier, e.g. `open-source`.
    pub id: String,
    /// Image repositories of the product's own code, without tag.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// True for the one that is meant where none is named.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
    /// Further images that must carry the same tag, e.g. the Grafana of the Enterprise edition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<String>,
}

/// A component that runs the product's image in a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Component {
    /// What it is called in prose, e.g. `stack`.
    pub id: String,
    /// Container port that answers HTTP, for health and the write path.
    pub http_port: u16,
}

/// What kind of program keeps a datastore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatastoreKind {
    /// A PostgreSQL database.
    Postgres,
    /// A Redis or Valkey server.
    Redis,
    /// A directory of files.
    Files,
    /// A MongoDB database.
    Mongodb,
}

impl DatastoreKind {
    /// As definitions and people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Files => "files",
            Self::Mongodb => "mongodb",
        }
    }
}

/// A datastore of the product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Datastore {
    /// Name, e.g. `identity`.
    pub name: DatastoreName,
    /// What keeps it.
    pub kind: DatastoreKind,
    /// Image repositories that are recognised as this datastore's server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Environment variables of the component that point at it (URI, address or directory).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configured_by: Vec<String>,
    /// The product's own file of settings that says where it is, where the product has one on its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured_in: Option<SettingsFile>,
    /// Directory inside the component's container where nothing configures one (files only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_directory: Option<String>,
    /// True where a deployment may do without it.
    #[serde(default)]
    pub optional: bool,
    /// Servers that are recognised and refused, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<UnsupportedServer>,
    /// Collections whose counts change while the product merely runs (sessions, caches): `*` matches any run of characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volatile: Vec<String>,
}

/// A file of settings in sections (`[section]`, `key = value`), by which the product finds a datastore. Each field is
/// the name of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SettingsFile {
    /// Absolute path on the product's host.
    pub file: String,
    /// The section.
    pub section: String,
    /// All in one, e.g. `postgresql://user:password@host/database`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Host, or all in one where it has `://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// User.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Options of the connection, by name: keys that say them, the first that is set counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, Vec<String>>,
    /// The database where the file names none: what the product takes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_database: Option<String>,
    /// Where it was read.
    pub source: String,
}

/// A server that a datastore may be found on and that cannot be upgraded from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UnsupportedServer {
    /// Image repository.
    pub image: String,
    /// Why it is refused.
    pub because: String,
    /// Where it was read.
    pub source: String,
}

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

/// What must hold for a rule to apply, beyond versions. All given fields must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Condition {
    /// Only for these editions; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub editions: Vec<String>,
    /// Only for these drivers; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drivers: Vec<String>,
    /// Only on these distributions; empty means all. Where the distribution is not known, those count that
    /// both versions can be installed on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distributions: Vec<String>,
    /// Not on these distributions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_distributions: Vec<String>,
    /// Only on distributions of this family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Only where the operator says that the deployment has this (`--feature`). Unsaid counts as *no*, unless
    /// the feature is a usual one and no usual one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<String>,
    /// Only where this probe answers as wanted. Unanswered counts as *yes*, marked as assumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeCondition>,
}

/// A probe and the answer wanted of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProbeCondition {
    /// Name of the probe.
    pub name: String,
    /// Holds where the numeric answer is below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<i64>,
    /// Holds where the numeric answer is at least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<i64>,
    /// Holds where the answer is this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// True where an unanswered probe counts as *no* after all: the common deployment does not need it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rare: bool,
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

/// How a range of versions answers for its health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Health {
    /// Versions it is true of.
    pub versions: Range,
    /// HTTP path.
    pub path: String,
    /// Where it was read.
    pub source: String,
}

/// A write, its read-back and its removal, over the product's public HTTP API.
///
/// `{api-key}` and the names under `[verify]` in `switchback.toml` are filled in; `{run}` is the run's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WritePath {
    /// Names under `[verify]` that must be set, beside `api-key`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Requests in order; each must answer with a 2xx status.
    pub requests: Vec<HttpRequest>,
}

/// One request of a write path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpRequest {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: String,
    /// Path with placeholders.
    pub path: String,
    /// JSON body with placeholders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Text that the answer must contain, with placeholders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}

/// A named read-only question to the real system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Probe {
    /// What it asks, for people.
    pub question: String,
    /// SQL that yields one value, asked of `datastore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// Redis key whose value is the answer, asked of `datastore`; a missing key answers `0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<String>,
    /// Which datastore to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datastore: Option<DatastoreName>,
}

/// Data that migrations delete on purpose, so that a smaller count is no loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Deletion {
    /// Which datastore.
    pub datastore: DatastoreName,
    /// Collection names; `*` matches any run of characters.
    pub collections: Vec<String>,
    /// The release whose migration deletes: applies where `from < version <= to`.
    pub version: Version,
    /// Why.
    pub because: String,
    /// Where it was read.
    pub source: String,
}

/// A known failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Advice {
    /// Stable identifier.
    pub id: String,
    /// Text that the failing step's output or error contains (case-insensitive); any of them.
    pub patterns: Vec<String>,
    /// What it means.
    pub explanation: String,
    /// What to do or type next.
    pub next: String,
    /// Where it was read.
    pub source: String,
}
