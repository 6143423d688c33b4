//! The few styles there are. Colour only repeats what a word or a mark says.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};

/// Headings, versions, commands to type.
pub(crate) const BOLD: Style = Style::new().bold();
/// Sources, durations, what may be skipped.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Done.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Look here.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
/// Went wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Something to type.
pub(crate) const TYPE: Style = AnsiColor::Cyan.on_default();
/// No style.
pub(crate) const PLAIN: Style = Style::new();

/// Done.
pub(crate) const CHECK: &str = "✓";
/// Went wrong.
pub(crate) const CROSS: &str = "✗";
/// Look here.
pub(crate) const BANG: &str = "!";

/// `text` in `style`.
pub(crate) fn paint<T: Display>(style: Style, text: T) -> Painted<T> {
    Painted { style, text }
}

/// `text` in `style` word by word, so that lines may be wrapped between them.
pub(crate) fn each_word(style: Style, text: &str) -> String {
    let words: Vec<String> = text
        .split(' ')
        .map(|word| paint(style, word).to_string())
        .collect();
    words.join(" ")
}

/// Where something was read, in brackets; nothing where that is not said.
pub(crate) fn source(source: &str) -> String {
    if source.is_empty() {
        String::new()
    } else {
        format!(" {}", each_word(DIM, &format!("[{source}]")))
    }
}

/// Text in a style.
pub(crate) struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:#}", self.style, self.text, self.style)
    }
}
