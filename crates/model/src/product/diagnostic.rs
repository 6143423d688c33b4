//! What is wrong with a definition, told so that its author can fix it: file,
//! line, column, the text itself, and a hint. Plain data; [`Diagnostic`]'s
//! `Display` renders it as plain text.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The definition cannot be used.
    Error,
    /// It can be used and is probably not what was meant.
    Warning,
}

/// One finding about a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable identifier, e.g. `unknown-migration`.
    pub code: String,
    /// What is wrong: one lowercase line, no full stop.
    pub message: String,
    /// Name of the file as it was given.
    pub file: String,
    /// 1-based line.
    pub line: usize,
    /// 1-based column, in characters.
    pub column: usize,
    /// The line's text.
    pub snippet: String,
    /// How many characters of the snippet, from `column`, it is about.
    pub width: usize,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

/// A stretch of bytes in one of the definition's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the file.
    pub file: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Diagnostic {
    /// Points at `place` in `files` (name and text each).
    pub(crate) fn at(
        files: &[(&str, &str)],
        place: Place,
        severity: Severity,
        code: &str,
        message: impl Into<String>,
    ) -> Self {
        let (name, text) = files.get(place.file).copied().unwrap_or(("", ""));
        let start = floor_char(text, place.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..]
            .find('\n')
            .map_or(text.len(), |end| start + end);
        let end = floor_char(text, place.end).clamp(start, line_end);
        let snippet = text[line_start..line_end].trim_end().to_owned();
        // What is wrong with blanks at the end of a line is shown where the text ends.
        let last = snippet.chars().count() + 1;
        Self {
            severity,
            code: code.to_owned(),
            message: message.into(),
            file: name.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: (text[line_start..start].chars().count() + 1).min(last),
            snippet,
            width: text[start..end].chars().count().max(1),
            hint: None,
        }
    }

    /// Says what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// True where the definition cannot be used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The nearest character boundary at or below `at`.
fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// ```text
/// error[unknown-migration]: release `3.24.0` demands `isdb`, which is no migration of this product
///   --> releases.toml:12:18
///    |
/// 12 |   { migration = "isdb", because = "columns" },
///    |                 ^^^^^^
///    = hint: did you mean `is-db`?
/// ```
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let margin = " ".repeat(self.line.to_string().len());
        // Tabs before the marker are kept, so that it stays below what it marks.
        let indent: String = self
            .snippet
            .chars()
            .take(self.column - 1)
            .map(|letter| if letter == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(f, "{word}[{}]: {}", self.code, self.message)?;
        writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{} | {}", self.line, self.snippet)?;
        write!(f, "{margin} | {indent}{}", "^".repeat(self.width))?;
        if let Some(hint) = &self.hint {
            write!(f, "\n{margin} = hint: {hint}")?;
        }
        Ok(())
    }
}
