//! `switchback man`: manual pages, generated from the command line itself.

use std::path::Path;

use clap::{Command, CommandFactory as _};
use switchback_model::Problem;
use switchback_model::exit::Exit;

use crate::arguments::{Cli, Man};
use crate::failure::Failed;
use crate::render::screen::Screen;

/// Prints the page of the program, or writes one page per command.
pub(crate) fn run(screen: &Screen, arguments: &Man) -> Result<Exit, Failed> {
    match &arguments.directory {
        None => {
            let page = page(Cli::command()).map_err(unwritable(Path::new("standard output")))?;
            screen.answer(&String::from_utf8_lossy(&page));
        }
        Some(directory) => {
            std::fs::create_dir_all(directory).map_err(unwritable(directory))?;
            clap_mangen::generate_to(Cli::command(), directory).map_err(unwritable(directory))?;
            screen.advice(&format!("Wrote the pages into {}\n", directory.display()));
        }
    }
    Ok(Exit::Ok)
}

fn page(command: Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}

fn unwritable(path: &Path) -> impl Fn(std::io::Error) -> Failed {
    let path = path.display().to_string();
    move |error| {
        Problem::new(
            Exit::Usage,
            "man-unwritable",
            format!("`{path}` cannot be written"),
        )
        .cause(error)
        .hint("name a directory that you may write to")
        .into()
    }
}
