//! The file format of the journal: opened only where it is ours and not newer.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::JournalError;

/// The format that this code writes, in SQLite's `user_version`. It reads this and all older ones.
pub(crate) const FORMAT: u32 = 1;

/// In SQLite's `application_id`: tells a journal from any other database. `swbk` in ASCII.
const APPLICATION: u32 = 0x7377_626b;

/// A write takes milliseconds; whoever waits longer than this waits for something stuck.
const PATIENCE: Duration = Duration::from_secs(10);

const TABLES: &str = "
    CREATE TABLE runs (
        run TEXT PRIMARY KEY,
        deployment TEXT NOT NULL,
        directory TEXT NOT NULL,
        plan TEXT NOT NULL,
        started INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE events (
        position INTEGER PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (run),
        sequence INTEGER NOT NULL,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        previous TEXT NOT NULL,
        hash TEXT NOT NULL,
        UNIQUE (run, sequence)
    ) STRICT;
    CREATE TABLE leases (
        deployment TEXT NOT NULL,
        directory TEXT NOT NULL,
        number INTEGER NOT NULL,
        holder TEXT,
        PRIMARY KEY (deployment, directory)
    ) STRICT;
";

/// Opens or makes the file. Nothing is written before it is known to be ours to write.
pub(crate) fn open(path: &Path) -> Result<Connection, JournalError> {
    let failed = |source| JournalError::sqlite(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    let found: u32 = pragma(&connection, "user_version").map_err(failed)?;
    let application: u32 = pragma(&connection, "application_id").map_err(failed)?;
    let tables: u32 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed)?;
    if (tables > 0 || found > 0) && application != APPLICATION {
        return Err(JournalError::Foreign {
            path: path.to_owned(),
        });
    }
    if found > FORMAT {
        return Err(JournalError::Newer {
            path: path.to_owned(),
            found,
            known: FORMAT,
        });
    }
    // WAL with FULL: one fsync per commit, and a commit survives the loss of power.
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .map_err(failed)?;
    connection
        .pragma_update(None, "synchronous", "FULL")
        .map_err(failed)?;
    connection
        .pragma_update(None, "foreign_keys", true)
        .map_err(failed)?;
    if tables == 0 {
        make(&connection).map_err(failed)?;
    }
    Ok(connection)
}

/// Makes the tables, unless another process has just done so.
fn make(connection: &Connection) -> rusqlite::Result<()> {
    let transaction =
        rusqlite::Transaction::new_unchecked(connection, rusqlite::TransactionBehavior::Immediate)?;
    let tables: u32 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
    }
    transaction.commit()
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}
