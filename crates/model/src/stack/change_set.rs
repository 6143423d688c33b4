//! What the provider says that it would change.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A change set, as the provider computed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSet {
    /// Its ARN; empty where it was recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The stack's name.
    pub stack: String,
    /// Whether it can be executed.
    pub state: ChangeSetState,
    /// What it would change, in the provider's order.
    pub changes: Vec<ResourceChange>,
}

/// Whether a change set can be executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum ChangeSetState {
    /// It can.
    Ready,
    /// There is nothing to change: the provider fails such a change set with a reason of its own. A change set
    /// without changes that it did not fail is not empty.
    Empty,
    /// The provider could not compute it.
    Failed {
        /// As it says.
        reason: String,
    },
}

impl ChangeSet {
    /// Digest of what would be changed, whatever its ids, and whatever order the provider tells it in. Values of
    /// properties do not count: the template's digest and the parameters decide them.
    pub fn digest(&self) -> Digest {
        let mut changes: Vec<ResourceChange> = self.changes.clone();
        for change in &mut changes {
            change.scope.sort();
            change.scope.dedup();
            for detail in &mut change.details {
                detail.before = None;
                detail.after = None;
            }
            change.details.sort();
            change.details.dedup();
        }
        changes.sort();
        let text = serde_json::to_string(&(&self.state, &changes)).unwrap_or_default();
        Digest::of(text)
    }

    /// The change of one resource.
    pub fn change(&self, logical: &str) -> Option<&ResourceChange> {
        self.changes.iter().find(|change| change.logical == logical)
    }
}

/// What happens to one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceChange {
    /// Its name in the template.
    pub logical: String,
    /// Its type.
    pub kind: String,
    /// What is done.
    pub action: ChangeAction,
    /// Whether another takes its place.
    pub replacement: Replacement,
    /// Its name in the account; `None` for what does not exist yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical: Option<String>,
    /// What becomes of the one that is there, where the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// What of it changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<Attribute>,
    /// Change by change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<ChangeDetail>,
}

impl ResourceChange {
    /// True where the one that is there is taken away, or may be.
    pub fn takes_away(&self) -> bool {
        match self.action {
            ChangeAction::Remove | ChangeAction::Unknown => true,
            ChangeAction::Modify => self.replacement >= Replacement::Maybe,
            ChangeAction::Add | ChangeAction::Import => false,
        }
    }
}

/// Declares an enum of words that the provider writes, with the most cautious reading of an unknown one.
macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$item:meta])* $variant:ident = $word:literal,)* } else $other:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $type {
            $($(#[$item])* $variant,)*
        }

        impl $type {
            /// Reads the provider's word; one that is not known is read as the most cautious one.
            pub fn read(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    _ => Self::$other,
                }
            }

            /// The provider's word.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

words! {
    /// What is done to a resource.
    ChangeAction {
        /// It is made.
        Add = "Add",
        /// It is taken into the stack as it is.
        Import = "Import",
        /// It is changed in place, or replaced.
        Modify = "Modify",
        /// It is taken away.
        Remove = "Remove",
        /// The provider cannot tell before.
        Unknown = "Dynamic",
    } else Unknown
}

words! {
    /// Whether another resource takes the place of the one that is there. Later is worse.
    Replacement {
        /// It does not.
        Never = "False",
        /// That depends on what is only known when it is done.
        Maybe = "Conditional",
        /// It does.
        Always = "True",
    } else Maybe
}

words! {
    /// What becomes of the resource that is there.
    Policy {
        /// It is deleted.
        Delete = "Delete",
        /// It stays, and no longer belongs to the stack.
        Retain = "Retain",
        /// A snapshot of it is taken, then it is deleted.
        Snapshot = "Snapshot",
        /// It is replaced and deleted.
        ReplaceAndDelete = "ReplaceAndDelete",
        /// It is replaced and stays.
        ReplaceAndRetain = "ReplaceAndRetain",
        /// It is replaced, a snapshot of it is taken, then it is deleted.
        ReplaceAndSnapshot = "ReplaceAndSnapshot",
    } else Delete
}

words! {
    /// What of a resource changes.
    Attribute {
        /// What its type defines.
        Properties = "Properties",
        /// What the template says beside it.
        Metadata = "Metadata",
        /// How it is made.
        CreationPolicy = "CreationPolicy",
        /// How it is updated.
        UpdatePolicy = "UpdatePolicy",
        /// What becomes of it when it is taken away.
        DeletionPolicy = "DeletionPolicy",
        /// What becomes of it when it is replaced.
        UpdateReplacePolicy = "UpdateReplacePolicy",
        /// Its tags.
        Tags = "Tags",
    } else Properties
}

words! {
    /// Whether a change of a property demands another resource.
    Recreation {
        /// It does not.
        Never = "Never",
        /// That depends on the rest of the change.
        Conditionally = "Conditionally",
        /// It does.
        Always = "Always",
    } else Conditionally
}

words! {
    /// What causes a change.
    ChangeReason {
        /// Another value of a parameter.
        Parameter = "ParameterReference",
        /// Another resource's name.
        Resource = "ResourceReference",
        /// Another resource's attribute.
        Attribute = "ResourceAttribute",
        /// The template itself.
        Template = "DirectModification",
        /// A nested stack that is always looked at.
        Automatic = "Automatic",
        /// Not told.
        Unknown = "",
    } else Unknown
}

/// One change of a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChangeDetail {
    /// What of the resource.
    pub attribute: Attribute,
    /// Which property, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it demands another resource.
    pub recreation: Recreation,
    /// What causes it.
    pub reason: ChangeReason,
    /// The parameter, resource or attribute that causes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causing: Option<String>,
    /// True where the provider evaluates it only when it is done (`Dynamic`).
    #[serde(default)]
    pub late: bool,
    /// The value before, where the provider tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The value after, where the provider tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(logical: &str, replacement: Replacement) -> ResourceChange {
        ResourceChange {
            logical: logical.to_owned(),
            kind: "AWS::EC2::Instance".to_owned(),
            action: ChangeAction::Modify,
            replacement,
            physical: Some("i-1".to_owned()),
            policy: None,
            scope: vec![Attribute::Tags, Attribute::Properties],
            details: vec![ChangeDetail {
                attribute: Attribute::Properties,
                name: Some("ImageId".to_owned()),
                recreation: Recreation::Always,
                reason: ChangeReason::Template,
                causing: None,
                late: false,
                before: Some("ami-1".to_owned()),
                after: Some("ami-2".to_owned()),
            }],
        }
    }

    fn set(changes: Vec<ResourceChange>) -> ChangeSet {
        ChangeSet {
            id: "arn:1".to_owned(),
            stack: "1-2-bastion".to_owned(),
            state: ChangeSetState::Ready,
            changes,
        }
    }

    #[test]
    fn order_ids_and_values_do_not_change_the_digest_and_everything_else_does() {
        let one = set(vec![
            change("A", Replacement::Always),
            change("B", Replacement::Never),
        ]);
        let mut other = set(vec![
            change("B", Replacement::Never),
            change("A", Replacement::Always),
        ]);
        other.id = "arn:2".to_owned();
        other.changes[0].scope.reverse();
        other.changes[0].details[0].before = None;
        assert_eq!(one.digest(), other.digest());

        other.changes[1].replacement = Replacement::Maybe;
        assert_ne!(one.digest(), other.digest());
        let mut failed = one.clone();
        failed.state = ChangeSetState::Empty;
        assert_ne!(one.digest(), failed.digest());
        assert_ne!(one.digest(), set(Vec::new()).digest());
    }

    #[test]
    fn an_unknown_word_is_read_as_the_most_cautious_one() {
        assert_eq!(Replacement::read("False"), Replacement::Never);
        assert_eq!(Replacement::read("Perhaps"), Replacement::Maybe);
        assert_eq!(ChangeAction::read("SyncWithActual"), ChangeAction::Unknown);
        assert_eq!(Policy::read("Explode"), Policy::Delete);
        let mut unknown = change("A", Replacement::Never);
        assert!(!unknown.takes_away());
        unknown.action = ChangeAction::Unknown;
        assert!(unknown.takes_away());
    }
}
