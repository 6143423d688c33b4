//! What things take, as far as it can be told before they were measured. Every number here is a
//! judgement; a rehearsal replaces it by a measurement.

use switchback_model::Rate;
use switchback_model::product::DatastoreKind;

/// Bytes of a PostgreSQL database that `pg_dump` writes per second: 3 GB took 27 s on a loaded
/// machine with two cores.
const POSTGRES_DUMP: u64 = 100_000_000;
/// Bytes of a PostgreSQL database that a restore builds per second, indexes included: about a third
/// of the dump's pace, because every index is sorted anew.
const POSTGRES_RESTORE: u64 = 35_000_000;
/// Bytes of documents that are read from or written to a MongoDB server per second, with their indexes.
const MONGODB: u64 = 30_000_000;
/// Bytes that a copy on a common disk moves per second, synced.
const COPY: u64 = 150_000_000;
/// Bytes that Redis loads from its append-only files per second.
const REDIS_LOAD: u64 = 100_000_000;
/// Bytes of a datastore that a migration rewrites per second in the worst common case: reading and
/// writing every row through the product's own code.
const MIGRATION: u64 = 20_000_000;

/// Seconds that stopping the services takes: Docker gives them ten to end.
pub(crate) const STOP: u64 = 10;
/// Seconds until new containers answer.
pub(crate) const START: u64 = 15;
/// Seconds that a look from outside takes, the write path included.
pub(crate) const VERIFY: u64 = 5;
/// Seconds that a one-off container takes to come and go, whatever it migrates.
const ONE_OFF: u64 = 4;
/// Seconds that any dealing with a server takes: connecting, counting, stopping, starting.
const TOUCH: u64 = 2;

/// Seconds in which a shadow is sealed: the last position is replayed and its server ends.
pub(crate) const SHADOW_SEAL: u64 = 1;
/// Seconds in which a shadow takes the place of the data: the server stops, directories are renamed, it starts.
pub(crate) const EXCHANGE: u64 = TOUCH;

/// Seconds in which a server stops and one of another version starts on what was carried over.
pub(crate) const SERVER: u64 = STOP + TOUCH;

/// Bytes that a repository gives back per second: decrypted, unpacked and written on a common machine. A slow
/// network makes it less.
const FETCH: u64 = 100_000_000;

/// Bytes that a shadow takes beside the data at least, for a log that is written while it is copied: one part
/// in this many of the data, at most what servers keep anyway ([`SHADOW_LOG`]).
const SHADOW_LOG_SHARE: u64 = 10;
/// Bytes of log that PostgreSQL keeps at the most by default (`max_wal_size`), and about what a busy
/// Redis appends during a copy.
const SHADOW_LOG: u64 = 1_000_000_000;
/// Bytes a second from which on a plan says what is written: less is lost among what servers keep anyway.
pub(crate) const BUSY: u64 = 1_000_000;

/// Bytes that an image takes which is not here yet, unpacked: The Things Stack takes about 250 MB.
pub(crate) const IMAGE: u64 = 500_000_000;
/// Bytes that journal and captured output take at the most in one run.
pub(crate) const JOURNAL: u64 = 50_000_000;
/// Bytes that stay free on every filesystem, because servers misbehave on a full one.
pub(crate) const RESERVE: u64 = 100_000_000;

/// Seconds in which a datastore's backup is completed.
pub(crate) fn seal(kind: DatastoreKind, size: u64) -> u64 {
    let pace = match kind {
        DatastoreKind::Postgres => POSTGRES_DUMP,
        DatastoreKind::Mongodb => MONGODB,
        DatastoreKind::Redis | DatastoreKind::Files => COPY,
    };
    TOUCH + size / pace
}

/// Bytes that a shadow takes: the data, and the log of what is written while they are copied and compared, for only
/// after that is it let go. `log_rate` is what is written in a second, where that is known.
pub(crate) fn shadow(
    kind: DatastoreKind,
    size: u64,
    max_rate: Option<Rate>,
    log_rate: Option<u64>,
) -> u64 {
    if kind == DatastoreKind::Files {
        return size;
    }
    let copying = size / max_rate.map_or(COPY, |rate| rate.bytes().clamp(1, COPY));
    let written = log_rate
        .unwrap_or(0)
        .saturating_mul(copying + reading(kind, size));
    size + written.max((size / SHADOW_LOG_SHARE).min(SHADOW_LOG))
}

/// Seconds in which a shadow that only the repository has still takes the place of the data.
pub(crate) fn fetch(size: u64) -> u64 {
    TOUCH + size / FETCH + EXCHANGE
}

/// Seconds in which a backup is restored and read; proving and going back cost the same.
pub(crate) fn restore(kind: DatastoreKind, size: u64) -> u64 {
    let pace = match kind {
        DatastoreKind::Postgres => POSTGRES_RESTORE,
        DatastoreKind::Redis => REDIS_LOAD,
        DatastoreKind::Mongodb => MONGODB,
        DatastoreKind::Files => COPY,
    };
    TOUCH + size / pace
}

/// Bytes of a database or a directory that are read and summed up per second, by the server itself where there is one.
const READING: u64 = 100_000_000;
/// The same of a server's memory: some 30,000 small keys, each of which is asked for.
const KEYS: u64 = 5_000_000;

/// Seconds in which everything that a datastore holds is counted and summed up.
pub(crate) fn reading(kind: DatastoreKind, size: u64) -> u64 {
    let pace = match kind {
        DatastoreKind::Redis => KEYS,
        DatastoreKind::Postgres | DatastoreKind::Mongodb | DatastoreKind::Files => READING,
    };
    size / pace
}

/// Seconds in which what a server of another version will run on is built and read.
pub(crate) fn carry(kind: DatastoreKind, size: u64) -> u64 {
    // Reading what was built costs about what restoring cost.
    seal(kind, size) + 2 * restore(kind, size)
}

/// Seconds that a migration takes where nothing was measured.
pub(crate) fn migration(size: u64) -> u64 {
    ONE_OFF + size / MIGRATION
}
