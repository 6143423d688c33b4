//! Backups and a run that is not done.

use switchback_journal::{Journal, Key};
use switchback_model::Problem;
use switchback_model::exit::Exit;

use crate::failure::Failed;
use crate::runs;
use crate::session::Session;

/// A run that is not done may need its backups, and leaves the deployment between two states.
pub(super) fn refuse_open_run(
    session: &Session<'_>,
    journal: &Journal,
    key: &Key,
    why: &str,
) -> Result<(), Failed> {
    let Some((record, standing)) = runs::open(session, journal, key)? else {
        return Ok(());
    };
    Err(Problem::new(
        Exit::Refused,
        "run-open",
        format!("run `{}` is {} {why}", record.run, standing.word()),
    )
    .state("backups", "unchanged")
    .hint(format!("end it first: `switchback resume {}`", record.run))
    .into())
}
