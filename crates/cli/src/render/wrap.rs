//! Wrapping at the terminal's width, between words only: an id or a command
//! is never broken, and nothing is ever glued to its end.

/// Columns that `text` takes; escape sequences take none.
pub(crate) fn width(text: &str) -> usize {
    anstream::adapter::strip_str(text)
        .to_string()
        .chars()
        .count()
}

/// Lines of at most `limit` columns; a single longer word stays whole.
/// `text` may carry styles as long as each spans no blank.
pub(crate) fn lines(text: &str, limit: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            let columns = width(word);
            if used > 0 && used + 1 + columns > limit {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += columns;
        }
        lines.push(line);
    }
    lines
}

/// `first` before the first line, as many blanks before the others.
pub(crate) fn hanging(first: &str, text: &str, limit: usize) -> String {
    let indent = width(first);
    // On a terminal too narrow for the indent, readable overflow beats one word per line.
    let room = limit.saturating_sub(indent).max(20);
    let mut whole = String::new();
    for (place, line) in lines(text, room).into_iter().enumerate() {
        if place == 0 {
            whole.push_str(first);
        } else {
            whole.push('\n');
            whole.push_str(&" ".repeat(indent));
        }
        whole.push_str(&line);
    }
    whole
}

/// `text` cut to `limit` columns, with `…` where something is missing. Plain text only.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(limit.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_between_words_and_never_inside_one() {
        assert_eq!(
            lines("go on with switchback-resume-r-7c1d now", 10),
            ["go on with", "switchback-resume-r-7c1d", "now"]
        );
    }

    #[test]
    fn continuation_lines_hang_under_the_text() {
        assert_eq!(
            hanging("hint: ", "one two three four five six seven", 27),
            "hint: one two three four\n      five six seven"
        );
    }

    #[test]
    fn styles_take_no_columns() {
        assert_eq!(width("\u{1b}[1mbold\u{1b}[0m"), 4);
    }

    #[test]
    fn cutting_shows_that_it_cut() {
        assert_eq!(cut("migrations", 5), "migr…");
        assert_eq!(cut("stop", 5), "stop");
    }
}
