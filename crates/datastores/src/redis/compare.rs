//! Comparing a server with its replica while both move.
//!
//! Every key that the original has is read on both sides, and every key that only the replica has is noticed.
//! Where the two differ, the key is read on the original (*before*), then on the replica once that has applied
//! everything the original had by then, then on the original again (*after*). Where *before* and *after* are the
//! same, nothing happened to the key in between, and the replica must hold that very value. A key might have
//! been changed and changed back; so it counts as different only where all three are the same as the last time,
//! time after time. A key that never holds still for that long is left to the seal, when nobody writes any more.
//!
//! What is written after a key was compared reaches the replica in the same stream and order as everything else,
//! and its end is checked by position: equal once, and everything applied since, is equal at the end.

use std::collections::{BTreeSet, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use switchback_engine::ports::{Context, Failure};
use switchback_engine::signal::Urgency;

use super::client::Client;
use super::contents::{in_keyspace, lasting_in};
use super::key::About;
use super::keys::Keys;
use super::replica::Standing;
use super::reply::Reply;
use super::server::{self, SILENCE};
use super::session::Session;
use crate::tally;

/// Keys that are looked at again together: few, so that little happens to them meanwhile.
const TOGETHER: usize = 200;
/// How often a key must differ, and rest, before it counts.
const TRIES: u32 = 4;
/// Moving keys that the seal can look at in no time.
pub(super) const MOVING: usize = 5000;
/// How often a replica is asked how far it is: it is a matter of milliseconds.
const CATCH_UP: Duration = Duration::from_millis(5);

/// A key in its database.
pub(super) type Place = (u32, Vec<u8>);

/// What a comparison found.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Keys that were read on both sides.
    pub(super) keys: u64,
    /// Keys that differ while nobody writes them.
    pub(super) different: Vec<Place>,
    /// Keys that were always being written.
    pub(super) moving: Vec<Place>,
}

/// Both sides of a comparison.
pub(super) struct Pair<'p> {
    pub(super) cx: &'p Context<'p>,
    pub(super) original: Keys<'p>,
    pub(super) shadow: Keys<'p>,
}

/// Talks with both sides at once.
pub(super) fn with_both<T>(
    cx: &Context<'_>,
    original: &Client<'_>,
    shadow: &Client<'_>,
    talk: impl FnOnce(&mut Pair<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    original.converse(|original| {
        shadow.converse(|shadow| {
            let original = Keys::new(original)?;
            let shadow = Keys::new(shadow)?;
            talk(&mut Pair {
                cx,
                original,
                shadow,
            })
        })
    })
}

impl Pair<'_> {
    /// Compares everything.
    pub(super) fn compare(&mut self) -> Result<Compared, Failure> {
        self.catch_up()?;
        let mut compared = Compared::default();
        let mut databases = BTreeSet::new();
        let mut all = 0;
        for side in [&mut self.original, &mut self.shadow] {
            let found = in_keyspace(&side.session().info("keyspace")?);
            all = all.max(found.iter().map(|(_, keys)| keys).sum());
            databases.extend(found.into_iter().map(|(database, _)| database));
        }
        for database in databases {
            let suspects = self.scan(database, all, &mut compared)?;
            self.settle(database, suspects, &mut compared)?;
        }
        Ok(compared)
    }

    /// Compares these keys alone.
    pub(super) fn compare_these(&mut self, places: &[Place]) -> Result<Compared, Failure> {
        let mut compared = Compared::default();
        let databases: BTreeSet<u32> = places.iter().map(|(database, _)| *database).collect();
        for database in databases {
            let names = places.iter().filter(|(of, _)| *of == database);
            let names = names.map(|(_, name)| name.clone()).collect();
            self.settle(database, names, &mut compared)?;
        }
        Ok(compared)
    }

    /// Reads one database on both sides; keys that are not equal at once are returned.
    fn scan(
        &mut self,
        database: u32,
        all: u64,
        compared: &mut Compared,
    ) -> Result<Vec<Vec<u8>>, Failure> {
        self.original.select(database)?;
        self.shadow.select(database)?;
        let mut suspects = Vec::new();
        let mut seen = HashSet::new();
        let mut cursor = Some("0".to_owned());
        while let Some(from) = cursor {
            let (next, keys) = self.original.scan(&from)?;
            let names: Vec<Vec<u8>> = keys.iter().map(|key| key.name.clone()).collect();
            for (key, mirrored) in keys.into_iter().zip(self.shadow.read(&names)?) {
                if !seen.insert(tally::digest([&key.name[..]])) {
                    continue;
                }
                compared.keys += 1;
                if key.about != mirrored.about {
                    suspects.push(key.name);
                }
            }
            let doing = "comparing the shadow with the original";
            let read = compared.keys.min(all);
            self.cx
                .progress
                .report(doing, Some(read), Some(all), Some("keys"));
            cursor = next;
        }
        let mut cursor = Some("0".to_owned());
        while let Some(from) = cursor {
            let (next, names) = self.shadow.names(&from)?;
            let unknown = names
                .into_iter()
                .filter(|name| seen.insert(tally::digest([&name[..]])));
            suspects.extend(unknown);
            cursor = next;
        }
        Ok(suspects)
    }

    /// Finds out what suspects are: late, different, or moving.
    fn settle(
        &mut self,
        database: u32,
        suspects: Vec<Vec<u8>>,
        compared: &mut Compared,
    ) -> Result<(), Failure> {
        self.original.select(database)?;
        self.shadow.select(database)?;
        for together in suspects.chunks(TOGETHER) {
            // What was seen of a key each time: on the original before, on the replica, on the original after.
            let mut seen: Vec<(Vec<u8>, Option<[About; 3]>)> =
                together.iter().map(|name| (name.clone(), None)).collect();
            for attempt in 0..TRIES {
                let names: Vec<Vec<u8>> = seen.iter().map(|(name, _)| name.clone()).collect();
                let before = self.original.read(&names)?;
                self.catch_up()?;
                let mirrored = self.shadow.read(&names)?;
                let after = self.original.read(&names)?;
                let mut left = Vec::new();
                let read = before.into_iter().zip(mirrored).zip(after);
                for ((_, earlier), ((before, mirrored), after)) in seen.into_iter().zip(read) {
                    let now = [before.about, mirrored.about, after.about];
                    if now[1] == now[0] || now[1] == now[2] {
                        continue;
                    }
                    let rests =
                        now[0] == now[2] && (attempt == 0 || earlier.as_ref() == Some(&now));
                    if rests {
                        left.push((before.name, Some(now)));
                    } else if attempt + 1 < TRIES {
                        left.push((before.name, None));
                    } else {
                        compared.moving.push((database, before.name));
                    }
                }
                seen = left;
                if seen.is_empty() {
                    break;
                }
            }
            for (name, rested) in seen {
                let place = (database, name);
                match rested {
                    Some(_) => compared.different.push(place),
                    None => compared.moving.push(place),
                }
            }
        }
        Ok(())
    }

    /// Waits until the replica has applied what the original has now.
    pub(super) fn catch_up(&mut self) -> Result<(), Failure> {
        let (history, target) = self.original_offset()?;
        let mut moved = Instant::now();
        let mut last = 0;
        loop {
            let found = self.shadow.session().info("replication")?;
            let is = |name: &str, value: &str| found.get(name).is_some_and(|found| found == value);
            if !is("master_link_status", "up") {
                return Err(lost());
            }
            if !is("master_replid", &history) {
                return Err(lost().cause("the original began another history"));
            }
            let offset = found
                .get("slave_repl_offset")
                .and_then(|offset| offset.parse().ok())
                .unwrap_or(0);
            if offset >= target {
                return Ok(());
            }
            if offset != last {
                (moved, last) = (Instant::now(), offset);
            }
            if moved.elapsed() > SILENCE {
                return Err(lost().cause(format!("it stays at {last}, before {target}")));
            }
            if self.cx.stop.urgency() == Urgency::Now {
                return Err(Failure::stopped("stopped by the operator while waiting"));
            }
            thread::sleep(CATCH_UP);
        }
    }

    /// Where the replica stands once it has applied what the original has now.
    pub(super) fn standing(&mut self) -> Result<Standing, Failure> {
        self.catch_up()?;
        Standing::of(self.shadow.session())
    }

    /// Who could write to the original, one line each.
    pub(super) fn writers(&mut self) -> Result<Vec<String>, Failure> {
        server::writers(self.original.session())
    }

    /// The original's history, and where it is in it.
    fn original_offset(&mut self) -> Result<(String, u64), Failure> {
        let mut info = self.original.session().info("replication")?;
        let offset = info
            .get("master_repl_offset")
            .and_then(|offset| offset.parse().ok())
            .unwrap_or(0);
        Ok((info.remove("master_replid").unwrap_or_default(), offset))
    }

    /// Whether both have the same functions. Scripts are not kept by any server.
    pub(super) fn same_functions(&mut self) -> Result<bool, Failure> {
        for _ in 0..TRIES {
            let original = functions(self.original.session())?;
            self.catch_up()?;
            if functions(self.shadow.session())? == original {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many keys both have in each database that do not expire, as text; `None` where they have not the
    /// same.
    pub(super) fn same_counts(&mut self) -> Result<Option<String>, Failure> {
        for _ in 0..TRIES {
            let original = self.original.session().info("keyspace")?;
            self.catch_up()?;
            let shadow = self.shadow.session().info("keyspace")?;
            if in_keyspace(&original) == in_keyspace(&shadow) {
                return Ok(Some(lasting_in(&original)));
            }
        }
        Ok(None)
    }
}

/// The connection between the two broke, or they are not of one history any more.
pub(super) fn lost() -> Failure {
    Failure::new("shadow-lost", "the shadow does not follow any more")
        .hint("resume: it is brought up to date, or begun anew")
}

/// Everything a server has been given as functions, in no order; nothing for servers without them.
fn functions(session: &mut Session<'_>) -> Result<Vec<Vec<u8>>, Failure> {
    match session.attempt("FUNCTION LIST WITHCODE")? {
        Reply::Error(_) => Ok(Vec::new()),
        Reply::Values(values) => {
            let mut all: Vec<Vec<u8>> = values
                .into_iter()
                .map(super::reply::Value::into_bytes)
                .collect();
            all.sort();
            Ok(all)
        }
    }
}
