//! Whose turn it is: one rehearsal of a deployment at a time.

use switchback_journal::{Holder, Journal, JournalError, Key, Lease, ProcessIdentity};
use switchback_model::exit::Exit;
use switchback_model::{Problem, RunId};

use crate::execution::by;
use crate::failure::Failed;
use crate::rehearsals::turn;
use crate::session::now;

/// Rehearsals of one deployment take turns; who is first is named.
pub(super) fn take_turn(journal: &Journal, key: &Key, id: &str) -> Result<Lease, Failed> {
    match journal.acquire(&turn(key), &holder(id)) {
        Ok(lease) => Ok(lease),
        Err(JournalError::Held { holder, because, .. }) => Err(Problem::new(
            Exit::Refused,
            "rehearsal-running",
            format!("rehearsal `{}` of `{}` is going on", holder.run, key.deployment),
        )
        .cause(because)
        .state("deployment", "not touched by this command")
        .why("two copies at once would take twice the space, and each would make the other's times worthless")
        .hint("wait for its end, or stop it first (Ctrl-C in its terminal)")
        .into()),
        Err(error) => Err(error.into()),
    }
}

/// Who holds a lease for a rehearsal.
pub(super) fn holder(id: &str) -> Holder {
    Holder {
        process: ProcessIdentity::current(),
        since: now(),
        run: RunId::new(id),
        by: by(),
    }
}
