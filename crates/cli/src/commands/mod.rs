//! The commands, one file each. A command asks, plans or runs through the other
//! crates and shows what they say; it decides nothing itself.

mod apply;
mod backup;
mod catalog;
mod completions;
mod doctor;
mod history;
mod init;
mod log;
mod man;
mod path;
mod plan;
mod resume;
mod rollback;
mod status;

use switchback_model::Problem;
use switchback_model::exit::Exit;

use crate::arguments::{Cli, Command, Format};
use crate::failure::Failed;
use crate::render::screen::Screen;
use crate::session::Session;

/// Runs the command that was typed.
pub(crate) fn run(cli: Cli, screen: &Screen) -> Result<Exit, Failed> {
    let Cli { global, command } = cli;
    if global.format == Format::Markdown && !matches!(command, Command::Plan(_)) {
        return Err(Problem::new(
            Exit::Usage,
            "no-markdown",
            "only `plan` can be written as Markdown",
        )
        .hint("use --format text or --format json")
        .into());
    }
    // These need no state directory, and work where there is none.
    match &command {
        Command::Path(arguments) => return path::run(screen, &global, arguments),
        Command::Catalog(arguments) => return catalog::run(screen, &global, arguments),
        Command::Completions(arguments) => return completions::run(screen, arguments),
        Command::Man(arguments) => return man::run(screen, arguments),
        _ => {}
    }
    let session = Session::open(screen, global)?;
    match command {
        Command::Init(arguments) => init::run(&session, &arguments),
        Command::Status => status::run(&session),
        Command::Plan(arguments) => plan::run(&session, &arguments),
        Command::Apply(arguments) => apply::run(&session, &arguments),
        Command::Resume(arguments) => resume::run(&session, &arguments),
        Command::Rollback(arguments) => rollback::run(&session, &arguments),
        Command::History => history::run(&session),
        Command::Log(arguments) => log::run(&session, &arguments),
        Command::Doctor => doctor::run(&session),
        Command::Backup(arguments) => backup::run(&session, &arguments),
        Command::Path(_) | Command::Catalog(_) | Command::Completions(_) | Command::Man(_) => {
            unreachable!("handled above")
        }
    }
}
