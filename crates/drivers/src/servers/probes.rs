//! Questions to the datastores of a running deployment: the definition's probes,
//! and how large things are. What cannot be asked stays unanswered.

use std::collections::BTreeMap;
use std::path::Path;

use switchback_engine::process::{Argv, Commands, Secret};
use switchback_model::Problem;
use switchback_model::config::SecretRef;
use switchback_model::observed::{Datastore, DatastoreLocation};
use switchback_model::product::{DatastoreKind, Probe, Product};

use super::ask::{self, Questions, info_field, psql, redis};
use super::problems;
use super::server::Server;
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

impl Asker<'_> {
    /// Asks every probe of the definition, those of one server together.
    pub(crate) fn answers(
        &self,
        product: &Product,
        datastores: &[Datastore],
    ) -> BTreeMap<String, String> {
        let mut asked: Vec<Vec<(&String, &Probe)>> = vec![Vec::new(); datastores.len()];
        for (name, probe) in &product.probes {
            let place = datastores
                .iter()
                .position(|datastore| match &probe.datastore {
                    Some(wanted) => datastore.name == *wanted,
                    None => datastore.location.kind == kind_of(probe),
                });
            if let Some(place) = place.filter(|place| datastores[*place].engine.is_some()) {
                asked[place].push((name, probe));
            }
        }
        let mut answers = BTreeMap::new();
        for (datastore, named) in datastores.iter().zip(asked) {
            let probes: Vec<&Probe> = named.iter().map(|(_, probe)| *probe).collect();
            let found = self.probed(&datastore.location, &probes);
            for ((name, _), found) in named.into_iter().zip(found) {
                answers.extend(found.map(|found| (name.clone(), found)));
            }
        }
        answers
    }

    /// Fills in version, size and rows or keys as far as the server tells; what is in the way where it does not.
    pub(crate) fn look(&self, datastore: &mut Datastore, server: &Server) -> Option<Problem> {
        let output = self.facts(datastore).err()?;
        // A password that cannot be read here is our trouble, not the server's.
        let password = datastore.location.password.as_ref();
        let unread = password.and_then(|reference| (self.secret)(reference).err());
        Some(match unread {
            Some(problem) => problems::password_unread(&datastore.name, problem),
            None => problems::silent(&datastore.name, server, &output),
        })
    }

    fn facts(&self, datastore: &mut Datastore) -> Result<(), String> {
        match datastore.location.kind {
            DatastoreKind::Postgres => self.postgres(datastore),
            DatastoreKind::Redis => self.redis(datastore),
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

    fn postgres(&self, datastore: &mut Datastore) -> Result<(), String> {
        let location = &datastore.location;
        let password = self.password(location)?;
        let questions = psql(location, password.as_ref(), &[POSTGRES_FACTS]);
        let answered = self.ask(location, questions)?.pop();
        let line = answered.unwrap_or_else(unanswered)?;
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
        let mut lines: Vec<String> = ["INFO", "DBSIZE"].map(str::to_owned).to_vec();
        lines.extend(location.user.is_some().then(|| "ACL WHOAMI".to_owned()));
        let questions = redis(location, password.as_ref(), &lines);
        let mut answers = self.ask(location, questions)?.into_iter();
        let mut answer = || answers.next().unwrap_or_else(unanswered);
        let (info, keys) = (answer(), answer());
        if let Some(user) = location.user.as_deref() {
            is_taken_for(user, answer())?;
        }
        let (info, keys) = (info?, keys?);
        datastore.engine = info_field(&info, "redis_version").map(str::to_owned);
        datastore.size = info_field(&info, "used_memory").and_then(|size| size.parse().ok());
        datastore.count = keys.parse().ok();
        match datastore.engine {
            Some(_) => Ok(()),
            None => Err("INFO names no redis_version".to_owned()),
        }
    }

    /// Probes of one server, their answers where they are; `None` for each that cannot be asked.
    pub(crate) fn probed(
        &self,
        location: &DatastoreLocation,
        probes: &[&Probe],
    ) -> Vec<Option<String>> {
        let mut found = vec![None; probes.len()];
        let Ok(password) = self.password(location) else {
            return found;
        };
        let statements = probes.iter().enumerate();
        let (places, statements): (Vec<usize>, Vec<&str>) = statements
            .filter_map(|(place, probe)| Some((place, probe.sql.as_deref()?)))
            .unzip();
        if !statements.is_empty() {
            let questions = psql(location, password.as_ref(), &statements);
            for (place, answer) in places
                .into_iter()
                .zip(self.ask(location, questions).unwrap_or_default())
            {
                found[place] = answer.ok().filter(|answer| !answer.is_empty());
            }
        }
        let keys = probes.iter().enumerate();
        let keys = keys.filter(|(_, probe)| probe.sql.is_none());
        let (places, commands): (Vec<usize>, Vec<String>) = keys
            .filter_map(|(place, probe)| Some((place, ask::get(probe.redis.as_deref()?))))
            .unzip();
        if !commands.is_empty() {
            let questions = redis(location, password.as_ref(), &commands);
            for (place, answer) in places
                .into_iter()
                .zip(self.ask(location, questions).unwrap_or_default())
            {
                let missing = |answer: String| {
                    if answer.is_empty() {
                        "0".to_owned()
                    } else {
                        answer
                    }
                };
                found[place] = answer.ok().map(missing);
            }
        }
        found
    }

    fn ask(
        &self,
        location: &DatastoreLocation,
        questions: Questions,
    ) -> Result<Vec<Result<String, String>>, String> {
        questions.ask(self.commands, |argv| (self.inside)(location, argv))
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

fn unanswered() -> Result<String, String> {
    Err("it does not answer".to_owned())
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
