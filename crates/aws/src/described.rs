//! Servers as their services describe them, one question per kind.

use aws_sdk_elasticache::types::ReplicationGroup;
use aws_sdk_rds::types::{DbCluster, DbInstance, Filter};

use crate::account::Account;
use crate::fault::Fault;

/// Key of [`instances`]: by their own names.
pub(crate) const OF_NAME: &str = "db-instance-id";
/// Key of [`instances`]: by the names of their clusters.
pub(crate) const OF_CLUSTER: &str = "db-cluster-id";

/// Clusters of databases by name.
pub(crate) fn clusters(account: &Account, ids: Vec<String>) -> Result<Vec<DbCluster>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let request = account
        .rds
        .describe_db_clusters()
        .filters(filter(OF_CLUSTER, ids));
    let answer = account
        .wait(request.send())
        .map_err(|error| Fault::of("rds:DescribeDBClusters", error))?;
    Ok(answer.db_clusters.unwrap_or_default())
}

/// Database servers by [`OF_NAME`] or [`OF_CLUSTER`].
pub(crate) fn instances(
    account: &Account,
    key: &str,
    ids: Vec<String>,
) -> Result<Vec<DbInstance>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let request = account
        .rds
        .describe_db_instances()
        .filters(filter(key, ids));
    let answer = account
        .wait(request.send())
        .map_err(|error| Fault::of("rds:DescribeDBInstances", error))?;
    Ok(answer.db_instances.unwrap_or_default())
}

/// Every cluster of databases in the region.
pub(crate) fn all_clusters(account: &Account) -> Result<Vec<DbCluster>, Fault> {
    let pages = account.rds.describe_db_clusters().into_paginator();
    let all = account.wait(pages.items().send().collect::<Result<Vec<_>, _>>());
    all.map_err(|error| Fault::of("rds:DescribeDBClusters", error))
}

/// Every database server in the region.
pub(crate) fn all_instances(account: &Account) -> Result<Vec<DbInstance>, Fault> {
    let pages = account.rds.describe_db_instances().into_paginator();
    let all = account.wait(pages.items().send().collect::<Result<Vec<_>, _>>());
    all.map_err(|error| Fault::of("rds:DescribeDBInstances", error))
}

/// Replication groups of caches by name.
pub(crate) fn groups(account: &Account, ids: &[String]) -> Result<Vec<ReplicationGroup>, Fault> {
    let mut found = Vec::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let mut pages = account
        .elasticache
        .describe_replication_groups()
        .into_paginator()
        .items()
        .send();
    while let Some(group) = account.wait(pages.next()) {
        let group =
            group.map_err(|error| Fault::of("elasticache:DescribeReplicationGroups", error))?;
        if group
            .replication_group_id()
            .is_some_and(|id| ids.iter().any(|wanted| wanted == id))
        {
            found.push(group);
        }
    }
    Ok(found)
}

fn filter(key: &str, ids: Vec<String>) -> Filter {
    Filter::builder().name(key).set_values(Some(ids)).build()
}
