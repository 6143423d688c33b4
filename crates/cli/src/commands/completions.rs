//! `switchback completions`: completions for a shell, generated from the command line itself.

use clap::CommandFactory as _;
use switchback_model::exit::Exit;

use crate::arguments::{Cli, Completions};
use crate::failure::Failed;
use crate::render::screen::Screen;

/// Prints the completions.
pub(crate) fn run(screen: &Screen, arguments: &Completions) -> Result<Exit, Failed> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Cli::command(),
        "switchback",
        &mut script,
    );
    screen.answer(&String::from_utf8_lossy(&script));
    Ok(Exit::Ok)
}
