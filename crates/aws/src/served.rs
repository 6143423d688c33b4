//! How stores are reached, and what a database like one of them is made of.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_rds::types::{DbCluster, DbInstance};
use switchback_engine::ports::Failure;
use switchback_model::stack::{Database, Served, Store, StoreKind};

use crate::account::Account;
use crate::calls::Phase;
use crate::described;
use crate::fault::Fault;

/// Groups of settings that an engine brings along.
const OWN_SETTINGS: &str = "default.";
/// A server whose size is a range of its cluster: a copy of it is not made.
const SERVERLESS: &str = "db.serverless";

/// How each of these stores is reached. One question per kind of server, however many there are.
pub fn served(account: &Account, stores: &[Store]) -> Result<Vec<Served>, Failure> {
    account.calls().enter(Phase::Plan);
    let found = asked(account, stores);
    found.map_err(|fault| fault.failure("cannot look at how databases are reached"))
}

fn asked(account: &Account, stores: &[Store]) -> Result<Vec<Served>, Fault> {
    let ids = |kind: StoreKind| -> Vec<String> {
        let of_kind = stores.iter().filter(|store| store.kind == kind);
        of_kind.map(|store| store.physical.clone()).collect()
    };
    let clusters = described::clusters(account, ids(StoreKind::DatabaseCluster))?;
    let mut servers = described::instances(
        account,
        described::OF_CLUSTER,
        ids(StoreKind::DatabaseCluster),
    )?;
    servers.extend(described::instances(
        account,
        described::OF_NAME,
        ids(StoreKind::DatabaseInstance),
    )?);
    let groups = addresses(account, &ids(StoreKind::ReplicationGroup))?;
    let of = |store: &Store| {
        let (mut addresses, database) = match store.kind {
            StoreKind::DatabaseCluster => of_cluster(&clusters, &servers, &store.physical),
            StoreKind::DatabaseInstance => of_instance(&servers, &store.physical),
            StoreKind::ReplicationGroup => (
                groups.get(&store.physical).cloned().unwrap_or_default(),
                None,
            ),
            _ => (BTreeSet::new(), None),
        };
        addresses.retain(|address| !address.is_empty());
        Served {
            store: store.clone(),
            addresses: addresses.iter().map(|it| it.to_ascii_lowercase()).collect(),
            database,
        }
    };
    Ok(stores.iter().map(of).collect())
}

fn of_cluster(
    clusters: &[DbCluster],
    servers: &[DbInstance],
    id: &str,
) -> (BTreeSet<String>, Option<Database>) {
    let Some(cluster) = clusters
        .iter()
        .find(|cluster| cluster.db_cluster_identifier() == Some(id))
    else {
        return (BTreeSet::new(), None);
    };
    let members: Vec<&DbInstance> = servers
        .iter()
        .filter(|server| server.db_cluster_identifier() == Some(id))
        .collect();
    let mut addresses: BTreeSet<String> = [cluster.endpoint(), cluster.reader_endpoint()]
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect();
    addresses.extend(cluster.custom_endpoints().iter().cloned());
    addresses.extend(members.iter().filter_map(|server| address(server)));
    let writes = cluster
        .db_cluster_members()
        .iter()
        .find(|member| member.is_cluster_writer() == Some(true))
        .and_then(|member| member.db_instance_identifier());
    let writer = members
        .iter()
        .find(|server| server.db_instance_identifier() == writes)
        .or_else(|| members.first());
    let database = writer.and_then(|writer| {
        Some(Database {
            engine: cluster.engine()?.to_owned(),
            version: cluster.engine_version()?.to_owned(),
            class: class(writer)?,
            port: port(cluster.port())?,
            subnets: cluster.db_subnet_group()?.to_owned(),
            network: network(writer)?,
            settings: settings(cluster.db_cluster_parameter_group()),
        })
    });
    (addresses, database)
}

fn of_instance(servers: &[DbInstance], id: &str) -> (BTreeSet<String>, Option<Database>) {
    let Some(server) = servers
        .iter()
        .find(|server| server.db_instance_identifier() == Some(id))
    else {
        return (BTreeSet::new(), None);
    };
    let group = server.db_subnet_group();
    let settings = server
        .db_parameter_groups()
        .first()
        .and_then(|group| settings(group.db_parameter_group_name()));
    let database = || {
        Some(Database {
            engine: server.engine()?.to_owned(),
            version: server.engine_version()?.to_owned(),
            class: class(server)?,
            port: port(server.endpoint()?.port())?,
            subnets: group?.db_subnet_group_name()?.to_owned(),
            network: network(server)?,
            settings,
        })
    };
    (address(server).into_iter().collect(), database())
}

fn address(server: &DbInstance) -> Option<String> {
    server.endpoint()?.address().map(str::to_owned)
}

fn class(server: &DbInstance) -> Option<String> {
    let class = server.db_instance_class()?;
    (class != SERVERLESS).then(|| class.to_owned())
}

fn port(port: Option<i32>) -> Option<u16> {
    u16::try_from(port?).ok()
}

fn network(server: &DbInstance) -> Option<String> {
    server.db_subnet_group()?.vpc_id().map(str::to_owned)
}

fn settings(name: Option<&str>) -> Option<String> {
    name.filter(|name| !name.is_empty() && !name.starts_with(OWN_SETTINGS))
        .map(str::to_owned)
}

/// Every address of replication groups.
fn addresses(
    account: &Account,
    ids: &[String],
) -> Result<BTreeMap<String, BTreeSet<String>>, Fault> {
    let groups = described::groups(account, ids)?;
    let addresses = groups.iter().map(|group| {
        let nodes = group.node_groups();
        let servers = nodes.iter().flat_map(|node| node.node_group_members());
        let endpoints = nodes
            .iter()
            .flat_map(|node| [node.primary_endpoint(), node.reader_endpoint()])
            .chain([group.configuration_endpoint()])
            .chain(servers.map(|server| server.read_endpoint()));
        let addresses = endpoints
            .flatten()
            .filter_map(|endpoint| endpoint.address())
            .map(str::to_owned);
        let id = group.replication_group_id().unwrap_or_default();
        (id.to_owned(), addresses.collect())
    });
    Ok(addresses.collect())
}
