//! What a plan wants of a stack.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::change_set::{ChangeAction, ChangeSet, ChangeSetState, Replacement};
use super::store::StoreKind;
use crate::config::SecretRef;
use crate::digest::Digest;
use crate::version::Version;

/// One update of one stack: a change set that is computed, compared with what is expected, and executed once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackUpdate {
    /// The stack's name.
    pub stack: String,
    /// The template of the definition that it is made from, by its name today, e.g. `5-2-ecs-ops`.
    pub of: String,
    /// Whether the stack is there.
    pub mode: UpdateMode,
    /// The template; `None` where the one in use stays.
    pub template: Option<TemplatePlace>,
    /// Every parameter that the template has, each said: none is left to its default.
    pub parameters: BTreeMap<String, ParameterWish>,
    /// What the template may do, e.g. `CAPABILITY_NAMED_IAM`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Tags of the stack, carried over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What it may change.
    pub expected: ExpectedChanges,
    /// The release whose template it is, for people.
    pub version: Version,
}

/// `5-2-ecs-ops (3.26.0: OpsImage)`; without the colon where nothing but the template changes.
impl fmt::Display for StackUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said: Vec<&str> = self
            .parameters
            .iter()
            .filter(|(_, wish)| **wish != ParameterWish::Previous)
            .map(|(name, _)| name.as_str())
            .collect();
        let what = match (&self.template, said.as_slice()) {
            (Some(_), []) => self.version.to_string(),
            (Some(_), said) => format!("{}: {}", self.version, said.join(", ")),
            (None, said) => said.join(", "),
        };
        write!(f, "{} ({what})", self.stack)
    }
}

/// Whether a stack is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateMode {
    /// It is.
    Update,
    /// It is made.
    Create,
}

/// A template's text and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplatePlace {
    /// Digest of its text, see [`super::body_digest`]: another text is refused, wherever it comes from.
    pub digest: Digest,
    /// An absolute path, or a URL (`https://…`, `s3://bucket/key`).
    pub place: String,
    /// Bytes of its text: what is larger than the provider takes goes through a bucket.
    pub bytes: u64,
}

/// What a parameter shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "be")]
pub enum ParameterWish {
    /// What it is.
    Previous,
    /// This.
    Value {
        /// The value.
        value: String,
    },
    /// What a snapshot is called that an earlier step of the same run took ([`crate::plan::Act::Snapshot`]): an
    /// ARN for databases, an id for volumes, a name for replication groups.
    Snapshot {
        /// The stack of the store.
        stack: String,
        /// The store's name in that stack's template.
        logical: String,
    },
    /// A secret, read at the last moment.
    Secret {
        /// From where.
        from: SecretRef,
    },
}

/// What a change set may contain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
pub enum ExpectedChanges {
    /// Exactly what the provider computed when the plan was made.
    Reviewed {
        /// [`ChangeSet::digest`] of that.
        digest: Digest,
    },
    /// It could not be computed when the plan was made, because an earlier step of the plan comes first. What it
    /// changes must be among these, and nothing worse.
    Foreseen {
        /// What may change.
        changes: Vec<ForeseenChange>,
    },
}

/// What may happen to one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ForeseenChange {
    /// Its name in the template.
    pub logical: String,
    /// Its type.
    pub kind: String,
    /// What may be done.
    pub action: ChangeAction,
    /// The worst that may happen.
    pub replacement: Replacement,
}

impl ExpectedChanges {
    /// What the provider would do that was not expected, one sentence each; empty where all of it was.
    pub fn surprises(&self, found: &ChangeSet) -> Vec<String> {
        if let ChangeSetState::Failed { reason } = &found.state {
            return vec![format!("the change set failed: {reason}")];
        }
        match self {
            Self::Reviewed { digest } if *digest == found.digest() => Vec::new(),
            Self::Reviewed { digest } => vec![format!(
                "the changes are not the reviewed ones ({}, now {})",
                digest.short(),
                found.digest().short()
            )],
            Self::Foreseen { changes } => found
                .changes
                .iter()
                .filter_map(|change| surprise(changes, change))
                .collect(),
        }
    }
}

fn surprise(
    foreseen: &[ForeseenChange],
    change: &super::change_set::ResourceChange,
) -> Option<String> {
    let (logical, kind) = (&change.logical, &change.kind);
    let what = match foreseen.iter().find(|known| known.logical == *logical) {
        None if change.takes_away() || StoreKind::of(kind).is_some() => {
            format!("{} was not foreseen", change.action.word())
        }
        // What follows from a change that was foreseen, e.g. a service whose task definition is another.
        None if change.action == ChangeAction::Modify => return None,
        None => format!("{} was not foreseen", change.action.word()),
        Some(known) if known.action != change.action => format!(
            "{} was foreseen, {} it would be",
            known.action.word(),
            change.action.word()
        ),
        Some(known) if change.replacement > known.replacement => format!(
            "replacement `{}` was foreseen, `{}` it would be",
            known.replacement.word(),
            change.replacement.word()
        ),
        Some(_) => return None,
    };
    Some(format!("`{logical}` ({kind}): {what}"))
}

/// How a stack must be found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackIs {
    /// Its name.
    pub stack: String,
    /// Its ARN; `None` for one that is made by the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Digest of its template's text.
    pub body: Digest,
    /// Its parameters, all of them. `None` where the value cannot be told before or is masked; the parameter
    /// must be there.
    pub parameters: BTreeMap<String, Option<String>>,
}
