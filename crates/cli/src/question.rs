//! Questions before anything changes. Without a terminal nobody can answer:
//! then `--yes` has to say it.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::plan::Plan;

use crate::failure::Failed;
use crate::render::style::{BANG, BOLD, WARN, paint};
use crate::render::wrap;
use crate::session::Session;

/// Asks whether to go ahead with `deed`; `command` is what to type where nobody can answer.
pub(crate) fn go_ahead(
    session: &Session<'_>,
    deed: &str,
    question: &str,
    command: &str,
) -> Result<(), Failed> {
    if session.global.yes {
        return Ok(());
    }
    if !someone_is_there() {
        return Err(Problem::new(
            Exit::Usage,
            "not-confirmed",
            format!("{deed} needs a yes, and there is no terminal to ask for it"),
        )
        .state("deployment", "not touched")
        .hint(format!("say so: `{command} --yes`"))
        .into());
    }
    let asked = wrap::lines(&format!("{question}? [y/N]"), session.screen.progress_width);
    match ask(&asked.join("\n")).as_deref() {
        Some("y" | "Y" | "yes" | "Yes") => Ok(()),
        _ => Err(
            Problem::new(Exit::Usage, "not-confirmed", format!("{deed} needs a yes"))
                .state("deployment", "not touched")
                .hint(format!("when you are ready: `{command}`"))
                .into(),
        ),
    }
}

/// Adds to `accepted` what a person at a terminal accepts by typing its word.
pub(crate) fn acceptances(session: &Session<'_>, plan: &Plan, accepted: &mut Vec<String>) {
    if !someone_is_there() || session.screen.json() {
        return;
    }
    for notice in &plan.notices {
        let Some(word) = &notice.accept else { continue };
        if accepted.contains(word) {
            continue;
        }
        let found = notice
            .found
            .as_ref()
            .map_or_else(String::new, |found| format!(" ({found})"));
        let text = format!("{}{found}", notice.text.trim_end_matches('.'));
        let mark = format!("{} ", paint(WARN, BANG));
        let width = session.screen.progress_width;
        session
            .screen
            .advice(&format!("{}\n", wrap::hanging(&mark, &text, width)));
        let question = format!("Type {} to accept it:", paint(BOLD, word));
        if ask(&question).as_deref() == Some(word) {
            accepted.push(word.clone());
        }
    }
}

fn someone_is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn ask(question: &str) -> Option<String> {
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "{question} ");
    let _ = err.flush();
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        Ok(read) if read > 0 => Some(answer.trim().to_owned()),
        _ => None,
    }
}
