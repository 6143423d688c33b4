//! The journal: append, and read what was appended.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{
    Connection, OptionalExtension, Row as SqlRow, Transaction, TransactionBehavior, params,
};
use switchback_model::event::{Event, Stamped};
use switchback_model::{PlanId, RunId};

use crate::chain::{Audit, ORIGIN, Row};
use crate::error::JournalError;
use crate::lease::{Key, Lease};
use crate::prefix::one_of;
use crate::schema;
use crate::state::{RunState, kind};

const ROW: &str = "SELECT position, run, sequence, at, kind, body, previous, hash FROM events";

/// The record of all runs of one state directory. One connection, one thread.
pub struct Journal {
    pub(crate) connection: Connection,
    path: PathBuf,
    /// The state of runs that this process writes, so that an append need not fold them again.
    known: RefCell<HashMap<RunId, RunState>>,
    /// The sign of life of the lease that this process holds.
    pub(crate) sign: RefCell<Option<File>>,
}

/// A run as the list of runs shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// Its id.
    pub run: RunId,
    /// What it was about.
    pub key: Key,
    /// Its plan.
    pub plan: PlanId,
    /// When it began, in milliseconds since the Unix epoch.
    pub started: u64,
}

impl Journal {
    /// Opens the journal, or makes an empty one. A newer format is refused and left as it is.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        let connection = schema::open(&path)?;
        Ok(Self {
            connection,
            path,
            known: RefCell::default(),
            sign: RefCell::default(),
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records one event. It is on disk when this returns; where it fails, nothing was recorded
    /// and the caller must not act.
    ///
    /// Refused: an event that the table of legal moves does not list, and a lease that another
    /// holder has taken over.
    pub fn append(
        &self,
        lease: &Lease,
        run: &RunId,
        at: u64,
        event: &Event,
    ) -> Result<Stamped, JournalError> {
        let transaction = self.begin()?;
        self.fence(&transaction, lease)?;
        let mut state = self.state_in(&transaction, run)?;
        let stamped = Stamped {
            run: run.clone(),
            sequence: state.sequence + 1,
            at,
            event: event.clone(),
        };
        state
            .apply(&stamped)
            .map_err(|illegal| JournalError::Illegal {
                run: run.clone(),
                detail: illegal.to_string(),
            })?;
        if let Event::RunStarted { plan, .. } = event {
            self.add_run(&transaction, lease, run, plan, at)?;
        }
        self.add_event(&transaction, &stamped)?;
        transaction.commit().map_err(|error| self.failed(error))?;
        self.known.borrow_mut().insert(run.clone(), state);
        Ok(stamped)
    }

    /// All events of a run, from the first.
    pub fn events(&self, run: &RunId) -> Result<Vec<Stamped>, JournalError> {
        self.since(run, 0)
    }

    /// The events of a run after number `sequence`.
    pub fn since(&self, run: &RunId, sequence: u64) -> Result<Vec<Stamped>, JournalError> {
        let transaction = self.read()?;
        self.since_in(&transaction, run, sequence)
    }

    /// What the events of a run add up to.
    pub fn state(&self, run: &RunId) -> Result<RunState, JournalError> {
        let transaction = self.read()?;
        self.state_in(&transaction, run)
    }

    /// Every run, oldest first.
    pub fn runs(&self) -> Result<Vec<RunRecord>, JournalError> {
        self.connection
            .prepare_cached(
                "SELECT run, deployment, directory, plan, started FROM runs ORDER BY rowid",
            )
            .and_then(|mut statement| {
                let records = statement.query_map([], |row| {
                    Ok(RunRecord {
                        run: RunId::new(row.get::<_, String>(0)?),
                        key: Key {
                            deployment: row.get(1)?,
                            directory: row.get(2)?,
                        },
                        plan: PlanId::new(row.get::<_, String>(3)?),
                        started: row.get(4)?,
                    })
                })?;
                records.collect()
            })
            .map_err(|error| self.failed(error))
    }

    /// The last run of a deployment.
    pub fn last_run(&self, key: &Key) -> Result<Option<RunRecord>, JournalError> {
        let mut runs = self.runs()?;
        runs.retain(|record| record.key == *key);
        Ok(runs.pop())
    }

    /// The one run whose id begins with `prefix`; with or without `r-`.
    pub fn find_run(&self, prefix: &str) -> Result<RunId, JournalError> {
        let ids = self
            .runs()?
            .into_iter()
            .map(|record| record.run.to_string());
        one_of("run", "r-", prefix, ids).map(RunId::new)
    }

    /// Audits the file's structure and the hash chain, and names the first row that breaks it.
    pub fn verify(&self) -> Result<Audit, JournalError> {
        let transaction = self.read()?;
        let structure: String = transaction
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| self.failed(error))?;
        if structure != "ok" {
            return Err(self.damaged(structure.replace('\n', " ")));
        }
        let mut statement = transaction
            .prepare(&format!("{ROW} ORDER BY position"))
            .map_err(|error| self.failed(error))?;
        let mut rows = statement.query([]).map_err(|error| self.failed(error))?;
        let mut audit = Audit {
            events: 0,
            runs: 0,
            head: ORIGIN.to_owned(),
        };
        while let Some(row) = rows.next().map_err(|error| self.failed(error))? {
            let row = stored_row(row).map_err(|error| self.failed(error))?;
            if let Some(detail) = row.broken(&audit.head, audit.events + 1) {
                return Err(JournalError::Broken {
                    path: self.path.clone(),
                    position: row.position,
                    run: row.run,
                    sequence: row.sequence,
                    detail: detail.to_owned(),
                });
            }
            audit.events += 1;
            audit.runs += u64::from(row.sequence == 1);
            audit.head = row.hash;
        }
        Ok(audit)
    }

    /// A write transaction; waits for another writer to end its own.
    pub(crate) fn begin(&self) -> Result<Transaction<'_>, JournalError> {
        Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
            .map_err(|error| self.failed(error))
    }

    /// A read transaction: everything read in it is of one moment.
    pub(crate) fn read(&self) -> Result<Transaction<'_>, JournalError> {
        Transaction::new_unchecked(&self.connection, TransactionBehavior::Deferred)
            .map_err(|error| self.failed(error))
    }

    pub(crate) fn failed(&self, source: rusqlite::Error) -> JournalError {
        JournalError::sqlite(&self.path, source)
    }

    pub(crate) fn damaged(&self, detail: impl ToString) -> JournalError {
        JournalError::Damaged {
            path: self.path.clone(),
            detail: detail.to_string(),
        }
    }

    /// The state of a run, folding only what another process wrote since this one looked.
    fn state_in(
        &self,
        transaction: &Transaction<'_>,
        run: &RunId,
    ) -> Result<RunState, JournalError> {
        let mut state = self.known.borrow().get(run).cloned().unwrap_or_default();
        for stamped in self.since_in(transaction, run, state.sequence)? {
            state
                .apply(&stamped)
                .map_err(|illegal| self.damaged(illegal))?;
        }
        Ok(state)
    }

    fn since_in(
        &self,
        transaction: &Transaction<'_>,
        run: &RunId,
        sequence: u64,
    ) -> Result<Vec<Stamped>, JournalError> {
        let rows: Vec<Row> = transaction
            .prepare_cached(&format!(
                "{ROW} WHERE run = ?1 AND sequence > ?2 ORDER BY sequence"
            ))
            .and_then(|mut statement| {
                let rows = statement.query_map(params![run.as_str(), sequence], stored_row)?;
                rows.collect()
            })
            .map_err(|error| self.failed(error))?;
        rows.into_iter()
            .map(|row| {
                let event = serde_json::from_str(&row.body).map_err(|error| {
                    self.damaged(format!(
                        "event {} of run `{}` cannot be read: {error}",
                        row.sequence, row.run
                    ))
                })?;
                Ok(Stamped {
                    run: row.run,
                    sequence: row.sequence,
                    at: row.at,
                    event,
                })
            })
            .collect()
    }

    fn add_run(
        &self,
        transaction: &Transaction<'_>,
        lease: &Lease,
        run: &RunId,
        plan: &PlanId,
        at: u64,
    ) -> Result<(), JournalError> {
        transaction
            .execute(
                "INSERT INTO runs (run, deployment, directory, plan, started) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    run.as_str(),
                    lease.key.deployment,
                    lease.key.directory,
                    plan.as_str(),
                    at
                ],
            )
            .map(drop)
            .map_err(|error| self.failed(error))
    }

    fn add_event(
        &self,
        transaction: &Transaction<'_>,
        stamped: &Stamped,
    ) -> Result<(), JournalError> {
        let last: Option<(u64, String)> = transaction
            .prepare_cached("SELECT position, hash FROM events ORDER BY position DESC LIMIT 1")
            .and_then(|mut statement| {
                statement
                    .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()
            })
            .map_err(|error| self.failed(error))?;
        let (position, previous) = last.unwrap_or((0, ORIGIN.to_owned()));
        let body = serde_json::to_string(&stamped.event).map_err(|error| self.damaged(error))?;
        let mut row = Row {
            position: position + 1,
            run: stamped.run.clone(),
            sequence: stamped.sequence,
            at: stamped.at,
            kind: kind(&stamped.event).to_owned(),
            body,
            previous,
            hash: String::new(),
        };
        row.hash = row.computed();
        transaction
            .prepare_cached(
                "INSERT INTO events (position, run, sequence, at, kind, body, previous, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    row.position,
                    row.run.as_str(),
                    row.sequence,
                    row.at,
                    row.kind,
                    row.body,
                    row.previous,
                    row.hash
                ])
            })
            .map(drop)
            .map_err(|error| self.failed(error))
    }
}

fn stored_row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        position: row.get(0)?,
        run: RunId::new(row.get::<_, String>(1)?),
        sequence: row.get(2)?,
        at: row.get(3)?,
        kind: row.get(4)?,
        body: row.get(5)?,
        previous: row.get(6)?,
        hash: row.get(7)?,
    })
}

#[cfg(test)]
mod tests;
