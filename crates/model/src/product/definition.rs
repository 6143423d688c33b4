//! The sections of a definition, as plain values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::action::Action;
use super::condition::Probe;
use super::datastore::{Datastore, Deletion};
use super::engine::Engine;
use super::exec::Exec;
use super::health::{Health, WritePath};
use super::host::{Conffile, DeadEnd, Distribution, Feature, Package, Service};
use super::lock::Lock;
use super::migration::Migration;
use super::notice::{Notice, Procedure, Remark};
use super::order::Order;
use super::release::{Poisoned, Release, Stop};
use super::template::Template;
use crate::digest::Digest;
use crate::id::ProductId;
use crate::version::{Range, Scheme};

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
    /// What there is to say of certain starts and targets.
    pub remarks: Vec<Remark>,
    /// Hand-work that a range demands or offers.
    pub procedures: Vec<Procedure>,
    /// Templates that its infrastructure is made from, in the order in which they are updated.
    pub templates: Vec<Template>,
    /// The output by which a template, and the stack that is made from it, tells its release; a release may have
    /// brought it, so one that has none tells nothing.
    pub version_output: Option<String>,
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
    /// The kinds of deployment that it comes for; all of the product's where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drivers: Vec<String>,
    /// True for the one that is meant where none is named.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
    /// Further images that must carry the same tag, e.g. the Grafana of the Enterprise edition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<String>,
}

impl Edition {
    /// Whether it comes for a kind of deployment.
    pub fn comes_for(&self, driver: &str) -> bool {
        self.drivers.is_empty() || self.drivers.iter().any(|known| known == driver)
    }
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
