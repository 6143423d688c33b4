//! What holds data in the account.

use std::collections::BTreeMap;

use switchback_model::stack::{History, Stack, Store, StoreKind};

use crate::account::Account;
use crate::described;
use crate::fault::Fault;
use crate::{signed, xml};

/// What a service tells of a store.
#[derive(Clone, Debug, Default)]
struct Told {
    engine: Option<String>,
    gibibytes: Option<u64>,
    history: Option<History>,
    /// It belongs to a cluster, which holds its data.
    of_cluster: bool,
}

/// Everything of these stacks that holds data. One question per kind, however many there are.
pub(crate) fn of_stacks(account: &Account, stacks: &[Stack]) -> Result<Vec<Store>, Fault> {
    let mut stores: Vec<Store> = stacks
        .iter()
        .flat_map(|stack| {
            stack
                .resources
                .iter()
                .map(move |resource| (stack, resource))
        })
        .filter_map(|(stack, resource)| {
            Some(Store {
                stack: stack.name.clone(),
                logical: resource.logical.clone(),
                physical: resource.physical.clone()?,
                kind: StoreKind::of(&resource.kind)?,
                engine: None,
                gibibytes: None,
                history: None,
            })
        })
        .collect();
    let ids = |kind: StoreKind| -> Vec<String> {
        let of_kind = stores.iter().filter(|store| store.kind == kind);
        of_kind.map(|store| store.physical.clone()).collect()
    };
    let mut told = BTreeMap::new();
    told.extend(clusters(account, ids(StoreKind::DatabaseCluster))?);
    told.extend(instances(account, ids(StoreKind::DatabaseInstance))?);
    told.extend(groups(account, &ids(StoreKind::ReplicationGroup))?);
    told.extend(volumes(account, &ids(StoreKind::Volume))?);
    told.extend(buckets(account, ids(StoreKind::Bucket))?);
    stores.retain_mut(|store| {
        let Some(told) = told.get(&store.physical) else {
            return true;
        };
        store.engine.clone_from(&told.engine);
        store.gibibytes = told.gibibytes;
        store.history = told.history;
        !told.of_cluster
    });
    Ok(stores)
}

fn clusters(account: &Account, ids: Vec<String>) -> Result<Vec<(String, Told)>, Fault> {
    let clusters = described::clusters(account, ids)?;
    let told = clusters.iter().map(|cluster| {
        let told = Told {
            engine: engine(cluster.engine(), cluster.engine_version()),
            gibibytes: cluster.allocated_storage().and_then(more_than_one),
            history: cluster.backup_retention_period().map(moments),
            of_cluster: false,
        };
        (name(cluster.db_cluster_identifier()), told)
    });
    Ok(told.collect())
}

fn instances(account: &Account, ids: Vec<String>) -> Result<Vec<(String, Told)>, Fault> {
    let instances = described::instances(account, described::OF_NAME, ids)?;
    let told = instances.iter().map(|instance| {
        let told = Told {
            engine: engine(instance.engine(), instance.engine_version()),
            gibibytes: instance.allocated_storage().and_then(more_than_one),
            history: instance.backup_retention_period().map(moments),
            of_cluster: instance
                .db_cluster_identifier()
                .is_some_and(|cluster| !cluster.is_empty()),
        };
        (name(instance.db_instance_identifier()), told)
    });
    Ok(told.collect())
}

fn groups(account: &Account, ids: &[String]) -> Result<Vec<(String, Told)>, Fault> {
    let groups = described::groups(account, ids)?;
    let told = groups.iter().map(|group| {
        let told = Told {
            engine: group.engine().map(str::to_owned),
            ..Told::default()
        };
        (name(group.replication_group_id()), told)
    });
    Ok(told.collect())
}

fn volumes(account: &Account, ids: &[String]) -> Result<Vec<(String, Told)>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let answer = signed::ec2_by_ids(account, "DescribeVolumes", "volume-id", ids)?;
    let document = xml::parse("ec2:DescribeVolumes", &answer)?;
    let told = xml::items(document.root_element(), "volumeSet").filter_map(|item| {
        let told = Told {
            gibibytes: xml::text(item, &["size"]).and_then(|size| size.parse().ok()),
            ..Told::default()
        };
        Some((xml::text(item, &["volumeId"])?.to_owned(), told))
    });
    Ok(told.collect())
}

/// One question each: S3 knows no other.
fn buckets(account: &Account, names: Vec<String>) -> Result<Vec<(String, Told)>, Fault> {
    let told = names.into_iter().map(|name| {
        let history = match signed::s3_keeps_versions(account, &name) {
            Ok(true) => Some(History::Versions),
            Ok(false) => Some(History::Nothing),
            Err(fault) if fault.is("NoSuchBucket") => None,
            Err(fault) => return Err(fault),
        };
        let told = Told {
            history,
            ..Told::default()
        };
        Ok((name, told))
    });
    told.collect()
}

/// A retention of no days is how automated backups are switched off.
fn moments(days: i32) -> History {
    match u32::try_from(days) {
        Ok(days @ 1..) => History::Moments { days },
        _ => History::Nothing,
    }
}

fn engine(name: Option<&str>, version: Option<&str>) -> Option<String> {
    let name = name?;
    Some(version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}")))
}

/// Storage that grows by itself is told as one gibibyte.
fn more_than_one(gibibytes: i32) -> Option<u64> {
    u64::try_from(gibibytes).ok().filter(|size| *size > 1)
}

fn name(id: Option<&str>) -> String {
    id.unwrap_or_default().to_owned()
}
