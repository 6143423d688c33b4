//! Snapshots of what holds data, by the services that hold it. They are taken while it serves: databases and
//! replication groups keep them consistent; a volume's is what a power cut would leave.

use aws_sdk_elasticache::types::Tag as CacheTag;
use aws_sdk_rds::types::Tag as DatabaseTag;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use switchback_model::Digest;
use switchback_model::stack::StoreKind;

use crate::account::Account;
use crate::fault::Fault;
use crate::{signed, xml};

/// Under this key, everything that is tagged says whose it is.
pub(crate) const TAG: &str = "switchback";

/// A snapshot as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// What a stack is given to make the store from it: an ARN, an id or a name.
    pub(crate) handle: String,
    pub(crate) state: SnapshotState,
    /// When it was taken, where that is told.
    pub(crate) at: Option<String>,
}

/// How far a snapshot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SnapshotState {
    /// Percent, where that is told.
    Underway(Option<u64>),
    Complete,
    Failed(String),
}

/// The name of the snapshot that a round of `run` takes of a store; short enough for every service.
pub(crate) fn name(run: &str, round: u32, stack: &str, logical: &str) -> String {
    let digest = Digest::of(format!("{run}\n{round}\n{stack}\n{logical}"));
    format!("switchback-{}", digest.short())
}

/// The snapshot of this name; nothing where there is none.
pub(crate) fn look(account: &Account, kind: StoreKind, name: &str) -> Result<Option<Taken>, Fault> {
    let found = match kind {
        StoreKind::DatabaseCluster => cluster(account, name),
        StoreKind::DatabaseInstance => instance(account, name),
        StoreKind::ReplicationGroup => group(account, name),
        StoreKind::Volume => volume(account, name),
        other => Err(no_snapshot(other)),
    };
    match found {
        Err(fault) if fault.code.contains("SnapshotNotFound") => Ok(None),
        found => found,
    }
}

/// Begins a snapshot. One of this name that is there already is fine.
pub(crate) fn take(
    account: &Account,
    kind: StoreKind,
    physical: &str,
    name: &str,
) -> Result<(), Fault> {
    let taken = match kind {
        StoreKind::DatabaseCluster => account
            .wait(
                account
                    .rds
                    .create_db_cluster_snapshot()
                    .db_cluster_identifier(physical)
                    .db_cluster_snapshot_identifier(name)
                    .tags(DatabaseTag::builder().key(TAG).value(name).build())
                    .send(),
            )
            .map(drop)
            .map_err(|error| Fault::of("rds:CreateDBClusterSnapshot", error)),
        StoreKind::DatabaseInstance => account
            .wait(
                account
                    .rds
                    .create_db_snapshot()
                    .db_instance_identifier(physical)
                    .db_snapshot_identifier(name)
                    .tags(DatabaseTag::builder().key(TAG).value(name).build())
                    .send(),
            )
            .map(drop)
            .map_err(|error| Fault::of("rds:CreateDBSnapshot", error)),
        StoreKind::ReplicationGroup => account
            .wait(
                account
                    .elasticache
                    .create_snapshot()
                    .replication_group_id(physical)
                    .snapshot_name(name)
                    .tags(CacheTag::builder().key(TAG).value(name).build())
                    .send(),
            )
            .map(drop)
            .map_err(|error| Fault::of("elasticache:CreateSnapshot", error)),
        StoreKind::Volume => signed::ec2(
            account,
            "CreateSnapshot",
            &[
                ("VolumeId", physical),
                ("Description", name),
                ("TagSpecification.1.ResourceType", "snapshot"),
                ("TagSpecification.1.Tag.1.Key", TAG),
                ("TagSpecification.1.Tag.1.Value", name),
            ],
        )
        .map(drop),
        other => Err(no_snapshot(other)),
    };
    match taken {
        Err(fault) if fault.code.contains("AlreadyExists") => Ok(()),
        taken => taken,
    }
}

/// Removes a database's snapshot of this name; one that is gone already is fine.
pub(crate) fn remove(account: &Account, kind: StoreKind, name: &str) -> Result<(), Fault> {
    let removed = match kind {
        StoreKind::DatabaseCluster => account
            .wait(
                account
                    .rds
                    .delete_db_cluster_snapshot()
                    .db_cluster_snapshot_identifier(name)
                    .send(),
            )
            .map(drop)
            .map_err(|error| Fault::of("rds:DeleteDBClusterSnapshot", error)),
        StoreKind::DatabaseInstance => account
            .wait(
                account
                    .rds
                    .delete_db_snapshot()
                    .db_snapshot_identifier(name)
                    .send(),
            )
            .map(drop)
            .map_err(|error| Fault::of("rds:DeleteDBSnapshot", error)),
        other => Err(no_snapshot(other)),
    };
    match removed {
        Err(fault) if fault.code.contains("SnapshotNotFound") => Ok(()),
        removed => removed,
    }
}

fn no_snapshot(kind: StoreKind) -> Fault {
    let why = format!("a {} has no snapshots", kind.word());
    Fault::answered("snapshot", "Unsupported".to_owned(), why, 400)
}

fn cluster(account: &Account, name: &str) -> Result<Option<Taken>, Fault> {
    let request = account
        .rds
        .describe_db_cluster_snapshots()
        .db_cluster_snapshot_identifier(name);
    let answer = account
        .wait(request.send())
        .map_err(|error| Fault::of("rds:DescribeDBClusterSnapshots", error))?;
    Ok(answer.db_cluster_snapshots().first().map(|found| Taken {
        handle: found
            .db_cluster_snapshot_arn()
            .unwrap_or_default()
            .to_owned(),
        state: state(found.status(), found.percent_progress()),
        at: found.snapshot_create_time().and_then(written),
    }))
}

fn instance(account: &Account, name: &str) -> Result<Option<Taken>, Fault> {
    let request = account
        .rds
        .describe_db_snapshots()
        .db_snapshot_identifier(name);
    let answer = account
        .wait(request.send())
        .map_err(|error| Fault::of("rds:DescribeDBSnapshots", error))?;
    Ok(answer.db_snapshots().first().map(|found| Taken {
        handle: found.db_snapshot_arn().unwrap_or_default().to_owned(),
        state: state(found.status(), found.percent_progress()),
        at: found.snapshot_create_time().and_then(written),
    }))
}

fn group(account: &Account, name: &str) -> Result<Option<Taken>, Fault> {
    let request = account.elasticache.describe_snapshots().snapshot_name(name);
    let answer = account
        .wait(request.send())
        .map_err(|error| Fault::of("elasticache:DescribeSnapshots", error))?;
    Ok(answer.snapshots().first().map(|found| Taken {
        handle: found.snapshot_name().unwrap_or_default().to_owned(),
        state: state(found.snapshot_status(), None),
        at: found
            .node_snapshots()
            .first()
            .and_then(|node| node.snapshot_create_time())
            .and_then(written),
    }))
}

fn volume(account: &Account, name: &str) -> Result<Option<Taken>, Fault> {
    const ACTION: &str = "ec2:DescribeSnapshots";
    let filter = format!("tag:{TAG}");
    let answer = signed::ec2(
        account,
        "DescribeSnapshots",
        &[
            ("Owner.1", "self"),
            ("Filter.1.Name", &filter),
            ("Filter.1.Value.1", name),
        ],
    )?;
    let document = xml::parse(ACTION, &answer)?;
    let found = xml::items(document.root_element(), "snapshotSet").next();
    Ok(found.and_then(|item| {
        let percent = xml::text(item, &["progress"])
            .and_then(|progress| progress.trim_end_matches('%').parse().ok());
        Some(Taken {
            handle: xml::text(item, &["snapshotId"])?.to_owned(),
            state: state(xml::text(item, &["status"]), percent),
            at: xml::text(item, &["startTime"]).map(str::to_owned),
        })
    }))
}

/// A moment as the services write it.
pub(crate) fn written(at: &DateTime) -> Option<String> {
    at.fmt(Format::DateTime).ok()
}

/// The words of all four services.
fn state(status: Option<&str>, percent: Option<i32>) -> SnapshotState {
    match status.unwrap_or_default() {
        "available" | "completed" => SnapshotState::Complete,
        "creating" | "pending" | "copying" | "backing-up" => {
            SnapshotState::Underway(percent.and_then(|percent| u64::try_from(percent).ok()))
        }
        other => SnapshotState::Failed(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{SnapshotState, name, state};

    #[test]
    fn names_fit_every_service_and_no_other_run_or_round() {
        let stack = "2-5-db-timescale-master";
        let one = name("switchback-r-1-p-1", 1, stack, "Volume");
        assert!(one.len() <= 50, "ElastiCache takes fifty letters: {one}");
        for other in [
            name("switchback-r-2-p-1", 1, stack, "Volume"),
            name("switchback-r-1-p-1", 2, stack, "Volume"),
            name("switchback-r-1-p-1", 1, stack, "Data"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn an_unknown_state_is_a_failure_and_not_a_snapshot() {
        assert_eq!(state(Some("available"), None), SnapshotState::Complete);
        assert_eq!(
            state(Some("pending"), Some(41)),
            SnapshotState::Underway(Some(41))
        );
        assert_eq!(
            state(Some("error"), None),
            SnapshotState::Failed("error".to_owned())
        );
        assert_eq!(state(None, None), SnapshotState::Failed(String::new()));
    }
}
