//! Reading everything a Redis server holds, type by type in every database.
//!
//! Keys that expire are counted apart: what vanishes by itself proves nothing.

use std::collections::{BTreeMap, HashSet};

use switchback_engine::ports::{Failure, Progress};
use switchback_model::Contents;

use super::client::Client;
use super::key::{About, Key};
use super::keys::Keys;
use crate::tally::{self, Tally};

/// What a server holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// By `db<number>/<type>`.
    pub(super) contents: Contents,
    /// Keys that expire, in all databases.
    pub(super) expiring: u64,
}

/// Adds up keys as they are read.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    by_name: BTreeMap<String, Tally>,
    expiring: u64,
}

impl Tallies {
    /// Counts one key.
    pub(super) fn add(&mut self, database: u32, key: &Key) {
        match &key.about {
            About::Gone => {}
            About::Here { expires: true, .. } => self.expiring += 1,
            About::Here { kind, digest, .. } => {
                let name = format!("db{database}/{kind}");
                let tally = self.by_name.entry(name).or_default();
                match digest {
                    Some(digest) => tally.add_digest(*digest),
                    None => tally.add([&key.name[..]]),
                }
            }
        }
    }

    /// What was added.
    pub(super) fn held(self) -> Held {
        let mut held = Held {
            expiring: self.expiring,
            ..Held::default()
        };
        for (name, tally) in self.by_name {
            held.contents.collections.insert(name, tally.collection());
        }
        held
    }
}

/// A database and how many keys it has.
pub(super) fn databases(client: &Client<'_>) -> Result<Vec<(u32, u64)>, Failure> {
    Ok(in_keyspace(&client.info("keyspace")?))
}

/// The same from the section of `INFO`.
pub(super) fn in_keyspace(keyspace: &BTreeMap<String, String>) -> Vec<(u32, u64)> {
    let mut found: Vec<(u32, u64)> = keyspace
        .iter()
        .filter_map(|(name, about)| {
            let keys = about.split(',').find_map(|part| part.strip_prefix("keys="));
            Some((name.strip_prefix("db")?.parse().ok()?, keys?.parse().ok()?))
        })
        .collect();
    found.sort_unstable();
    found
}

/// How many keys each database has that do not expire, as text.
pub(super) fn lasting_in(keyspace: &BTreeMap<String, String>) -> String {
    let counts = keyspace.iter().filter_map(|(name, about)| {
        let count = |what: &str| -> Option<u64> {
            let mut parts = about.split(',');
            parts.find_map(|part| part.strip_prefix(what)?.strip_prefix('=')?.parse().ok())
        };
        let lasting = count("keys")?.saturating_sub(count("expires")?);
        (lasting > 0).then(|| format!("{name}={lasting}"))
    });
    counts.collect::<Vec<_>>().join(" ")
}

/// Keys of all databases.
pub(super) fn count(client: &Client<'_>) -> Result<u64, Failure> {
    Ok(databases(client)?.iter().map(|(_, keys)| keys).sum())
}

/// Counts and checksums of everything that does not expire.
pub(super) fn read(client: &Client<'_>, progress: &dyn Progress) -> Result<Held, Failure> {
    let databases = databases(client)?;
    let all: u64 = databases.iter().map(|(_, keys)| keys).sum();
    client.converse(|session| {
        let mut keys = Keys::new(session)?;
        let mut tallies = Tallies::default();
        let mut read = 0;
        for (database, _) in databases {
            keys.select(database)?;
            // A scan may tell a key twice.
            let mut seen = HashSet::new();
            let mut cursor = Some("0".to_owned());
            while let Some(from) = cursor {
                let (next, found) = keys.scan(&from)?;
                for key in found {
                    if seen.insert(tally::digest([&key.name[..]])) {
                        read += 1;
                        tallies.add(database, &key);
                    }
                }
                progress.report("reading keys", Some(read.min(all)), Some(all), Some("keys"));
                cursor = next;
            }
        }
        Ok(tallies.held())
    })
}
