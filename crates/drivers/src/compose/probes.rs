//! Questions to the datastores of a running deployment: the definition's probes,
//! and how large things are. What cannot be asked stays unanswered.

use std::collections::BTreeMap;

use switchback_engine::process::{Argv, Secret};
use switchback_model::observed::{Access, Datastore, DatastoreLocation};
use switchback_model::product::{DatastoreKind, Probe};

use super::ask::{answer, info_field, psql, redis};
use super::commands;
use super::deployment::Shared;

const POSTGRES_FACTS: &str = "select current_setting('server_version'), pg_database_size(current_database()), \
     (select coalesce(sum(greatest(reltuples, 0)), 0)::bigint from pg_class where relkind = 'r' \
      and relnamespace not in (select oid from pg_namespace where nspname like 'pg\\_%' or nspname = 'information_schema'))";

/// Asks every probe of the definition.
pub(super) fn ask(shared: &Shared, datastores: &[Datastore]) -> BTreeMap<String, String> {
    let mut answers = BTreeMap::new();
    for (name, probe) in &shared.product.probes {
        let datastore = datastores.iter().find(|datastore| match &probe.datastore {
            Some(wanted) => datastore.name == *wanted,
            None => datastore.location.kind == kind_of(probe),
        });
        let Some(datastore) = datastore.filter(|datastore| datastore.engine.is_some()) else {
            continue;
        };
        if let Some(found) = ask_one(shared, &datastore.location, probe) {
            answers.insert(name.clone(), found);
        }
    }
    answers
}

/// Version, size and rows of a PostgreSQL database.
pub(super) fn postgres_facts(shared: &Shared, datastore: &mut Datastore) -> Result<(), String> {
    let location = &datastore.location;
    let argv = psql(
        location,
        password(shared, location)?.as_ref(),
        POSTGRES_FACTS,
    );
    let line = answer(&shared.commands, &inside(shared, location, argv)?)?;
    let mut values = line.split('|');
    // `15.6 (Debian 15.6-1)`: the rest is whose package it is.
    datastore.engine = values
        .next()
        .and_then(|version| version.split_whitespace().next())
        .map(str::to_owned);
    datastore.size = values.next().and_then(|size| size.parse().ok());
    datastore.count = values.next().and_then(|count| count.parse().ok());
    Ok(())
}

/// Version, memory and keys of a Redis server.
pub(super) fn redis_facts(shared: &Shared, datastore: &mut Datastore) -> Result<(), String> {
    let location = &datastore.location;
    let password = password(shared, location)?;
    let ask = |words: &[&str]| {
        let argv = redis(location, password.as_ref(), words);
        answer(&shared.commands, &inside(shared, location, argv)?)
    };
    let info = ask(&["INFO"])?;
    let keys = ask(&["DBSIZE"])?;
    datastore.engine = info_field(&info, "redis_version").map(str::to_owned);
    datastore.size = info_field(&info, "used_memory").and_then(|size| size.parse().ok());
    datastore.count = keys.parse().ok();
    if datastore.engine.is_none() {
        return Err("INFO names no redis_version".to_owned());
    }
    Ok(())
}

fn ask_one(shared: &Shared, location: &DatastoreLocation, probe: &Probe) -> Option<String> {
    let password = password(shared, location).ok()?;
    let argv = match (&probe.sql, &probe.redis) {
        (Some(sql), _) => psql(location, password.as_ref(), sql),
        (None, Some(key)) => redis(location, password.as_ref(), &["GET", key]),
        (None, None) => return None,
    };
    let found = answer(&shared.commands, &inside(shared, location, argv).ok()?).ok()?;
    match (found.is_empty(), &probe.redis) {
        (false, _) => Some(found),
        (true, Some(_)) => Some("0".to_owned()),
        (true, None) => None,
    }
}

fn kind_of(probe: &Probe) -> DatastoreKind {
    if probe.sql.is_some() {
        DatastoreKind::Postgres
    } else {
        DatastoreKind::Redis
    }
}

fn password(shared: &Shared, location: &DatastoreLocation) -> Result<Option<Secret>, String> {
    location
        .password
        .as_ref()
        .map(|reference| shared.secret(reference))
        .transpose()
        .map_err(|problem| problem.what)
}

/// The command as it has to be started on this host.
fn inside(shared: &Shared, location: &DatastoreLocation, argv: Argv) -> Result<Argv, String> {
    let Access::Container { service } = &location.access else {
        return Ok(argv);
    };
    match shared.running_container(service) {
        Ok(Some(container)) => Ok(commands::exec(&container.id, argv)),
        Ok(None) => Err(format!("service `{service}` does not run")),
        Err(error) => Err(error.to_string()),
    }
}
