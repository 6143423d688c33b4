//! Databases, replication groups, volumes, machines, and who asks.

use std::thread;
use std::time::Duration;

use switchback_testkit::aws::{ACCOUNT, StandIn};

use crate::ask::{Asked, all, given, made, refused, want, within};

const LOGIN: [(&str, &str); 2] = [
    ("MasterUsername", "postgres"),
    ("MasterUserPassword", "changeme1234"),
];

fn cluster(it: &StandIn, name: &str) -> Result<String, String> {
    let mut form = vec![
        ("DBClusterIdentifier", name),
        ("Engine", "aurora-postgresql"),
    ];
    form.extend(LOGIN);
    given(it, "rds", "CreateDBCluster", &form)
}

pub(crate) fn databases_are_snapshotted(it: &StandIn) -> Asked {
    let mut form = vec![
        ("DBInstanceIdentifier", "d1"),
        ("Engine", "postgres"),
        ("DBInstanceClass", "db.t3.micro"),
        ("AllocatedStorage", "20"),
    ];
    form.extend(LOGIN);
    given(it, "rds", "CreateDBInstance", &form)?;
    cluster(it, "d3")?;
    for (kind, store, name) in [
        ("DBSnapshot", "DBInstance", "d1"),
        ("DBClusterSnapshot", "DBCluster", "d3"),
    ] {
        let (snapshot, source) = (format!("{kind}Identifier"), format!("{store}Identifier"));
        let missing = [(snapshot.as_str(), "nobody")];
        refused(
            it,
            "rds",
            &format!("Describe{kind}s"),
            &missing,
            "SnapshotNotFound",
        )?;
        let taken = format!("battery-{name}");
        let of = [(snapshot.as_str(), taken.as_str())];
        given(
            it,
            "rds",
            &format!("Create{kind}"),
            &[of[0], (source.as_str(), name)],
        )?;
        let told = given(it, "rds", &format!("Describe{kind}s"), &of)?;
        want(within(&told, "Status") == Some("available"), told.clone())?;
    }
    Ok(())
}

pub(crate) fn replication_groups_are_snapshotted(it: &StandIn) -> Asked {
    let form = [
        ("ReplicationGroupId", "d5"),
        ("ReplicationGroupDescription", "d5"),
        ("Engine", "redis"),
        ("CacheNodeType", "cache.t3.small"),
        ("NumCacheClusters", "1"),
    ];
    given(it, "elasticache", "CreateReplicationGroup", &form)?;
    let of = [("SnapshotName", "battery-d5")];
    given(
        it,
        "elasticache",
        "CreateSnapshot",
        &[of[0], ("ReplicationGroupId", "d5")],
    )?;
    let told = given(it, "elasticache", "DescribeSnapshots", &of)?;
    want(
        within(&told, "SnapshotStatus") == Some("available"),
        told.clone(),
    )
}

pub(crate) fn volumes_are_snapshotted(it: &StandIn) -> Asked {
    let form = [("AvailabilityZone", "us-east-1a"), ("Size", "8")];
    let told = given(it, "ec2", "CreateVolume", &form)?;
    let volume = within(&told, "volumeId").unwrap_or_default();
    let form = [
        ("VolumeId", volume),
        ("TagSpecification.1.ResourceType", "snapshot"),
        ("TagSpecification.1.Tag.1.Key", "switchback"),
        ("TagSpecification.1.Tag.1.Value", "battery-d7"),
    ];
    given(it, "ec2", "CreateSnapshot", &form)?;
    let nobody = [("VolumeId", "vol-00000000000000000")];
    refused(it, "ec2", "CreateSnapshot", &nobody, "NotFound")?;
    let form = [
        ("Filter.1.Name", "tag:switchback"),
        ("Filter.1.Value.1", "battery-d7"),
    ];
    let told = given(it, "ec2", "DescribeSnapshots", &form)?;
    want(
        within(&told, "status") == Some("completed") && within(&told, "progress") == Some("100%"),
        told.clone(),
    )
}

pub(crate) fn machines_end_unless_protected(it: &StandIn) -> Asked {
    let form = [
        ("ImageId", "ami-12c6146b"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
    ];
    let told = given(it, "ec2", "RunInstances", &form)?;
    let id = within(&told, "instanceId").unwrap_or_default();
    let of = [("InstanceId.1", id)];
    let protect = |word| {
        let form = [("InstanceId", id), ("DisableApiTermination.Value", word)];
        given(it, "ec2", "ModifyInstanceAttribute", &form).map(drop)
    };
    protect("true")?;
    refused(
        it,
        "ec2",
        "TerminateInstances",
        &of,
        "OperationNotPermitted",
    )?;
    protect("false")?;
    given(it, "ec2", "TerminateInstances", &of)?;
    let told = given(it, "ec2", "DescribeInstances", &of)?;
    let state = within(&told, "instanceState").unwrap_or_default();
    want(within(state, "name") == Some("terminated"), told.clone())
}

pub(crate) fn moments_move_on_and_are_restored(it: &StandIn) -> Asked {
    cluster(it, "d11")?;
    let latest = || {
        let told = given(
            it,
            "rds",
            "DescribeDBClusters",
            &[("DBClusterIdentifier", "d11")],
        )?;
        let latest = within(&told, "LatestRestorableTime").map(str::to_owned);
        latest.ok_or(told)
    };
    let first = latest()?;
    thread::sleep(Duration::from_millis(1_100));
    let second = latest()?;
    want(
        first < second,
        format!("{first} and {second} a second later"),
    )?;
    let form = [
        ("SourceDBClusterIdentifier", "d11"),
        ("DBClusterIdentifier", "d11-then"),
        ("RestoreToTime", second.as_str()),
    ];
    given(it, "rds", "RestoreDBClusterToPointInTime", &form)?;
    let told = given(
        it,
        "rds",
        "DescribeDBClusters",
        &[("DBClusterIdentifier", "d11-then")],
    )?;
    want(within(&told, "Status") == Some("available"), told.clone())
}

pub(crate) fn a_group_replaces_what_is_ended(it: &StandIn) -> Asked {
    let text = include_str!("../../../aws/tests/templates/v1/machines.yml");
    made(it, "f4", text, &[("ImageId", "ami-12c6146b")])?;
    let machines = || {
        let told = given(it, "autoscaling", "DescribeAutoScalingGroups", &[])?;
        let mut ids: Vec<String> = all(&told, "InstanceId")
            .into_iter()
            .map(str::to_owned)
            .collect();
        ids.sort_unstable();
        Ok::<_, String>(ids)
    };
    let before = machines()?;
    want(before.len() == 2, format!("{before:?}"))?;
    let form = [
        ("InstanceId", before[0].as_str()),
        ("ShouldDecrementDesiredCapacity", "false"),
    ];
    given(
        it,
        "autoscaling",
        "TerminateInstanceInAutoScalingGroup",
        &form,
    )?;
    let after = machines()?;
    want(
        after.len() == 2 && !after.contains(&before[0]),
        format!("{before:?}, then {after:?}"),
    )
}

pub(crate) fn who_asks_is_told(it: &StandIn) -> Asked {
    let told = given(it, "sts", "GetCallerIdentity", &[])?;
    want(within(&told, "Account") == Some(ACCOUNT), told.clone())
}

/// A refresh takes its time, and machines are others in the end.
pub(crate) fn a_group_refreshes_its_machines(it: &StandIn) -> Asked {
    let text = include_str!("../../../aws/tests/templates/v1/machines.yml");
    made(it, "f1", text, &[("ImageId", "ami-12c6146b")])?;
    let told = given(it, "autoscaling", "DescribeAutoScalingGroups", &[])?;
    let name = within(&told, "AutoScalingGroupName").unwrap_or_default();
    let before = all(&told, "InstanceId").len();
    want(before > 0, format!("no machines: {told}"))?;
    let of = [("AutoScalingGroupName", name)];
    given(it, "autoscaling", "StartInstanceRefresh", &of)?;
    let told = given(it, "autoscaling", "DescribeInstanceRefreshes", &of)?;
    want(within(&told, "Status") != Some("Successful"), told.clone())
}
