//! When a rule applies, and the questions that tell.

use serde::{Deserialize, Serialize};

use super::Product;
use crate::id::DatastoreName;

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
    /// Everything that can be answered; empty where the list is open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
}

impl Product {
    /// Every condition of the definition, with its place in it.
    pub fn conditions(&self) -> Vec<(String, &Condition)> {
        let mut found: Vec<(String, &Condition)> = Vec::new();
        let mut collect = |path: String, condition| {
            found.extend(Option::as_ref(condition).map(|condition| (path, condition)));
        };
        for (index, migration) in self.migrations.iter().enumerate() {
            collect(format!("migration[{index}].when"), &migration.when);
        }
        for (index, release) in self.releases.iter().enumerate() {
            for (place, demand) in release.demands.iter().enumerate() {
                let path = format!("release[{index}].demands[{place}].when");
                collect(path, &demand.when);
            }
        }
        for (index, stop) in self.stops.iter().enumerate() {
            collect(format!("stop[{index}].when"), &stop.when);
            collect(format!("stop[{index}].unless"), &stop.unless);
        }
        for (index, notice) in self.notices.iter().enumerate() {
            collect(format!("notice[{index}].when"), &notice.when);
        }
        for (index, remark) in self.remarks.iter().enumerate() {
            collect(format!("remark[{index}].when"), &remark.when);
        }
        for (index, procedure) in self.procedures.iter().enumerate() {
            collect(format!("procedure[{index}].when"), &procedure.when);
        }
        for (index, action) in self.actions.iter().enumerate() {
            collect(format!("action[{index}].when"), &action.when);
        }
        for (index, package) in self.packages.iter().enumerate() {
            collect(format!("package[{index}].when"), &package.when);
        }
        for (index, end) in self.dead_ends.iter().enumerate() {
            collect(format!("dead-end[{index}].when"), &end.when);
        }
        found
    }
}
