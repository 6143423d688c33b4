//! From what was typed to the command that does it, and what they all say.

use switchback_journal::{Journal, Key};
use switchback_model::Problem;
use switchback_model::exit::Exit;

use super::{create, list, prove, prune, restore};
use crate::arguments::Backup;
use crate::failure::Failed;
use crate::runs;
use crate::session::Session;

/// Makes, lists, proves, restores or removes backups.
pub(crate) fn run(session: &Session<'_>, command: &Backup) -> Result<Exit, Failed> {
    match command {
        Backup::List => list::run(session),
        Backup::Create(arguments) => create::run(session, arguments),
        Backup::Prove(arguments) => prove::run(session, arguments),
        Backup::Restore(arguments) => restore::run(session, arguments),
        Backup::Prune(arguments) => prune::run(session, arguments),
    }
}

/// A run that is not done may need its backups, and leaves the deployment between two states.
pub(super) fn refuse_open_run(journal: &Journal, key: &Key, why: &str) -> Result<(), Failed> {
    let Some((record, standing)) = runs::open(journal, key)? else {
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
