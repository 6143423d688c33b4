//! One stack from three sides.

use std::collections::BTreeMap;

use switchback_model::stack::{
    ChangeAction, ChangeSet, ChangeSetState, DangerKind, ParameterWish, Replacement,
    ResourceChange, Template,
};
use switchback_planner::stack::{Review, Reviewed, review};

use super::account::{Site, text};

/// The review of a stack of numbered ones, from one release's template to another's.
fn reviewed(
    template: &str,
    versions: (&str, &str),
    said: &[(&str, &str)],
    provided: Option<&ChangeSet>,
) -> Review {
    let site = Site::numbered(versions.0, "3.36.0");
    let stack = &site.cloud.stacks[&format!("prod-{template}")];
    let parse = |version| Template::parse(template, &text(template, version)).expect("a template");
    let (old, new) = (parse(versions.0), parse(versions.1));
    let wishes: BTreeMap<String, ParameterWish> = new
        .parameters
        .iter()
        .map(|(name, parameter)| {
            let said = said
                .iter()
                .find(|(said, _)| said == name)
                .map(|(_, value)| *value);
            let wish = match (said, stack.parameters.contains_key(name)) {
                (None, true) => ParameterWish::Previous,
                (said, _) => ParameterWish::Value {
                    value: said
                        .or(parameter.default.as_deref())
                        .unwrap_or_default()
                        .to_owned(),
                },
            };
            (name.clone(), wish)
        })
        .collect();
    review(&Reviewed {
        account: &site.cloud.account,
        stack,
        old: &old,
        new: &new,
        wishes: &wishes,
        provided,
    })
}

fn said(review: &Review) -> Vec<String> {
    review
        .predicted
        .iter()
        .map(|it| {
            let change = &it.change;
            format!(
                "{} {} {}",
                change.action.word(),
                change.logical,
                change.replacement.word()
            )
        })
        .collect()
}

#[test]
fn another_machine_image_replaces_the_machine_and_leaves_the_volume() {
    let review = reviewed("2-5-db-timescale-master", ("3.16.0", "3.24.0"), &[], None);
    assert_eq!(
        said(&review),
        [
            "Modify Instance True",
            "Modify VolumeAttachment Conditional"
        ]
    );
    assert_eq!(review.dangers, []);
    let only = reviewed("2-5-db-timescale-master", ("3.22.2", "3.24.0"), &[], None);
    assert!(only.only_mappings);
}

#[test]
fn any_change_of_a_volume_is_a_danger() {
    let of = |parameter, value| {
        reviewed(
            "2-5-db-timescale-master",
            ("3.24.0", "3.24.0"),
            &[(parameter, value)],
            None,
        )
    };
    let dangers = of("VolumeSnapshotID", "snap-1").dangers;
    assert_eq!(dangers.len(), 1, "{dangers:?}");
    assert_eq!(dangers[0].text, "it may be replaced, by our prediction");
    assert_eq!(of("InstanceType", "t3.large").dangers, []);
}

#[test]
fn stores_are_in_danger_where_a_parameter_makes_them_anew() {
    let aurora = reviewed(
        "2-1-db-aurora-master",
        ("3.24.0", "3.24.0"),
        &[("SnapshotARN", "arn:1")],
        None,
    );
    let found: Vec<(&str, bool)> = aurora
        .dangers
        .iter()
        .map(|it| (it.logical.as_str(), matches!(it.what, DangerKind::Data(_))))
        .collect();
    assert_eq!(
        found,
        [("DBCluster", true)],
        "the instance of a cluster holds nothing itself"
    );
    let upgraded = reviewed(
        "2-1-db-aurora-master",
        ("3.24.0", "3.24.0"),
        &[("EngineVersion", "12.9")],
        None,
    );
    assert_eq!(said(&upgraded), ["Modify DBCluster False"]);
    assert_eq!(upgraded.dangers, []);
    let redis = reviewed(
        "2-3-db-redis",
        ("3.18.0", "3.18.0"),
        &[("RedisKMSKeyID", "arn:2")],
        None,
    );
    assert_eq!(redis.dangers[0].text, "it is replaced, by our prediction");
}

#[test]
fn a_task_definition_is_replaced_and_its_service_follows_in_place() {
    let review = reviewed(
        "5-2-ecs-ops",
        ("3.24.0", "3.24.0"),
        &[("ApplicationServerStorageEnabled", "false")],
        None,
    );
    assert_eq!(said(&review), ["Modify TaskDefinition True"]);
    let review = reviewed(
        "5-4-ecs-services",
        ("3.24.0", "3.24.0"),
        &[("StackImage", "stack:2")],
        None,
    );
    assert_eq!(
        said(&review),
        ["Modify Service False", "Modify TaskDefinition True"]
    );
    let cause = &review.predicted[1].causes[0];
    assert_eq!(cause.causing.as_deref(), Some("StackImage"));
    assert_eq!(cause.after, "[{Image: stack:2, Name: as}]");
}

#[test]
fn another_launch_configuration_is_followed_by_its_group() {
    let review = reviewed("5-1-ecs-cluster", ("3.19.2", "3.24.0"), &[], None);
    assert_eq!(
        said(&review),
        [
            "Modify AutoScalingGroup Conditional",
            "Modify LaunchConfiguration True"
        ]
    );
}

fn change(logical: &str, kind: &str, replacement: Replacement) -> ResourceChange {
    ResourceChange {
        logical: logical.to_owned(),
        kind: kind.to_owned(),
        action: ChangeAction::Modify,
        replacement,
        physical: None,
        policy: None,
        scope: Vec::new(),
        details: Vec::new(),
    }
}

fn set(changes: Vec<ResourceChange>) -> ChangeSet {
    ChangeSet {
        id: String::new(),
        stack: "prod-2-5-db-timescale-master".to_owned(),
        state: ChangeSetState::Ready,
        changes,
    }
}

#[test]
fn where_the_provider_sees_more_than_we_do_that_is_said_and_counts() {
    let template = "2-5-db-timescale-master";
    let provided = set(vec![
        change("Instance", "AWS::EC2::Instance", Replacement::Always),
        change("Volume", "AWS::EC2::Volume", Replacement::Never),
    ]);
    let review = reviewed(template, ("3.16.0", "3.24.0"), &[], Some(&provided));
    let told: Vec<String> = review
        .disagreements
        .iter()
        .map(|it| format!("{}: {} / {}", it.logical, it.ours, it.theirs))
        .collect();
    assert_eq!(
        told,
        [
            "Volume: not changed / changed in place",
            "VolumeAttachment: changed, perhaps replaced / not changed"
        ]
    );
    assert_eq!(review.dangers[0].text, "it is changed, by the change set");
}

#[test]
fn where_the_provider_sees_a_change_in_place_a_mere_perhaps_of_ours_is_none() {
    let provided = |replacement| {
        let mut set = set(vec![change(
            "ReplicationGroup",
            "AWS::ElastiCache::ReplicationGroup",
            replacement,
        )]);
        set.stack = "prod-2-3-db-redis".to_owned();
        set
    };
    let dangers = |replacement| {
        reviewed(
            "2-3-db-redis",
            ("3.16.2", "3.18.0"),
            &[],
            Some(&provided(replacement)),
        )
        .dangers
    };
    assert_eq!(dangers(Replacement::Never), []);
    assert_eq!(
        dangers(Replacement::Maybe)[0].text,
        "it may be replaced, by the change set"
    );
}
