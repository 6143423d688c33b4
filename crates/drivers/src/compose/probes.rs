//! Questions to the datastores of a running deployment: the definition's probes,
//! and how large things are. What cannot be asked stays unanswered.

use std::collections::BTreeMap;
use std::path::Path;

use switchback_engine::process::{Argv, Commands, Secret};
use switchback_model::Problem;
use switchback_model::config::SecretRef;
use switchback_model::observed::{Datastore, DatastoreLocation};
use switchback_model::product::{DatastoreKind, Probe, Product};

use super::ask::{answer, info_field, psql, redis};
use crate::filesystem;

const POSTGRES_FACTS: &str = "select current_setting('server_version'), pg_database_size(current_database()), \
     (select coalesce(sum(greatest(reltuples, 0)), 0)::bigint from pg_class where relkind = 'r' \
      and relnamespace not in (select oid from pg_namespace where nspname like 'pg\\_%' or nspname = 'information_schema'))";

/// The means to ask.
pub(crate) struct Asker<'a> {
    /// Runs the client programs.
    pub(crate) commands: &'a Commands,
    /// Reads a secret where it is.
    pub(crate) secret: &'a dyn Fn(&SecretRef) -> Result<Secret, Problem>,
    /// The command as it has to be started on this host to run beside the server.
    pub(crate) inside: &'a dyn Fn(&DatastoreLocation, Argv) -> Result<Argv, String>,
}

/// Asks every probe of the definition.
pub(crate) fn ask(
    product: &Product,
    asker: &Asker<'_>,
    datastores: &[Datastore],
) -> BTreeMap<String, String> {
    let mut answers = BTreeMap::new();
    for (name, probe) in &product.probes {
        let datastore = datastores.iter().find(|datastore| match &probe.datastore {
            Some(wanted) => datastore.name == *wanted,
            None => datastore.location.kind == kind_of(probe),
        });
        let Some(datastore) = datastore.filter(|datastore| datastore.engine.is_some()) else {
            continue;
        };
        if let Some(found) = asker.ask_one(&datastore.location, probe) {
            answers.insert(name.clone(), found);
        }
    }
    answers
}

/// Version, size and rows or keys of a server.
pub(crate) fn facts(asker: &Asker<'_>, datastore: &mut Datastore) -> Result<(), String> {
    match datastore.location.kind {
        DatastoreKind::Postgres => asker.postgres(datastore),
        DatastoreKind::Redis => asker.redis(datastore),
        // It has no client program that every host has: whoever keeps it looks.
        DatastoreKind::Mongodb => Ok(()),
        DatastoreKind::Files => {
            let directory = datastore.location.directory.clone().unwrap_or_default();
            let (count, size) = filesystem::tree_size(Path::new(&directory));
            datastore.count = Some(count);
            datastore.size = Some(size);
            Ok(())
        }
    }
}

impl Asker<'_> {
    fn postgres(&self, datastore: &mut Datastore) -> Result<(), String> {
        let location = &datastore.location;
        let password = self.password(location)?;
        let line = self.answer(location, psql(location, password.as_ref(), POSTGRES_FACTS))?;
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

    fn redis(&self, datastore: &mut Datastore) -> Result<(), String> {
        let location = &datastore.location;
        let password = self.password(location)?;
        let ask = |words: &[&str]| self.answer(location, redis(location, password.as_ref(), words));
        if let Some(user) = location.user.as_deref() {
            is_taken_for(user, ask(&["ACL", "WHOAMI"]))?;
        }
        let info = ask(&["INFO"])?;
        let keys = ask(&["DBSIZE"])?;
        datastore.engine = info_field(&info, "redis_version").map(str::to_owned);
        datastore.size = info_field(&info, "used_memory").and_then(|size| size.parse().ok());
        datastore.count = keys.parse().ok();
        match datastore.engine {
            Some(_) => Ok(()),
            None => Err("INFO names no redis_version".to_owned()),
        }
    }

    /// One probe, where its answer is; `None` where it cannot be asked.
    pub(crate) fn ask_one(&self, location: &DatastoreLocation, probe: &Probe) -> Option<String> {
        let password = self.password(location).ok()?;
        let argv = match (&probe.sql, &probe.redis) {
            (Some(sql), _) => psql(location, password.as_ref(), sql),
            (None, Some(key)) => redis(location, password.as_ref(), &["GET", key]),
            (None, None) => return None,
        };
        let found = self.answer(location, argv).ok()?;
        match (found.is_empty(), &probe.redis) {
            (false, _) => Some(found),
            (true, Some(_)) => Some("0".to_owned()),
            (true, None) => None,
        }
    }

    fn answer(&self, location: &DatastoreLocation, argv: Argv) -> Result<String, String> {
        answer(self.commands, &(self.inside)(location, argv)?)
    }

    fn password(&self, location: &DatastoreLocation) -> Result<Option<Secret>, String> {
        location
            .password
            .as_ref()
            .map(|reference| (self.secret)(reference))
            .transpose()
            .map_err(|problem| problem.what)
    }
}

/// Where a login fails, `redis-cli` goes on as the default user, and one without a password may do everything: so the
/// server is asked whom it talks to. A user who may not ask that is known to it.
fn is_taken_for(user: &str, told: Result<String, String>) -> Result<(), String> {
    match told {
        Ok(found) if found == user || user.is_empty() => Ok(()),
        Ok(found) => Err(format!(
            "it does not let `{user}` in, and takes whoever asks for `{found}`"
        )),
        Err(refused) if refused.starts_with("NOPERM") => Ok(()),
        Err(other) => Err(other),
    }
}

fn kind_of(probe: &Probe) -> DatastoreKind {
    if probe.sql.is_some() {
        DatastoreKind::Postgres
    } else {
        DatastoreKind::Redis
    }
}

#[cfg(test)]
mod tests {
    use super::is_taken_for;

    #[test]
    fn a_login_that_failed_is_no_login() {
        let taken = |told: Result<&str, &str>| {
            is_taken_for("ada", told.map(str::to_owned).map_err(str::to_owned))
        };
        assert_eq!(taken(Ok("ada")), Ok(()));
        assert_eq!(
            taken(Ok("default")),
            Err("it does not let `ada` in, and takes whoever asks for `default`".to_owned())
        );
        // Only somebody who was let in is told what he may not do.
        let refused = "NOPERM User ada has no permissions to run the 'acl|whoami' command";
        assert_eq!(taken(Err(refused)), Ok(()));
        assert_eq!(
            taken(Err("Connection refused")),
            Err("Connection refused".to_owned())
        );
    }
}
