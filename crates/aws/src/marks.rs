//! Moments to which automated backups can bring databases back, and copies of databases as they were at one.

use aws_sdk_rds::types::{Tag, VpcSecurityGroupMembership};
use aws_smithy_types::DateTime;
use switchback_model::stack::{RecalledCopy, StoreKind};

use crate::account::Account;
use crate::described;
use crate::fault::Fault;
use crate::snapshots::TAG;

/// To which moments a database can be brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// When this was told, by the clock of AWS.
    pub(crate) told: Option<DateTime>,
    /// The first moment; told of clusters alone.
    pub(crate) earliest: Option<DateTime>,
    /// The last one.
    pub(crate) latest: Option<DateTime>,
    /// Over how many days; none where automated backups are off.
    pub(crate) days: i32,
}

impl Reach {
    /// A moment with everything in it that was written before this was told: answers carry whole seconds.
    pub(crate) fn moment(&self) -> Option<DateTime> {
        self.told.map(|told| DateTime::from_secs(told.secs() + 1))
    }

    /// Whether a moment can be brought back by now.
    pub(crate) fn has(&self, moment: DateTime) -> bool {
        let early = self.earliest.is_some_and(|it| it.secs() > moment.secs());
        self.days > 0 && !early && self.latest.is_some_and(|it| it.secs() >= moment.secs())
    }
}

/// How far the automated backups of a database reach; nothing where there is no such database.
pub(crate) fn reach(
    account: &Account,
    kind: StoreKind,
    physical: &str,
) -> Result<Option<Reach>, Fault> {
    let ids = vec![physical.to_owned()];
    let mut reach = match kind {
        StoreKind::DatabaseCluster => {
            let found = described::clusters(account, ids)?;
            found.first().map(|cluster| Reach {
                told: None,
                earliest: cluster.earliest_restorable_time().copied(),
                latest: cluster.latest_restorable_time().copied(),
                days: cluster.backup_retention_period().unwrap_or_default(),
            })
        }
        StoreKind::DatabaseInstance => {
            let found = described::instances(account, described::OF_NAME, ids)?;
            found.first().map(|instance| Reach {
                told: None,
                earliest: None,
                latest: instance.latest_restorable_time().copied(),
                days: instance.backup_retention_period().unwrap_or_default(),
            })
        }
        other => return Err(no_moments(other)),
    };
    if let Some(reach) = &mut reach {
        reach.told = account.calls().answered();
    }
    Ok(reach)
}

/// How a copy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CopyState {
    /// In the service's words.
    Underway(String),
    Available,
    /// It is being removed.
    Going,
    Broken(String),
}

impl CopyState {
    fn of(status: Option<&str>) -> Self {
        match status.unwrap_or_default() {
            "available" => Self::Available,
            "deleting" => Self::Going,
            broken @ ("failed"
            | "incompatible-network"
            | "incompatible-parameters"
            | "incompatible-restore"
            | "inaccessible-encryption-credentials"
            | "insufficient-capacity"
            | "storage-full") => Self::Broken(broken.to_owned()),
            other => Self::Underway(other.to_owned()),
        }
    }
}

/// The copy of this name; nothing where there is none.
pub(crate) fn copy(
    account: &Account,
    kind: StoreKind,
    name: &str,
) -> Result<Option<CopyState>, Fault> {
    let ids = vec![name.to_owned()];
    match kind {
        StoreKind::DatabaseCluster => {
            let found = described::clusters(account, ids)?;
            Ok(found.first().map(|found| CopyState::of(found.status())))
        }
        StoreKind::DatabaseInstance => {
            let found = described::instances(account, described::OF_NAME, ids)?;
            let status =
                |found: &aws_sdk_rds::types::DbInstance| CopyState::of(found.db_instance_status());
            Ok(found.first().map(status))
        }
        other => Err(no_moments(other)),
    }
}

/// Every copy in the region that was not removed, by its name and the tag that [`restore`] gives it.
pub(crate) fn copies(account: &Account) -> Result<Vec<RecalledCopy>, Fault> {
    let mut copies = Vec::new();
    for found in described::all_clusters(account)? {
        if let Some(name) = ours(found.db_cluster_identifier(), found.tag_list()) {
            copies.push(RecalledCopy {
                name,
                kind: StoreKind::DatabaseCluster,
                status: found.status().unwrap_or_default().to_owned(),
                class: None,
                gibibytes: None,
            });
        }
    }
    for found in described::all_instances(account)? {
        if let Some(name) = ours(found.db_instance_identifier(), found.tag_list()) {
            let size = found.allocated_storage();
            copies.push(RecalledCopy {
                name,
                kind: StoreKind::DatabaseInstance,
                status: found.db_instance_status().unwrap_or_default().to_owned(),
                class: found.db_instance_class().map(str::to_owned),
                gibibytes: size.and_then(|size| u64::try_from(size).ok()),
            });
        }
    }
    Ok(copies)
}

/// The name of what we made: others may be called `switchback-…` as well, but are not tagged with their own name.
fn ours(name: Option<&str>, tags: &[Tag]) -> Option<String> {
    let name = name?;
    let tagged = |tag: &Tag| tag.key() == Some(TAG) && tag.value() == Some(name);
    tags.iter().any(tagged).then(|| name.to_owned())
}

/// Begins to make a database of this name as `source` was at a moment, in its network. One that is there is fine.
pub(crate) fn restore(
    account: &Account,
    kind: StoreKind,
    source: &str,
    moment: DateTime,
    name: &str,
) -> Result<(), Fault> {
    let ids = vec![source.to_owned()];
    let tag = Tag::builder().key(TAG).value(name).build();
    let restored = match kind {
        StoreKind::DatabaseCluster => {
            let found = described::clusters(account, ids)?;
            let network = found.first();
            let groups = network.map(|it| ids_of(it.vpc_security_groups()));
            let request = account
                .rds
                .restore_db_cluster_to_point_in_time()
                .source_db_cluster_identifier(source)
                .db_cluster_identifier(name)
                .restore_to_time(moment)
                .set_db_subnet_group_name(network.and_then(|it| it.db_subnet_group.clone()))
                .set_vpc_security_group_ids(groups)
                .deletion_protection(false)
                .tags(tag);
            let answer = account.wait(request.send());
            answer
                .map(drop)
                .map_err(|error| Fault::of("rds:RestoreDBClusterToPointInTime", error))
        }
        StoreKind::DatabaseInstance => {
            let found = described::instances(account, described::OF_NAME, ids)?;
            let network = found.first();
            let subnets = network.and_then(|it| it.db_subnet_group());
            let groups = network.map(|it| ids_of(it.vpc_security_groups()));
            let request = account
                .rds
                .restore_db_instance_to_point_in_time()
                .source_db_instance_identifier(source)
                .target_db_instance_identifier(name)
                .restore_time(moment)
                .set_db_subnet_group_name(subnets.and_then(|it| it.db_subnet_group_name.clone()))
                .set_vpc_security_group_ids(groups)
                .multi_az(false)
                .publicly_accessible(false)
                .deletion_protection(false)
                .tags(tag);
            let answer = account.wait(request.send());
            answer
                .map(drop)
                .map_err(|error| Fault::of("rds:RestoreDBInstanceToPointInTime", error))
        }
        other => Err(no_moments(other)),
    };
    match restored {
        Err(fault) if fault.code.contains("AlreadyExists") => Ok(()),
        restored => restored,
    }
}

fn ids_of(groups: &[VpcSecurityGroupMembership]) -> Vec<String> {
    let ids = groups.iter();
    ids.filter_map(|group| group.vpc_security_group_id.clone())
        .collect()
}

/// Begins to remove a copy for good; one that is gone is fine. `name` is one that [`restore`] was given.
pub(crate) fn remove(account: &Account, kind: StoreKind, name: &str) -> Result<(), Fault> {
    let removed = match kind {
        StoreKind::DatabaseCluster => account
            .wait(
                account
                    .rds
                    .delete_db_cluster()
                    .db_cluster_identifier(name)
                    .skip_final_snapshot(true)
                    .send(),
            )
            .map(drop)
            .map_err(|error| Fault::of("rds:DeleteDBCluster", error)),
        StoreKind::DatabaseInstance => account
            .wait(
                account
                    .rds
                    .delete_db_instance()
                    .db_instance_identifier(name)
                    .skip_final_snapshot(true)
                    .delete_automated_backups(true)
                    .send(),
            )
            .map(drop)
            .map_err(|error| Fault::of("rds:DeleteDBInstance", error)),
        other => Err(no_moments(other)),
    };
    match removed {
        Err(fault) if fault.code.contains("NotFound") => Ok(()),
        removed => removed,
    }
}

fn no_moments(kind: StoreKind) -> Fault {
    let why = format!("a {} has no automated backups", kind.word());
    Fault::answered("mark", "Unsupported".to_owned(), why, 400)
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::DateTime;

    use super::{CopyState, Reach};

    fn reach(earliest: Option<i64>, latest: Option<i64>, days: i32) -> Reach {
        Reach {
            told: Some(DateTime::from_secs(1_200)),
            earliest: earliest.map(DateTime::from_secs),
            latest: latest.map(DateTime::from_secs),
            days,
        }
    }

    #[test]
    fn a_mark_counts_between_the_first_and_the_last_moment_that_can_be_brought_back() {
        let mark = DateTime::from_secs(1_000);
        assert!(reach(Some(10), Some(1_000), 7).has(mark));
        assert!(reach(None, Some(1_001), 7).has(mark));
        assert!(!reach(Some(10), Some(999), 7).has(mark), "not yet");
        assert!(!reach(Some(1_001), Some(2_000), 7).has(mark), "no longer");
        assert!(!reach(Some(10), None, 7).has(mark), "never told");
        assert!(!reach(Some(10), Some(2_000), 0).has(mark), "switched off");
    }

    #[test]
    fn a_mark_is_later_than_everything_before_the_answer() {
        let moment = reach(None, None, 1).moment().map(|moment| moment.secs());
        assert_eq!(moment, Some(1_201), "an answer of 1200.9 says 1200");
        let told = Reach {
            told: None,
            ..reach(None, None, 1)
        };
        assert_eq!(told.moment(), None);
    }

    #[test]
    fn a_copy_is_used_once_it_is_available_and_never_when_it_is_broken() {
        assert_eq!(CopyState::of(Some("available")), CopyState::Available);
        assert_eq!(CopyState::of(Some("deleting")), CopyState::Going);
        let broken = "incompatible-restore".to_owned();
        assert_eq!(CopyState::of(Some(&broken)), CopyState::Broken(broken));
        let word = "backing-up".to_owned();
        assert_eq!(CopyState::of(Some(&word)), CopyState::Underway(word));
    }
}
