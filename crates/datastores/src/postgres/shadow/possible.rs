//! Whether a shadow of a server can be made, and if not, why not.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use switchback_engine::ports::{Context, Failure};
use switchback_engine::process::{CommandError, Commands};
use switchback_model::observed::Shadowing;
use switchback_model::pattern::matches;
use switchback_model::{DatastoreName, RunId};

use super::super::server::Server;
use super::control::Control;
use super::sql;
use crate::conversation::Broken;
use crate::shadow;

/// The first version whose followers are made by a file in the data directory and plain settings.
const OLDEST: u32 = 120_000;
/// The first version whose control file is not known: what [`Control`] reads lies elsewhere in it, or may.
const UNKNOWN: u32 = 190_000;
/// A base backup takes two: one for the files, one for the log written meanwhile.
const SENDERS: i64 = 2;
/// So many names are told, the rest is counted.
const NAMED: usize = 3;

/// A server, as far as a shadow is concerned.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Original {
    pub(super) version: u32,
    standby: bool,
    role: String,
    replicates: bool,
    superuser: Option<String>,
    wal_level: String,
    senders: i64,
    slots: i64,
    tablespaces: Vec<String>,
    pub(super) unlogged: Vec<String>,
    databases: Vec<String>,
    /// Bytes of all databases.
    pub(super) size: u64,
    pub(super) settings: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Occupied {
    relations: u64,
}

/// A server that can have a shadow.
pub(super) struct Able {
    pub(super) original: Original,
    pub(super) system: u64,
    pub(super) superuser: String,
}

impl Able {
    /// What a copy must be started with to be able to follow, and the version of its programs.
    pub(super) fn settings(&self) -> BTreeMap<String, String> {
        let mut settings = self.original.settings.clone();
        let version = self.original.version.to_string();
        settings.insert("server_version_num".to_owned(), version);
        settings
    }
}

impl Server {
    /// For planning: never a failure, for a server that does not answer has said so already.
    pub(in super::super) fn shadowing(&self, commands: &Commands) -> Shadowing {
        match self.able(commands, None) {
            Ok(Ok(able)) if able.original.unlogged.is_empty() => Shadowing::Possible,
            Ok(Ok(able)) => Shadowing::Without {
                collections: able.original.unlogged,
            },
            Ok(Err(because)) => Shadowing::Impossible { because },
            Err(_) => Shadowing::Unknown,
        }
    }

    pub(super) fn original(
        &self,
        commands: &Commands,
        run: Option<&RunId>,
    ) -> Result<Original, Failure> {
        let answers = self.ask(commands, run, self.database(), sql::ORIGINAL)?;
        answers.into_iter().next().ok_or_else(|| {
            Failure::new(
                "datastore-silent",
                format!("the server of `{}` says nothing of itself", self.name),
            )
        })
    }

    /// What a shadow needs to know, or half a sentence that says why there can be none.
    pub(super) fn able(
        &self,
        commands: &Commands,
        run: Option<&RunId>,
    ) -> Result<Result<Able, String>, Failure> {
        if let Some(because) = self.reach.foreign() {
            return Ok(Err(because));
        }
        let original = self.original(commands, run)?;
        if let Some(because) = refused(&original) {
            return Ok(Err(because));
        }
        let Some(superuser) = original.superuser.clone() else {
            return Ok(Err("no superuser of its server may log in".to_owned()));
        };
        let Some(directory) = &self.location.directory else {
            return Ok(Err("its data directory is not on this host".to_owned()));
        };
        let control = match Control::read(directory.as_ref()) {
            Ok(control) => control,
            Err(error) => {
                return Ok(Err(format!(
                    "its data directory {directory} cannot be read: {error}"
                )));
            }
        };
        if is_link(&Path::new(directory).join("pg_wal")) {
            return Ok(Err(
                "its write-ahead log lies outside its data directory".to_owned()
            ));
        }
        if shadow::is_out_of_reach(directory.as_ref(), &self.location.access) {
            return Ok(Err(format!(
                "{directory} is a filesystem of its own: its server's user can put no copy beside it"
            )));
        }
        let neighbours = self.neighbours(commands, run, &original.databases)?;
        if !neighbours.is_empty() {
            return Ok(Err(format!(
                "a way back by shadow would take along what others wrote meanwhile in the same server: {}",
                listed(&neighbours)
            )));
        }
        let system = match self.identify(commands, run) {
            Ok(system) => system,
            Err(because) => return Ok(Err(because)),
        };
        if system != control.system {
            return Ok(Err(format!(
                "{directory} is the data directory of another server"
            )));
        }
        Ok(Ok(Able {
            original,
            system,
            superuser,
        }))
    }

    /// Other databases of the server that hold something. One that lets nobody look counts.
    fn neighbours(
        &self,
        commands: &Commands,
        run: Option<&RunId>,
        databases: &[String],
    ) -> Result<Vec<String>, Failure> {
        let mut found = Vec::new();
        for database in databases {
            let empty = self
                .ask::<Occupied>(commands, run, database, sql::OCCUPIED)
                .is_ok_and(|answers| answers.iter().all(|answer| answer.relations == 0));
            if !empty {
                found.push(format!("`{database}`"));
            }
        }
        Ok(found)
    }

    /// The cluster's identity, asked the way a follower asks: where that is not let in, half a sentence.
    fn identify(&self, commands: &Commands, run: Option<&RunId>) -> Result<u64, String> {
        let refused = |said: &str| {
            format!("its server does not let a follower in from the same machine: {said}")
        };
        let mut come = String::new();
        let argv = self
            .client("postgres", run, |connection| {
                come = connection.come_to_replicate();
                connection.replication()
            })
            .map_err(|failure| failure.what)?;
        let told = self.held.with(commands, &argv, Some(&come), |session| {
            session.say(b"IDENTIFY_SYSTEM;\n")?;
            let told = session.hear()?.map(<[u8]>::to_vec);
            if told.is_some() {
                session.heard_all();
            }
            Ok::<_, std::io::Error>(told.unwrap_or_default())
        });
        let told = told.map_err(|broken| match broken {
            Broken::Client(CommandError::Exit { output, .. }) => {
                refused(reason(output.lines().last().unwrap_or("no reason given")))
            }
            Broken::Client(error) => refused(&error.to_string()),
            Broken::Pipe(error) | Broken::Own { error, .. } => refused(&error.to_string()),
        })?;
        let told = String::from_utf8_lossy(&told);
        let system = told.split('|').next().unwrap_or_default();
        system
            .parse()
            .map_err(|_| refused("it answers something else than its identity"))
    }
}

fn refused(original: &Original) -> Option<String> {
    if original.version < OLDEST {
        return Some("its server is older than PostgreSQL 12".to_owned());
    }
    if original.version >= UNKNOWN {
        return Some("its server is newer than PostgreSQL 18, the last one known here".to_owned());
    }
    if original.standby {
        return Some("its server is a standby".to_owned());
    }
    if !original.replicates {
        return Some(format!(
            "role `{role}` may not replicate (ALTER ROLE \"{role}\" REPLICATION)",
            role = original.role
        ));
    }
    if !["replica", "logical"].contains(&original.wal_level.as_str()) {
        return Some(format!(
            "its server has wal_level = {}, and a follower needs `replica`",
            original.wal_level
        ));
    }
    if original.senders < SENDERS {
        return Some(format!(
            "its server has {} of the {SENDERS} senders free that a copy takes (max_wal_senders)",
            original.senders.max(0)
        ));
    }
    if original.slots < 1 {
        return Some("its server has no replication slot free (max_replication_slots)".to_owned());
    }
    if !original.tablespaces.is_empty() {
        let named: Vec<String> = original
            .tablespaces
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        return Some(format!(
            "its server has tablespaces outside its data directory: {}",
            listed(&named)
        ));
    }
    None
}

/// What is not logged does not reach a follower. Half a sentence where that would be missed: what the plan
/// calls volatile may be lost.
pub(super) fn missed(
    cx: &Context<'_>,
    datastore: &DatastoreName,
    unlogged: &[String],
) -> Option<String> {
    let plan = cx.plan.datastores.get(datastore);
    let volatile = plan.map_or(&[][..], |plan| &plan.volatile);
    let named: Vec<String> = unlogged
        .iter()
        .filter(|name| !volatile.iter().any(|volatile| matches(volatile, name)))
        .map(|name| format!("`{name}`"))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "unlogged tables hold rows that no follower gets: {}",
            listed(&named)
        )
    })
}

fn listed(names: &[String]) -> String {
    let first = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// The server's own reason at the end of what the client program says.
fn reason(said: &str) -> &str {
    ["FATAL:", "ERROR:", "failed:", "error:"]
        .iter()
        .find_map(|mark| said.rsplit_once(mark))
        .map_or(said, |(_, reason)| reason)
        .trim()
}

fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original() -> Original {
        Original {
            version: 150_010,
            standby: false,
            role: "root".to_owned(),
            replicates: true,
            superuser: Some("root".to_owned()),
            wal_level: "replica".to_owned(),
            senders: 10,
            slots: 10,
            tablespaces: Vec::new(),
            unlogged: Vec::new(),
            databases: Vec::new(),
            size: 1,
            settings: BTreeMap::new(),
        }
    }

    #[test]
    fn every_reason_is_half_a_sentence_that_says_what_to_change() {
        type Change = fn(&mut Original);
        let changes: [(Change, &str); 8] = [
            (|it| it.version = 110_022, "older than PostgreSQL 12"),
            (|it| it.version = 190_000, "newer than PostgreSQL 18"),
            (|it| it.standby = true, "a standby"),
            (
                |it| it.replicates = false,
                "ALTER ROLE \"root\" REPLICATION",
            ),
            (
                |it| it.wal_level = "minimal".to_owned(),
                "wal_level = minimal",
            ),
            (|it| it.senders = 1, "1 of the 2 senders"),
            (|it| it.slots = 0, "max_replication_slots"),
            (
                |it| it.tablespaces = ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
                "`a`, `b`, `c` and 1 more",
            ),
        ];
        assert_eq!(refused(&original()), None);
        for (change, said) in changes {
            let mut changed = original();
            change(&mut changed);
            let because = refused(&changed).expect("refused");
            assert!(because.contains(said), "{because}");
        }
    }

    #[test]
    fn the_servers_own_reason_is_told() {
        let said = "psql: error: connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  no pg_hba.conf entry for replication";
        assert_eq!(reason(said), "no pg_hba.conf entry for replication");
    }
}
