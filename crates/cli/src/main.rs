//! The `switchback` program: reads the command line, runs one command, prints
//! what went wrong through one printer, and ends with an exit code of
//! [`switchback_model::exit`]. Decisions are the planner's, acts the engine's.

use std::process::ExitCode;

use switchback_model::exit::Exit;

mod acceptance;
mod arguments;
mod backups;
mod commands;
mod execution;
mod failure;
mod hand_work;
mod place;
mod plans;
mod question;
mod rehearsals;
mod render;
mod runs;
mod session;
mod signals;
mod site;
mod stacks;

use failure::Failed;
use render::screen::Screen;

fn main() -> ExitCode {
    let cli = arguments::Cli::read();
    let screen = Screen::new(&cli.global);
    std::panic::set_hook(Box::new(report_defect));
    let ended =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| commands::run(cli, &screen)));
    let exit = match ended {
        Ok(Ok(exit)) => exit,
        Ok(Err(failed)) => tell(&screen, &failed),
        Err(_) => Exit::Bug,
    };
    ExitCode::from(exit.code())
}

fn tell(screen: &Screen, failed: &Failed) -> Exit {
    if !failed.shown {
        render::problem::print(screen, &failed.problem, &failed.diagnostics);
    }
    failed.problem.exit
}

/// Says where a defect is and that it is ours. The journal holds whatever was begun.
fn report_defect(panic: &std::panic::PanicHookInfo<'_>) {
    use std::io::Write as _;
    let said = panic
        .payload_as_str()
        .unwrap_or("for a reason that cannot be shown");
    let place = panic
        .location()
        .map_or_else(String::new, |place| format!(" ({place})"));
    let _ = writeln!(
        std::io::stderr(),
        "error: switchback has a defect: {said}{place}\n  \
         state: unknown; whatever was begun is in the journal and can be gone on with\n  \
         hint: look with `switchback status`, and please report this message, version {}",
        env!("CARGO_PKG_VERSION"),
    );
}
