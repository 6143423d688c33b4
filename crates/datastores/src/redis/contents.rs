//! Reading everything a Redis server holds, type by type in every database.
//!
//! Values are read element by element and not with `DUMP`, whose bytes depend
//! on how a server happens to keep them in memory. Keys that expire are counted
//! apart: what vanishes by itself proves nothing.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use switchback_engine::ports::{Failure, Progress};
use switchback_model::Contents;

use super::client::{Client, reading};
use super::groups;
use super::reply::{Reply, Value, quoted};
use crate::tally::{self, Tally};

/// Keys asked for at once: large enough that starting the client does not matter, small enough to be
/// kept in memory and not to hold up the server.
const BATCH: u32 = 5000;

/// What a server holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// By `db<number>/<type>`.
    pub(super) contents: Contents,
    /// Keys that expire, in all databases.
    pub(super) expiring: u64,
}

/// A database and how many keys it has.
fn databases(client: &Client<'_>) -> Result<Vec<(u32, u64)>, Failure> {
    let keyspace = client.info("keyspace")?;
    let mut found: Vec<(u32, u64)> = keyspace
        .iter()
        .filter_map(|(name, about)| {
            let keys = about.split(',').find_map(|part| part.strip_prefix("keys="));
            Some((name.strip_prefix("db")?.parse().ok()?, keys?.parse().ok()?))
        })
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// Keys of all databases.
pub(super) fn count(client: &Client<'_>) -> Result<u64, Failure> {
    Ok(databases(client)?.iter().map(|(_, keys)| keys).sum())
}

/// Counts and checksums of everything that does not expire.
pub(super) fn read(client: &Client<'_>, progress: &dyn Progress) -> Result<Held, Failure> {
    let databases = databases(client)?;
    let all = databases.iter().map(|(_, keys)| keys).sum();
    let mut reader = Reader {
        client,
        progress,
        all,
        read: 0,
        held: Held::default(),
    };
    for (database, _) in databases {
        reader.database(database)?;
    }
    Ok(reader.held)
}

struct Reader<'a> {
    client: &'a Client<'a>,
    progress: &'a dyn Progress,
    all: u64,
    read: u64,
    held: Held,
}

impl Reader<'_> {
    fn database(&mut self, database: u32) -> Result<(), Failure> {
        // A scan may tell a key twice while the server grows a table.
        let mut seen = HashSet::new();
        let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
        let mut cursor = "0".to_owned();
        loop {
            let (next, keys) = self.scan(database, &cursor)?;
            let keys = keys
                .into_iter()
                .filter(|key| seen.insert(tally::digest([&key[..]])))
                .collect();
            self.batch(database, keys, &mut tallies)?;
            self.progress.report(
                "reading keys",
                Some(self.read.min(self.all)),
                Some(self.all),
                Some("keys"),
            );
            if next == "0" {
                break;
            }
            cursor = next;
        }
        for (kind, tally) in tallies {
            let name = format!("db{database}/{kind}");
            self.held
                .contents
                .collections
                .insert(name, tally.collection());
        }
        Ok(())
    }

    fn scan(&self, database: u32, cursor: &str) -> Result<(String, Vec<Vec<u8>>), Failure> {
        let scan = format!("SCAN {cursor} COUNT {BATCH}");
        let replies = self.client.ask(&[&format!("SELECT {database}"), &scan])?;
        match replies.get(1) {
            Some(Reply::Values(values)) => {
                let mut values = values.iter().filter_map(|value| match value {
                    Value::Bytes(bytes) => Some(bytes.clone()),
                    Value::Number(number) => Some(number.to_string().into_bytes()),
                    Value::Nil => None,
                });
                let cursor = values.next().unwrap_or_else(|| b"0".to_vec());
                Ok((
                    String::from_utf8_lossy(&cursor).into_owned(),
                    values.collect(),
                ))
            }
            Some(Reply::Error(error)) => Err(self.client.refused(&scan, error)),
            None => Err(self.client.refused(&scan, "no answer")),
        }
    }

    fn batch(
        &mut self,
        database: u32,
        keys: Vec<Vec<u8>>,
        tallies: &mut BTreeMap<String, Tally>,
    ) -> Result<(), Failure> {
        if keys.is_empty() {
            return Ok(());
        }
        let lasting = self.lasting(database, keys)?;
        let groups = groups::read(self.client, database, &lasting)?;
        let mut batch = format!("SELECT {database}\n");
        let mut asked = Vec::new();
        for (key, kind) in &lasting {
            match reading(kind, key) {
                Some(command) => {
                    batch.push_str(&command);
                    batch.push('\n');
                    asked.push((key, kind));
                }
                None => tallies.entry(kind.clone()).or_default().add([&key[..]]),
            }
        }
        self.client.each(&batch, asked.len() + 1, |place, reply| {
            let Some((key, kind)) = place.checked_sub(1).and_then(|place| asked.get(place)) else {
                return Ok(());
            };
            match reply {
                Reply::Error(error) => Err(self.client.refused(kind, &error)),
                // A stream may be empty and still have groups.
                Reply::Values(values) if kind.as_str() == "stream" => {
                    if let Some(groups) = groups.get(key.as_slice()) {
                        tallies
                            .entry((*kind).clone())
                            .or_default()
                            .add_digest(digest(key, kind, &values).wrapping_add(*groups));
                    }
                    Ok(())
                }
                // Removed by somebody between the two questions.
                Reply::Values(values) if values.is_empty() || values == [Value::Nil] => Ok(()),
                Reply::Values(values) => {
                    tallies
                        .entry((*kind).clone())
                        .or_default()
                        .add_digest(digest(key, kind, &values));
                    Ok(())
                }
            }
        })
    }

    /// The keys that do not expire, with their types.
    fn lasting(
        &mut self,
        database: u32,
        keys: Vec<Vec<u8>>,
    ) -> Result<Vec<(Vec<u8>, String)>, Failure> {
        let mut batch = format!("SELECT {database}\n");
        for key in &keys {
            let key = quoted(key);
            let _ = write!(batch, "TYPE {key}\nPTTL {key}\n");
        }
        let mut answers = Vec::with_capacity(keys.len() * 2);
        self.client
            .each(&batch, keys.len() * 2 + 1, |place, reply| {
                if place > 0 {
                    answers.push(reply);
                }
                Ok(())
            })?;
        let mut lasting = Vec::new();
        for (key, answer) in keys.into_iter().zip(answers.chunks(2)) {
            self.read += 1;
            let kind = answer.first().and_then(Reply::text).unwrap_or_default();
            let left = answer
                .get(1)
                .and_then(Reply::text)
                .and_then(|left| left.parse::<i64>().ok());
            match left {
                Some(-1) => lasting.push((key, kind)),
                Some(-2) => {}
                _ => self.held.expiring += 1,
            }
        }
        Ok(lasting)
    }
}

fn digest(key: &[u8], kind: &str, values: &[Value]) -> u128 {
    let bytes = |value: &Value| match value {
        Value::Bytes(bytes) => bytes.clone(),
        Value::Number(number) => number.to_string().into_bytes(),
        Value::Nil => Vec::new(),
    };
    let values: Vec<Vec<u8>> = values.iter().map(bytes).collect();
    let unordered = |size: usize| {
        values
            .chunks(size)
            .map(|chunk| tally::digest(chunk.iter().map(Vec::as_slice)))
            .fold(0_u128, u128::wrapping_add)
            .to_be_bytes()
            .to_vec()
    };
    let whole = match kind {
        "set" => unordered(1),
        "hash" => unordered(2),
        _ => tally::digest(values.iter().map(Vec::as_slice))
            .to_be_bytes()
            .to_vec(),
    };
    tally::digest([key, kind.as_bytes(), &whole])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(texts: &[&str]) -> Vec<Value> {
        texts
            .iter()
            .map(|text| Value::Bytes(text.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn only_lists_have_an_order() {
        let of = |kind: &str, texts: &[&str]| digest(b"key", kind, &values(texts));
        assert_eq!(of("set", &["a", "b"]), of("set", &["b", "a"]));
        assert_eq!(
            of("hash", &["f", "1", "g", "2"]),
            of("hash", &["g", "2", "f", "1"])
        );
        assert_ne!(
            of("hash", &["f", "1", "g", "2"]),
            of("hash", &["f", "2", "g", "1"])
        );
        assert_ne!(of("list", &["a", "b"]), of("list", &["b", "a"]));
        assert_ne!(of("set", &["a"]), of("list", &["a"]));
    }
}
