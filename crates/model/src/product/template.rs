//! The templates that a deployment's infrastructure is made from, and what releases changed in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::MigrationId;
use crate::version::Version;

/// A template, e.g. of a CloudFormation stack. Their order in the definition is the order of an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Template {
    /// Its name today, e.g. `5-4-ecs-services`.
    pub id: String,
    /// The kind of deployment it belongs to.
    pub driver: String,
    /// Whether a deployment has it.
    #[serde(rename = "use")]
    pub role: TemplateUse,
    /// What it makes, one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// The release that brought it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Version>,
    /// The release that took it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<Version>,
    /// Names that it had, or that texts still give it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_names: Vec<String>,
    /// The probe that counts stacks of it: where it is in use nobody has to be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// The output of its stack that tells how migrations are run: they run right after it was updated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrations: Option<String>,
    /// What runs them there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<Runner>,
    /// What fails for a while when its machine is replaced, and is no failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<String>,
    /// The parameter by which a store is made anew from a snapshot, by the store's resource in the template.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub snapshots: BTreeMap<String, String>,
    /// The migrations that change what a store holds, by the store's resource in the template; every one may, where
    /// nothing is said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub migrated_by: BTreeMap<String, Vec<MigrationId>>,
    /// The variables by which the program is told where a store is, by the store's resource in the template: a
    /// migration is led to a copy of the store by them. One that nothing is said of is never led anywhere else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told_by: BTreeMap<String, Vec<String>>,
    /// What releases changed in it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<TemplateChange>,
}

/// What runs migrations where a stack is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Runner {
    /// The program before a migration's own words.
    pub program: String,
    /// The container of the stack's task whose command is replaced; `None` where the program runs on a machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What a program on a machine tells its version to, e.g. `["version"]`: one of another version migrates nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub version: Vec<String>,
    /// Environment of a program on a machine.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
}

/// Whether a deployment has a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemplateUse {
    /// Every deployment has it.
    Mandatory,
    /// Some have it.
    Optional,
    /// A deployment has one of several.
    OneOf,
    /// It is no template but an image that templates name.
    Image,
    /// It is no template but what a release says of all of them.
    Note,
}

impl TemplateUse {
    /// True for what a stack is made from.
    pub fn is_template(self) -> bool {
        !matches!(self, Self::Image | Self::Note)
    }
}

/// What one release changed in a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TemplateChange {
    /// The release: the change is met where `from < version <= to`.
    pub version: Version,
    /// What kind of change.
    pub kind: TemplateChangeKind,
    /// The parameter it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// The change, half a line.
    pub text: String,
    /// The name that the parameter had before: it takes over that one's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// What values become: of several, the first that the new template takes. `*` is any other value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, Vec<String>>,
    /// True where a default must not be taken for a parameter that is new: it describes what is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ask: bool,
    /// True where the source names no template, so that the assignment is the definition's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inferred: bool,
}

/// What kind of change a template saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemplateChangeKind {
    /// The template is new.
    Added,
    /// It has a new name.
    Renamed,
    /// It is gone.
    Removed,
    /// A parameter is new: somebody has to look at its default.
    ParameterAdded,
    /// A parameter takes other values.
    ParameterChanged,
    /// A parameter is gone.
    ParameterRemoved,
    /// A default is another: carried-over values stay.
    DefaultChanged,
    /// Anything else.
    Other,
}
