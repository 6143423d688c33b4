//! What of an update would be missed: data, addresses, entrances.

use serde::{Deserialize, Serialize};
use switchback_model::stack::{
    ChangeAction, ChangeReason, DangerKind, Replacement, ResourceChange, StoreKind, Template,
};

use super::predict::Predicted;

/// Something that an update takes away, or may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Danger {
    /// The resource's name in the template.
    pub logical: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is in danger.
    pub what: DangerKind,
    /// What happens, as half a sentence, and who says so.
    pub text: String,
}

/// What of one resource is in danger, by our prediction and by the provider's change set.
pub(super) fn danger(
    predicted: Option<&Predicted>,
    provided: Option<&ResourceChange>,
    old: &Template,
) -> Option<Danger> {
    let (logical, kind) = match (predicted, provided) {
        (Some(it), _) => (&it.change.logical, &it.change.kind),
        (_, Some(it)) => (&it.logical, &it.kind),
        _ => return None,
    };
    // A resource of another type than before was something that may be missed, too.
    let was = old.resources.get(logical);
    let what = was
        .and_then(|was| DangerKind::of(&was.kind))
        .or_else(|| DangerKind::of(kind))?;
    let in_cluster = |kind: &str| {
        kind == "AWS::RDS::DBInstance"
            && was.is_some_and(|was| was.properties.contains_key("DBClusterIdentifier"))
    };
    if in_cluster(kind) {
        return None;
    }
    let ours = predicted.and_then(|it| ours(it, what));
    let theirs = provided.and_then(|it| theirs(it, what));
    // Where the provider has looked and sees a change in place, a mere *perhaps* of ours is none.
    let ours = ours.filter(|(certain, _)| {
        *certain || provided.is_none_or(|it| it.replacement >= Replacement::Maybe)
    });
    let text = match (ours, theirs) {
        (Some((_, ours)), Some(theirs)) if ours == theirs => {
            format!("{ours}, by our prediction and by the change set")
        }
        (Some((_, ours)), Some(theirs)) => {
            format!("{theirs} by the change set, {ours} by our prediction")
        }
        (Some((_, ours)), None) => format!("{ours}, by our prediction"),
        (None, Some(theirs)) => format!("{theirs}, by the change set"),
        (None, None) => return None,
    };
    Some(Danger {
        logical: logical.clone(),
        kind: was.map_or(kind, |was| &was.kind).clone(),
        what,
        text,
    })
}

/// What we say, and whether that is certain.
fn ours(it: &Predicted, what: DangerKind) -> Option<(bool, &'static str)> {
    // Only a stored value that is read anew: nothing says that it is another.
    let guessed = it
        .causes
        .iter()
        .all(|cause| cause.late && cause.reason == ChangeReason::Parameter)
        && !it.causes.is_empty();
    match (it.change.action, it.change.replacement) {
        (ChangeAction::Add | ChangeAction::Import, _) => None,
        (ChangeAction::Remove, _) => Some((true, "it is removed")),
        (ChangeAction::Unknown, _) => Some((true, "it may be removed")),
        (ChangeAction::Modify, Replacement::Always) => Some((true, "it is replaced")),
        (ChangeAction::Modify, Replacement::Maybe) => {
            Some((is_volume(what) && !guessed, "it may be replaced"))
        }
        // The provider's own texts contradict each other about disks: no change of one is taken for harmless.
        (ChangeAction::Modify, Replacement::Never) if is_volume(what) => {
            Some((true, "it is changed"))
        }
        (ChangeAction::Modify, Replacement::Never) => None,
    }
}

fn theirs(it: &ResourceChange, what: DangerKind) -> Option<&'static str> {
    match (it.action, it.replacement) {
        (ChangeAction::Add | ChangeAction::Import, _) => None,
        (ChangeAction::Remove, _) => Some("it is removed"),
        (ChangeAction::Unknown, _) => Some("it may be removed"),
        (ChangeAction::Modify, Replacement::Always) => Some("it is replaced"),
        (ChangeAction::Modify, Replacement::Maybe) => Some("it may be replaced"),
        (ChangeAction::Modify, Replacement::Never) if is_volume(what) => Some("it is changed"),
        (ChangeAction::Modify, Replacement::Never) => None,
    }
}

fn is_volume(what: DangerKind) -> bool {
    what == DangerKind::Data(StoreKind::Volume)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "Resources:
  Address: { Type: \"AWS::EC2::EIP\" }
  Balancer: { Type: \"AWS::ElasticLoadBalancingV2::LoadBalancer\" }
  Bucket: { Type: \"AWS::S3::Bucket\" }
  Cache: { Type: \"AWS::ElastiCache::ReplicationGroup\" }
  Cluster: { Type: \"AWS::RDS::DBCluster\" }
  Database: { Type: \"AWS::RDS::DBInstance\" }
  Disk: { Type: \"AWS::EC2::Volume\" }
  Files: { Type: \"AWS::EFS::FileSystem\" }
  Key: { Type: \"AWS::KMS::Key\" }
  Table: { Type: \"AWS::DynamoDB::Table\" }
  Role: { Type: \"AWS::IAM::Role\" }
";

    fn change(
        logical: &str,
        kind: &str,
        action: ChangeAction,
        replacement: Replacement,
    ) -> ResourceChange {
        ResourceChange {
            logical: logical.to_owned(),
            kind: kind.to_owned(),
            action,
            replacement,
            physical: None,
            policy: None,
            scope: Vec::new(),
            details: Vec::new(),
        }
    }

    /// By the change set alone: whatever we predict, what it says counts.
    #[test]
    fn whatever_holds_data_or_is_known_to_others_is_in_danger_where_it_goes_or_may() {
        let template = Template::parse("a template", TEMPLATE);
        let template = template.unwrap_or_else(|faults| panic!("{}", faults[0]));
        for (logical, resource) in &template.resources {
            let told = |action, replacement| {
                let set = change(logical, &resource.kind, action, replacement);
                danger(None, Some(&set), &template).map(|danger| danger.text)
            };
            for (action, replacement, text) in [
                (ChangeAction::Remove, Replacement::Never, "it is removed"),
                (ChangeAction::Modify, Replacement::Always, "it is replaced"),
                (
                    ChangeAction::Modify,
                    Replacement::Maybe,
                    "it may be replaced",
                ),
                (
                    ChangeAction::Unknown,
                    Replacement::Never,
                    "it may be removed",
                ),
            ] {
                let expected = (logical != "Role").then(|| format!("{text}, by the change set"));
                assert_eq!(told(action, replacement), expected, "{logical}");
            }
            let in_place = told(ChangeAction::Modify, Replacement::Never);
            assert_eq!(in_place.is_some(), logical == "Disk", "{logical}");
            assert_eq!(
                told(ChangeAction::Add, Replacement::Never),
                None,
                "{logical}"
            );
        }
    }

    /// A disk that becomes something else is a disk that goes.
    #[test]
    fn what_a_resource_was_counts_where_its_type_changes() {
        let template = Template::parse("a template", TEMPLATE);
        let template = template.unwrap_or_else(|faults| panic!("{}", faults[0]));
        let set = change(
            "Disk",
            "AWS::IAM::Role",
            ChangeAction::Modify,
            Replacement::Always,
        );
        let found = danger(None, Some(&set), &template).expect("a danger");
        assert_eq!(found.kind, "AWS::EC2::Volume");
    }
}
