//! What a plan wants of a stack.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::change_set::{ChangeAction, ChangeSet, ChangeSetState, Replacement, ResourceChange};
use super::danger::DangerKind;
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
            Self::Foreseen { changes } => differences(changes, found, Weight::Surprise),
        }
    }

    /// What the provider leaves open that was foreseen to stay as it is, one sentence each: nothing that would be missed, so
    /// it is told and stops nobody.
    pub fn doubts(&self, found: &ChangeSet) -> Vec<String> {
        match self {
            Self::Reviewed { .. } => Vec::new(),
            Self::Foreseen { changes } => differences(changes, found, Weight::Doubt),
        }
    }
}

/// What a difference from what was foreseen amounts to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Nothing is executed.
    Surprise,
    /// It is told.
    Doubt,
}

fn differences(foreseen: &[ForeseenChange], found: &ChangeSet, weight: Weight) -> Vec<String> {
    let different = found.changes.iter().filter_map(|change| {
        let (what, weighs) = difference(foreseen, change)?;
        let (logical, kind) = (&change.logical, &change.kind);
        (weighs == weight).then(|| format!("`{logical}` ({kind}): {what}"))
    });
    different.collect()
}

fn difference(foreseen: &[ForeseenChange], change: &ResourceChange) -> Option<(String, Weight)> {
    let word = change.action.word();
    let perhaps = change.replacement == Replacement::Maybe && is_as_good_anew(&change.kind);
    match foreseen.iter().find(|it| it.logical == change.logical) {
        // What follows from a change that was foreseen, e.g. a service whose task definition is another.
        None if change.action == ChangeAction::Modify
            && change.replacement == Replacement::Never
            && StoreKind::of(&change.kind).is_none() =>
        {
            None
        }
        None if change.action == ChangeAction::Modify && perhaps => Some((
            format!("{word} was not foreseen, and perhaps it is made anew"),
            Weight::Doubt,
        )),
        None => Some((format!("{word} was not foreseen"), Weight::Surprise)),
        Some(known) if known.action != change.action => Some((
            format!("{} was foreseen, {word} it would be", known.action.word()),
            Weight::Surprise,
        )),
        Some(known) if change.replacement > known.replacement => Some((
            format!(
                "replacement `{}` was foreseen, `{}` it would be",
                known.replacement.word(),
                change.replacement.word()
            ),
            if perhaps {
                Weight::Doubt
            } else {
                Weight::Surprise
            },
        )),
        Some(_) => None,
    }
}

/// Whether another resource of this type is as good as the one that is there. Of a machine that is not known: it has disks
/// of its own, and what is attached to it is in use.
fn is_as_good_anew(kind: &str) -> bool {
    DangerKind::of(kind).is_none()
        && !matches!(kind, "AWS::EC2::Instance" | "AWS::EC2::VolumeAttachment")
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

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "AWS::ECS::Service";

    fn foreseen(kind: &str, replacement: Replacement) -> ExpectedChanges {
        ExpectedChanges::Foreseen {
            changes: vec![ForeseenChange {
                logical: "It".to_owned(),
                kind: kind.to_owned(),
                action: ChangeAction::Modify,
                replacement,
            }],
        }
    }

    fn found(
        logical: &str,
        kind: &str,
        action: ChangeAction,
        replacement: Replacement,
    ) -> ChangeSet {
        ChangeSet {
            id: String::new(),
            stack: "5-3a-ecs-is-service".to_owned(),
            state: ChangeSetState::Ready,
            changes: vec![ResourceChange {
                logical: logical.to_owned(),
                kind: kind.to_owned(),
                action,
                replacement,
                physical: None,
                policy: None,
                scope: Vec::new(),
                details: Vec::new(),
            }],
        }
    }

    /// What of `kind` was foreseen to be changed in place, and is found to be changed so.
    fn told(kind: &str, replacement: Replacement) -> (Vec<String>, Vec<String>) {
        let expected = foreseen(kind, Replacement::Never);
        let found = found("It", kind, ChangeAction::Modify, replacement);
        (expected.surprises(&found), expected.doubts(&found))
    }

    #[test]
    fn a_mere_perhaps_is_told_where_another_is_as_good_and_halts_where_it_is_not() {
        for kind in [SERVICE, "AWS::EC2::LaunchTemplate", "AWS::IAM::Role"] {
            let (surprises, doubts) = told(kind, Replacement::Maybe);
            assert_eq!(surprises, Vec::<String>::new(), "{kind}");
            let said = "replacement `False` was foreseen, `Conditional` it would be";
            assert_eq!(doubts, [format!("`It` ({kind}): {said}")]);
        }
        for kind in [
            "AWS::RDS::DBCluster",
            "AWS::EC2::Volume",
            "AWS::S3::Bucket",
            "AWS::EC2::EIP",
            "AWS::ElasticLoadBalancingV2::LoadBalancer",
            "AWS::EC2::Instance",
            "AWS::EC2::VolumeAttachment",
        ] {
            let (surprises, doubts) = told(kind, Replacement::Maybe);
            assert_eq!(surprises.len(), 1, "{kind}");
            assert_eq!(doubts, Vec::<String>::new(), "{kind}");
        }
    }

    #[test]
    fn what_is_certain_halts_whatever_it_is() {
        let (surprises, doubts) = told(SERVICE, Replacement::Always);
        let said = "`It` (AWS::ECS::Service): replacement `False` was foreseen, `True` it would be";
        assert_eq!(surprises, [said]);
        assert_eq!(doubts, Vec::<String>::new());
        assert_eq!(told(SERVICE, Replacement::Never), (vec![], vec![]));
        let perhaps = foreseen(SERVICE, Replacement::Maybe);
        for (action, replacement) in [
            (ChangeAction::Modify, Replacement::Always),
            (ChangeAction::Remove, Replacement::Never),
            (ChangeAction::Unknown, Replacement::Maybe),
        ] {
            let found = found("It", SERVICE, action, replacement);
            assert_eq!(perhaps.surprises(&found).len(), 1, "{action:?}");
            assert_eq!(perhaps.doubts(&found), Vec::<String>::new(), "{action:?}");
        }
    }

    #[test]
    fn what_follows_unforeseen_is_taken_in_place_told_as_a_perhaps_and_else_halts() {
        let weighed = |kind: &str, action, replacement| {
            let expected = foreseen(SERVICE, Replacement::Never);
            let found = found("Follower", kind, action, replacement);
            (
                expected.surprises(&found).len(),
                expected.doubts(&found).len(),
            )
        };
        let modified = |kind, replacement| weighed(kind, ChangeAction::Modify, replacement);
        assert_eq!(modified(SERVICE, Replacement::Never), (0, 0));
        assert_eq!(modified(SERVICE, Replacement::Maybe), (0, 1));
        assert_eq!(modified(SERVICE, Replacement::Always), (1, 0));
        assert_eq!(modified("AWS::EC2::Volume", Replacement::Never), (1, 0));
        assert_eq!(modified("AWS::EC2::EIP", Replacement::Maybe), (1, 0));
        assert_eq!(
            weighed(SERVICE, ChangeAction::Add, Replacement::Never),
            (1, 0)
        );
        assert_eq!(
            weighed(SERVICE, ChangeAction::Remove, Replacement::Never),
            (1, 0)
        );
    }

    #[test]
    fn what_was_reviewed_is_that_and_nothing_else() {
        let as_reviewed = found("It", SERVICE, ChangeAction::Modify, Replacement::Maybe);
        let reviewed = ExpectedChanges::Reviewed {
            digest: as_reviewed.digest(),
        };
        assert_eq!(reviewed.surprises(&as_reviewed), Vec::<String>::new());
        let other = found("It", SERVICE, ChangeAction::Modify, Replacement::Never);
        assert_eq!(reviewed.surprises(&other).len(), 1);
        assert_eq!(reviewed.doubts(&other), Vec::<String>::new());
    }
}
