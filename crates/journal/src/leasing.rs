//! One writer per deployment: a lease with a number that only rises. Whoever
//! finds the holder dead takes the next number; what the dead one might still
//! write is refused, because its number is older.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::error::JournalError;
use crate::holder::{Holder, Life, ProcessIdentity};
use crate::journal::Journal;
use crate::lease::{Key, Lease};
use crate::presence;

/// A holder as the journal keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    holder: Holder,
    /// Who declared that this holder is gone for good, where nothing could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given_up: Option<String>,
}

impl Journal {
    /// Takes the lease for `holder`: where nobody has it, or who has it is certainly dead.
    pub fn acquire(&self, key: &Key, holder: &Holder) -> Result<Lease, JournalError> {
        let transaction = self.begin()?;
        let (last, current) = stored(self, &transaction, key)?.unwrap_or((0, None));
        let took_over = match current {
            None => None,
            Some(current) => match self.life(key, &current, &holder.process) {
                Life::Dead(how) => Some(format!("{}: {how}", current.holder)),
                life => return Err(held(key, current.holder, life)),
            },
        };
        let number = last + 1;
        let kept = Kept {
            holder: holder.clone(),
            given_up: None,
        };
        let text = serde_json::to_string(&kept).map_err(|error| self.damaged(error))?;
        transaction
            .execute(
                "INSERT INTO leases (deployment, directory, number, holder) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (deployment, directory) DO UPDATE SET number = ?3, holder = ?4",
                params![key.deployment, key.directory, number, text],
            )
            .map_err(|error| self.failed(error))?;
        transaction.commit().map_err(|error| self.failed(error))?;
        *self.sign.borrow_mut() = presence::show(self.path(), key);
        Ok(Lease {
            key: key.clone(),
            number,
            took_over,
        })
    }

    /// Gives the lease back; one that was taken over meanwhile is left to its new holder.
    pub fn release(&self, lease: &Lease) -> Result<(), JournalError> {
        drop(self.sign.take());
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
        let (_, kept) = stored(self, &transaction, key)?.unwrap_or((0, None));
        Ok(kept.map(|kept| kept.holder))
    }

    /// Declares, on an operator's word, that the holder called `name` is gone for good: the next
    /// [`Journal::acquire`] takes its lease over. Refused while it certainly lives, and where another
    /// one holds the lease.
    pub fn give_up(
        &self,
        key: &Key,
        name: &str,
        by: &str,
        observer: &ProcessIdentity,
    ) -> Result<(), JournalError> {
        let transaction = self.begin()?;
        let Some((_, Some(mut kept))) = stored(self, &transaction, key)? else {
            return Ok(());
        };
        match self.life(key, &kept, observer) {
            Life::Dead(_) => return Ok(()),
            life @ Life::Alive(_) => return Err(held(key, kept.holder, life)),
            Life::CannotTell(_) if kept.holder.name() != name => {
                return Err(JournalError::AnotherHolder {
                    deployment: key.deployment.clone(),
                    said: name.to_owned(),
                    holder: Box::new(kept.holder),
                });
            }
            Life::CannotTell(_) => kept.given_up = Some(by.to_owned()),
        }
        let text = serde_json::to_string(&kept).map_err(|error| self.damaged(error))?;
        transaction
            .execute(
                "UPDATE leases SET holder = ?3 WHERE deployment = ?1 AND directory = ?2",
                params![key.deployment, key.directory, text],
            )
            .map_err(|error| self.failed(error))?;
        transaction.commit().map_err(|error| self.failed(error))
    }

    /// What the process table says, then an operator's word, then the sign that the kernel keeps.
    fn life(&self, key: &Key, kept: &Kept, observer: &ProcessIdentity) -> Life {
        match (kept.holder.process.life(observer), &kept.given_up) {
            (Life::CannotTell(because), given_up) => {
                if presence::is_shown(self.path(), key) {
                    Life::Alive(format!(
                        "{because}, but its lock beside the journal is held"
                    ))
                } else if let Some(by) = given_up {
                    Life::Dead(format!("declared gone by {by}"))
                } else {
                    Life::CannotTell(because)
                }
            }
            (known, _) => known,
        }
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

fn held(key: &Key, holder: Holder, life: Life) -> JournalError {
    let (because, provable) = match life {
        Life::Alive(because) => (because, true),
        Life::Dead(because) | Life::CannotTell(because) => (because, false),
    };
    JournalError::Held {
        deployment: key.deployment.clone(),
        holder: Box::new(holder),
        because,
        provable,
    }
}

fn stored(
    journal: &Journal,
    transaction: &Transaction<'_>,
    key: &Key,
) -> Result<Option<(u64, Option<Kept>)>, JournalError> {
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
