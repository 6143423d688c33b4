//! From what was typed to the command that does it.

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
        Command::Path(arguments) => return super::path::run(screen, &global, arguments),
        Command::Catalog(arguments) => return super::catalog::run(screen, &global, arguments),
        Command::Completions(arguments) => return super::completions::run(screen, arguments),
        Command::Man(arguments) => return super::man::run(screen, arguments),
        Command::Elsewhere => return super::elsewhere::run(),
        _ => {}
    }
    let session = Session::open(screen, global)?;
    match command {
        Command::Init(arguments) => super::init::run(&session, &arguments),
        Command::Status => super::status::run(&session),
        Command::Plan(arguments) => super::plan::run(&session, &arguments),
        Command::Rehearse(arguments) => super::rehearse::run(&session, &arguments),
        Command::Apply(arguments) => super::apply::run(&session, &arguments),
        Command::Resume(arguments) => super::resume::run(&session, &arguments),
        Command::Rollback(arguments) => super::rollback::run(&session, &arguments),
        Command::Rollover(arguments) => super::rollover::run(&session, &arguments),
        Command::History => super::history::run(&session),
        Command::Log(arguments) => super::log::run(&session, &arguments),
        Command::Doctor => super::doctor::run(&session),
        Command::Backup(arguments) => super::backup::run(&session, &arguments),
        Command::Path(_)
        | Command::Catalog(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Elsewhere => unreachable!("handled above"),
    }
}
