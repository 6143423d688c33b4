//! One writer per deployment: a lease with a number that only rises. Whoever
//! finds the holder dead takes the next number; what the dead one might still
//! write is refused, because its number is older.

use rusqlite::{OptionalExtension, Transaction, params};
use switchback_model::observed::Deployment;

use crate::error::JournalError;
use crate::holder::{Holder, Life};
use crate::journal::Journal;

/// What a lease is about: two deployments of the same name in different directories are two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Name of the deployment.
    pub deployment: String,
    /// Its directory.
    pub directory: String,
}

/// The right to write about one deployment, until another holder has a higher number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What it is about.
    pub key: Key,
    /// Its number.
    pub number: u64,
    /// The holder that was found dead, and how that is known.
    pub took_over: Option<String>,
}

impl From<&Deployment> for Key {
    fn from(deployment: &Deployment) -> Self {
        Self {
            deployment: deployment.name.clone(),
            directory: deployment.directory.clone(),
        }
    }
}

impl Journal {
    /// Takes the lease for `holder`: where nobody has it, or who has it is certainly dead.
    pub fn acquire(&self, key: &Key, holder: &Holder) -> Result<Lease, JournalError> {
        let transaction = self.begin()?;
        let (last, current) = stored(self, &transaction, key)?.unwrap_or((0, None));
        let took_over = match current {
            None => None,
            Some(current) => match current.process.life(&holder.process) {
                Life::Dead(how) => Some(format!("{current}: {how}")),
                Life::Alive(because) | Life::CannotTell(because) => {
                    return Err(JournalError::Held {
                        deployment: key.deployment.clone(),
                        holder: Box::new(current),
                        because,
                    });
                }
            },
        };
        let number = last + 1;
        let text = serde_json::to_string(holder).map_err(|error| self.damaged(error))?;
        transaction
            .execute(
                "INSERT INTO leases (deployment, directory, number, holder) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (deployment, directory) DO UPDATE SET number = ?3, holder = ?4",
                params![key.deployment, key.directory, number, text],
            )
            .map_err(|error| self.failed(error))?;
        transaction.commit().map_err(|error| self.failed(error))?;
        Ok(Lease {
            key: key.clone(),
            number,
            took_over,
        })
    }

    /// Gives the lease back; one that was taken over meanwhile is left to its new holder.
    pub fn release(&self, lease: &Lease) -> Result<(), JournalError> {
        self.connection
            .execute(
                "UPDATE leases SET holder = NULL
                 WHERE deployment = ?1 AND directory = ?2 AND number = ?3",
                params![lease.key.deployment, lease.key.directory, lease.number],
            )
            .map(drop)
            .map_err(|error| self.failed(error))
    }

    /// Who holds the lease now, dead or alive.
    pub fn holder(&self, key: &Key) -> Result<Option<Holder>, JournalError> {
        let transaction = self.read()?;
        Ok(stored(self, &transaction, key)?.and_then(|(_, holder)| holder))
    }

    /// Fails where another holder has a higher number by now.
    pub(crate) fn fence(
        &self,
        transaction: &Transaction<'_>,
        lease: &Lease,
    ) -> Result<(), JournalError> {
        let now = stored(self, transaction, &lease.key)?.map_or(0, |(number, _)| number);
        if now == lease.number {
            Ok(())
        } else {
            Err(JournalError::LeaseLost {
                deployment: lease.key.deployment.clone(),
                ours: lease.number,
                now,
            })
        }
    }
}

fn stored(
    journal: &Journal,
    transaction: &Transaction<'_>,
    key: &Key,
) -> Result<Option<(u64, Option<Holder>)>, JournalError> {
    let row: Option<(u64, Option<String>)> = transaction
        .prepare_cached(
            "SELECT number, holder FROM leases WHERE deployment = ?1 AND directory = ?2",
        )
        .and_then(|mut statement| {
            statement
                .query_row(params![key.deployment, key.directory], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()
        })
        .map_err(|error| journal.failed(error))?;
    row.map(|(number, holder)| {
        let holder = holder
            .map(|text| serde_json::from_str(&text).map_err(|error| journal.damaged(error)))
            .transpose()?;
        Ok((number, holder))
    })
    .transpose()
}
