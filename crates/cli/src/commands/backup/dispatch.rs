//! From what was typed to the command that does it.

use switchback_model::exit::Exit;

use super::{create, list, prove, prune, restore};
use crate::arguments::Backup;
use crate::failure::Failed;
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
