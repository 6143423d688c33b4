//! The one printer of everything that goes wrong.

use std::fmt::Write as _;

use serde::Serialize;
use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::product::diagnostic::Diagnostic;

use super::screen::{Screen, quoted};
use super::style::{BAD, BOLD, DIM, WARN, paint};
use super::{style, wrap};

/// Version of the JSON document.
const FORMAT: u32 = 1;

/// A problem as a document of its own.
#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    problem: &'a Problem,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    diagnostics: &'a [Diagnostic],
}

/// Prints a problem: text on standard error, JSON as the answer.
pub(crate) fn print(screen: &Screen, problem: &Problem, diagnostics: &[Diagnostic]) {
    if screen.json() {
        screen.json_line(&Document {
            format: FORMAT,
            problem,
            diagnostics,
        });
    } else {
        let mut shown = text(problem, screen.progress_width);
        for diagnostic in diagnostics {
            let _ = write!(shown, "\n{}\n", pointed(problem, diagnostic));
        }
        screen.advice(&shown);
    }
}

/// The line that is pointed at; with its own words only where the problem has not said them.
fn pointed(problem: &Problem, diagnostic: &Diagnostic) -> String {
    let whole = diagnostic.to_string();
    if !problem.what.contains(&diagnostic.message) {
        return whole;
    }
    let lines: Vec<&str> = whole
        .lines()
        .skip(2)
        .filter(|line| !line.trim_start().starts_with("= hint"))
        .collect();
    lines.join("\n")
}

/// The three parts as text of at most `width` columns.
pub(crate) fn text(problem: &Problem, width: usize) -> String {
    let mut text = String::new();
    let mut line = |label: String, said: &str| {
        let _ = writeln!(text, "{}", wrap::hanging(&format!("{label} "), said, width));
    };
    let word = format!("{}:", word(problem.exit));
    let style = match problem.exit {
        Exit::Refused | Exit::Drifted => WARN.bold(),
        _ => BAD,
    };
    // A refusal often is its decisive fact: then only the source is added to it.
    let decisive = problem
        .facts
        .first()
        .filter(|fact| problem.what.contains(fact.text.as_str()));
    let source = decisive.map_or_else(String::new, |fact| style::source(&fact.source));
    line(
        paint(style, word).to_string(),
        &format!("{}{source}", problem.what),
    );
    for cause in &problem.causes {
        line(paint(DIM, "  caused by:").to_string(), cause);
    }
    for fact in problem.facts.iter().skip(usize::from(decisive.is_some())) {
        line(
            paint(DIM, "  because:").to_string(),
            &format!("{}{}", fact.text, style::source(&fact.source)),
        );
    }
    if !problem.state.is_empty() {
        let states: Vec<String> = problem
            .state
            .iter()
            .map(|state| {
                let seen = state.seen.as_deref().unwrap_or("unknown");
                format!("{} {seen}", state.subject)
            })
            .collect();
        line(paint(BOLD, "  state:").to_string(), &states.join(" · "));
    }
    if let Some(why) = &problem.why {
        line(paint(BOLD, "  why it matters:").to_string(), why);
    }
    for (place, hint) in problem.hints.iter().enumerate() {
        let label = if place == 0 { "  hint:" } else { "       " };
        line(paint(BOLD, label).to_string(), &quoted(hint));
    }
    text
}

/// The first word, which says what kind of thing happened.
fn word(exit: Exit) -> &'static str {
    match exit {
        Exit::Ok => "note",
        Exit::Bug | Exit::Usage => "error",
        Exit::Refused => "refused",
        Exit::Halted => "halted",
        Exit::Drifted => "drifted",
    }
}

#[cfg(test)]
mod tests {
    use switchback_model::problem::Citation;

    use super::*;

    #[test]
    fn says_what_failed_in_which_state_and_what_to_type() {
        let problem = Problem::new(
            Exit::Halted,
            "migration-failed",
            "step 10 `is-db migrate` exited with 1",
        )
        .cause("connection refused")
        .state("stack", "stopped")
        .unknown("postgres")
        .why("it marks a migration as done before running it")
        .hint("fix the connection, then `switchback resume r-7c1d`")
        .hint("or `switchback rollback r-7c1d`");
        let plain = anstream::adapter::strip_str(&text(&problem, 80)).to_string();
        assert_eq!(
            plain,
            "halted: step 10 `is-db migrate` exited with 1\n\
             \x20 caused by: connection refused\n\
             \x20 state: stack stopped · postgres unknown\n\
             \x20 why it matters: it marks a migration as done before running it\n\
             \x20 hint: fix the connection, then `switchback resume r-7c1d`\n\
             \x20       or `switchback rollback r-7c1d`\n"
        );
    }

    #[test]
    fn a_refusal_carries_its_facts_with_sources() {
        let problem = Problem::new(Exit::Refused, "x", "no").fact(Citation {
            id: "a".to_owned(),
            text: "3.25.0 removed it".to_owned(),
            source: "CHANGELOG.md 3.25.0".to_owned(),
        });
        let plain = anstream::adapter::strip_str(&text(&problem, 80)).to_string();
        assert_eq!(
            plain,
            "refused: no\n  because: 3.25.0 removed it [CHANGELOG.md 3.25.0]\n"
        );
    }
}
