//! Where text goes. Standard output is the answer, standard error is progress
//! and advice. A reader that goes away never ends a command: what cannot be
//! shown is dropped, the work goes on.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use super::style::{TYPE, each_word};
use crate::arguments::{Format, Global};

/// Without a terminal nothing is wrapped, so that each line stays one line for `grep`.
const UNLIMITED: usize = usize::MAX;
/// Longer lines than this are hard to read, however wide the terminal.
const WIDEST: usize = 120;

/// Where text goes, and how wide it may be.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    /// How the answer is written.
    pub format: Format,
    /// Show what children print.
    pub verbose: bool,
    /// Columns of the answer.
    pub width: usize,
    /// Columns of progress and advice.
    pub progress_width: usize,
    /// Whether progress is redrawn in place.
    pub live: bool,
}

impl Screen {
    /// As the terminal, `NO_COLOR` and the options say.
    pub(crate) fn new(global: &Global) -> Self {
        let stderr = std::io::stderr();
        Self {
            format: global.format,
            verbose: global.verbose,
            width: columns(std::io::stdout()),
            progress_width: columns(std::io::stderr()),
            live: stderr.is_terminal()
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
        }
    }

    /// True where the answer is for programs.
    pub(crate) fn json(&self) -> bool {
        self.format == Format::Json
    }

    /// Writes part of the answer as it is.
    pub(crate) fn answer(&self, text: &str) {
        let mut out = anstream::stdout().lock();
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
    }

    /// Writes the answer as one JSON document.
    pub(crate) fn document(&self, value: &impl Serialize) {
        let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
        text.push('\n');
        self.answer(&text);
    }

    /// Writes one line of JSON: what may stand among the events of a run.
    pub(crate) fn json_line(&self, value: &impl Serialize) {
        let mut text = serde_json::to_string(value).unwrap_or_default();
        text.push('\n');
        self.answer(&text);
    }

    /// Writes progress or advice as it is.
    pub(crate) fn advice(&self, text: &str) {
        let mut err = anstream::stderr().lock();
        let _ = err.write_all(text.as_bytes());
        let _ = err.flush();
    }

    /// The last line of a command: what to type next, best first.
    pub(crate) fn next(&self, commands: &[String]) {
        if !self.json() && !commands.is_empty() {
            let commands: Vec<String> = commands
                .iter()
                .map(|command| each_word(TYPE, command))
                .collect();
            let line = super::wrap::hanging("Next: ", &commands.join(" or "), self.progress_width);
            self.advice(&format!("{line}\n"));
        }
    }
}

/// Paints what stands between backticks, e.g. the commands of a hint. The backticks stay: they end an id.
pub(crate) fn quoted(text: &str) -> String {
    let parts: Vec<String> = text
        .split('`')
        .enumerate()
        .map(|(place, part)| {
            if place % 2 == 1 {
                each_word(TYPE, part)
            } else {
                part.to_owned()
            }
        })
        .collect();
    parts.join("`")
}

fn columns(stream: impl std::os::fd::AsFd + std::io::IsTerminal) -> usize {
    let said = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse::<usize>().ok())
        .filter(|columns| *columns >= 20);
    let measured = || {
        stream
            .is_terminal()
            .then(|| rustix::termios::tcgetwinsize(&stream).ok())
            .flatten()
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns > 0)
    };
    said.or_else(measured)
        .map_or(UNLIMITED, |columns| columns.min(WIDEST))
}
