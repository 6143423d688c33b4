//! From what was typed to the command that does it.

use switchback_model::Problem;
use switchback_model::exit::Exit;

use super::{create, list, prove, prune, restore};
use crate::arguments::Backup;
use crate::failure::Failed;
use crate::session::Session;

/// Makes, lists, proves, restores or removes backups.
pub(crate) fn run(session: &Session<'_>, command: &Backup) -> Result<Exit, Failed> {
    if matches!(command, Backup::Create(_) | Backup::Prove(_)) {
        refuse_stacks(session)?;
    }
    match command {
        Backup::List => list::run(session),
        Backup::Create(arguments) => create::run(session, arguments),
        Backup::Prove(arguments) => prove::run(session, arguments),
        Backup::Restore(arguments) => restore::run(session, arguments),
        Backup::Prune(arguments) => prune::run(session, arguments),
    }
}

/// What stacks hold is kept by the account's own snapshots.
fn refuse_stacks(session: &Session<'_>) -> Result<(), Failed> {
    let Ok(found) = session.deployment() else {
        return Ok(());
    };
    if found.config.aws.is_none() {
        return Ok(());
    }
    Err(Problem::new(
        Exit::Refused,
        "backup-of-stacks",
        format!("`{}` is stacks at AWS: its backups are snapshots in the account", found.name),
    )
    .state("deployment", "not touched")
    .hint("every plan takes a snapshot of whatever holds data before it changes anything: `switchback plan`")
    .into())
}
