//! What a product is on a host: the distributions it is packaged for, its packages, its services, the
//! files that operators edit, and the features that a deployment may have or not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Condition, Product};
use crate::version::Range;
use crate::{ServiceName, Version};

/// An operating system that the product is packaged for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Distribution {
    /// Identifier, e.g. `ubuntu16`.
    pub id: String,
    /// Name as people write it.
    pub name: String,
    /// Whose packages it takes, e.g. `debian` or `rhel`.
    pub family: String,
    /// How it names itself in `/etc/os-release`: `ID` and the beginning of `VERSION_ID`, as `ubuntu 16.04`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub os_release: Vec<String>,
    /// Releases of the product that can be installed on it.
    pub releases: Range,
    /// Where it was read.
    pub source: String,
}

/// A package of the product. Their order in the definition is the order in which they are named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Stages to these releases name it.
    #[serde(default = "Range::any")]
    pub to: Range,
    /// Only where this holds; what is not installed is never named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// Where it was read.
    pub source: String,
}

/// A service of the product, as the host's service manager knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Service {
    /// Its unit, without suffix.
    pub name: String,
    /// Releases that have it.
    #[serde(default = "Range::any")]
    pub releases: Range,
    /// The package that brings it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The port it listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What its processes have in their command line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<String>,
    /// Why nothing but the plan may start it while a stage runs, where it is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_down: Option<String>,
    /// Where it was read.
    pub source: String,
}

/// A file of a package that operators edit: theirs is kept, and what to merge is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Conffile {
    /// Its path.
    pub path: String,
    /// What is lost with it, or what to look at when merging.
    pub because: String,
    /// Where it was read.
    pub source: String,
}

/// Something that a deployment has or has not, as its operator or its driver says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Feature {
    /// Identifier, as in `--feature`.
    pub id: String,
    /// What it is, one line.
    pub what: String,
    /// True where an installation by the book has it: assumed as long as nobody names any such feature.
    #[serde(default)]
    pub usual: bool,
    /// Features that are not there without it: who names one of them has named it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub implied_by: Vec<String>,
    /// Starting releases for which it is usual.
    #[serde(default = "Range::any")]
    pub from: Range,
    /// Distributions that can have it; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distributions: Vec<String>,
    /// The package whose presence tells, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

/// Versions between which nothing leads in place: content has to be rolled over to a new instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DeadEnd {
    /// Stable identifier.
    pub id: String,
    /// Starting versions.
    pub from: Range,
    /// Targets; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Range>,
    /// Only where this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// Why, one sentence.
    pub because: String,
    /// Where it was read.
    pub source: String,
}

impl Product {
    /// Which features a host has and has not, as far as its packages tell: answers to the probes of their names.
    pub fn features_of(&self, is_installed: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
        let told = self.features.iter().filter_map(|feature| {
            let installed = is_installed(feature.package.as_ref()?);
            let answer = if installed { "yes" } else { "no" };
            Some((feature.id.clone(), answer.to_owned()))
        });
        told.collect()
    }

    /// True where this release is known to come without this service.
    pub fn is_without(&self, service: &ServiceName, version: &Version) -> bool {
        let named = self
            .services
            .iter()
            .filter(|it| it.name == service.as_str());
        named
            .map(|it| self.scheme.contains(&it.releases, version))
            .any(|has| has == Ok(false))
    }
}
