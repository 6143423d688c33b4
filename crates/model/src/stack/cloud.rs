//! What was found in a provider's account.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::machine::{Machine, MachineGroup, Task};
use super::store::{RecalledCopy, Store};
use crate::digest::Digest;

/// Everything of an account that belongs to one deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cloud {
    /// Whose it is.
    pub account: Account,
    /// Its stacks, by name.
    pub stacks: BTreeMap<String, Stack>,
    /// Container services that stacks made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Task>,
    /// Groups of machines that stacks made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<MachineGroup>,
    /// Single machines that stacks made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<Machine>,
    /// What holds data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stores: Vec<Store>,
    /// Databases that ways back made from marks, in the whole region; none where that was not asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recalled: Vec<RecalledCopy>,
    /// Domains whose certificates a replaced machine asks for anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<Domain>,
}

/// Identity of an account: a plan made for one is refused in another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its number.
    pub id: String,
    /// The region.
    pub region: String,
    /// Partition of ARNs, e.g. `aws`, `aws-cn`.
    pub partition: String,
    /// Who asked, as an ARN without the name of a session. For people; another caller of the account may apply.
    pub caller: String,
}

/// A stack as it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Its ARN: a stack that was deleted and made anew has another.
    pub id: String,
    /// The template of the product's definition that it was made from, by its name today; `None` where nothing tells.
    pub template: Option<String>,
    /// Its status.
    pub status: StackStatus,
    /// Why it has that status, as the provider says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its parameters, by name.
    pub parameters: BTreeMap<String, ParameterNow>,
    /// Its outputs, by name.
    pub outputs: BTreeMap<String, Output>,
    /// Names of other stacks' exports that it uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<String>,
    /// Digest of its template's text, see [`super::body_digest`].
    pub body: Digest,
    /// Its resources.
    pub resources: Vec<StackResource>,
    /// Capabilities that its last update was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Tags, which an update must carry over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// True where it cannot be deleted.
    #[serde(default)]
    pub protected: bool,
    /// Whether it was changed by other means.
    #[serde(default)]
    pub drift: Drift,
    /// The newest events, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<StackEvent>,
}

impl Stack {
    /// The resource with this logical id.
    pub fn resource(&self, logical: &str) -> Option<&StackResource> {
        self.resources
            .iter()
            .find(|resource| resource.logical == logical)
    }

    /// The value of a parameter, where it may be read.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)?.value.as_deref()
    }
}

/// The status of a stack, as the provider writes it, e.g. `UPDATE_COMPLETE`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StackStatus(String);

impl StackStatus {
    /// Wraps what the provider wrote.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What the provider wrote.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True while something is being changed.
    pub fn in_progress(&self) -> bool {
        self.0.ends_with("_IN_PROGRESS")
    }

    /// True where an update can begin, be the last one a success or not.
    pub fn is_steady(&self) -> bool {
        matches!(
            self.0.as_str(),
            "CREATE_COMPLETE"
                | "UPDATE_COMPLETE"
                | "UPDATE_ROLLBACK_COMPLETE"
                | "IMPORT_COMPLETE"
                | "IMPORT_ROLLBACK_COMPLETE"
        )
    }

    /// True where the last change was taken back or never became complete.
    pub fn is_undone(&self) -> bool {
        self.0.contains("ROLLBACK") || self.0.ends_with("_FAILED")
    }

    /// True for a stack that was made for a change set and has nothing in it yet.
    pub fn is_reserved(&self) -> bool {
        self.0 == "REVIEW_IN_PROGRESS"
    }
}

impl fmt::Display for StackStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A parameter of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterNow {
    /// What was given; `None` where the provider masks it (`NoEcho`).
    pub value: Option<String>,
    /// What it stood for when the stack was last changed, for parameters that name a stored value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<String>,
}

impl ParameterNow {
    /// A parameter whose value may be read.
    pub fn plain(value: impl Into<String>) -> Self {
        Self {
            value: Some(value.into()),
            resolved: None,
        }
    }

    /// A parameter whose value is masked.
    pub fn masked() -> Self {
        Self {
            value: None,
            resolved: None,
        }
    }
}

/// An output of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its value.
    pub value: String,
    /// The name under which other stacks use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<String>,
    /// Names of the stacks that use it: such an export can be neither changed nor removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imported_by: Vec<String>,
}

/// A resource of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackResource {
    /// Its name in the template.
    pub logical: String,
    /// Its name in the account; `None` while it is being made.
    pub physical: Option<String>,
    /// Its type, e.g. `AWS::EC2::Volume`.
    pub kind: String,
    /// Its status, as the provider writes it.
    pub status: String,
}

/// Whether a stack's resources are as its template says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "drift")]
pub enum Drift {
    /// Nobody looked, or the provider could not.
    #[default]
    Unknown,
    /// They are.
    None,
    /// Some are not.
    Found {
        /// Which.
        resources: Vec<DriftedResource>,
    },
}

/// A resource that was changed by other means than its stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftedResource {
    /// Its name in the template.
    pub logical: String,
    /// Its type.
    pub kind: String,
    /// True where it is gone.
    pub deleted: bool,
    /// What differs: path, as the template says, as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<(String, String, String)>,
}

/// Something that happened to a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackEvent {
    /// When, as the provider writes it (RFC 3339, UTC).
    pub at: String,
    /// The resource's name in the template; the stack's own name for the stack itself.
    pub logical: String,
    /// Its type.
    pub kind: String,
    /// Its status from then on.
    pub status: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The token of the request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// A domain whose certificate a machine asks for when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// True where the operator brings certificates, so that none is asked for.
    pub custom: bool,
    /// When certificates were asked for in the seven days before this was observed, and how that is known, oldest first.
    pub issued: Vec<(String, String)>,
}
