//! `.env` files as Compose reads them, keeping where each value stands.

use std::ops::Range;

/// `NAME=value` in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// The variable.
    pub(crate) name: String,
    /// Bytes of the value, without quotes, trailing blanks and comment.
    pub(crate) value: Range<usize>,
    /// How the value is quoted.
    pub(crate) quoting: Quoting,
}

/// How a value is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// Not at all: variables are replaced, a blank and `#` begin a comment.
    None,
    /// `'…'`: taken literally.
    Single,
    /// `"…"`: variables and escapes are replaced.
    Double,
}

/// Every assignment of `text`, in order; of one name the last counts.
pub(crate) fn parse(text: &str) -> Vec<Assignment> {
    let mut assignments = Vec::new();
    let mut position = 0;
    while position < text.len() {
        let line_end = text[position..]
            .find('\n')
            .map_or(text.len(), |found| position + found);
        let (assignment, next) = match assignment_at(text, position, line_end) {
            Some(assignment) => {
                // A quoted value may go over several lines.
                let end = text[assignment.value.end..]
                    .find('\n')
                    .map_or(text.len(), |found| assignment.value.end + found);
                (Some(assignment), end + 1)
            }
            None => (None, line_end + 1),
        };
        assignments.extend(assignment);
        position = next;
    }
    assignments
}

fn assignment_at(text: &str, start: usize, line_end: usize) -> Option<Assignment> {
    let line = &text[start..line_end];
    let mut at = start + (line.len() - line.trim_start().len());
    if let Some(rest) = text[at..line_end].strip_prefix("export")
        && rest.starts_with([' ', '\t'])
    {
        at = line_end - rest.trim_start().len();
    }
    let separator = at + text[at..line_end].find(['=', ':'])?;
    let name = text[at..separator].trim_end();
    if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-[]".contains(c))
    {
        return None;
    }
    let after = &text[separator + 1..line_end];
    let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
    let value_start = separator + 1 + blanks;
    let (value, quoting) = match text[value_start..].chars().next() {
        Some(quote @ ('\'' | '"')) => {
            let end = closing_quote(&text[value_start + 1..], quote)?;
            let quoting = if quote == '"' {
                Quoting::Double
            } else {
                Quoting::Single
            };
            (value_start + 1..value_start + 1 + end, quoting)
        }
        _ => {
            let raw = &text[value_start..line_end];
            let length = comment_start(raw).unwrap_or(raw.len());
            let length = raw[..length].trim_end().len();
            (value_start..value_start + length, Quoting::None)
        }
    };
    Some(Assignment {
        name: name.to_owned(),
        value,
        quoting,
    })
}

fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (position, character) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' && quote == '"' {
            escaped = true;
        } else if character == quote {
            return Some(position);
        }
    }
    None
}

/// Where a comment begins: at a `#` after a blank or at the start.
fn comment_start(raw: &str) -> Option<usize> {
    raw.char_indices()
        .find(|(position, character)| {
            *character == '#' && (*position == 0 || raw[..*position].ends_with([' ', '\t']))
        })
        .map(|(position, _)| position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_where_its_range_says() {
        let text = "export TAG=\"3.23.2\"   # pin\r\n";
        let assignments = parse(text);
        assert_eq!(&text[assignments[0].value.clone()], "3.23.2");
    }
}
