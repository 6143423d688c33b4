//! The voice of the demo: headings, sentences, prompts.

use std::io::{IsTerminal, stdout};
use std::time::Duration;

/// Where one line of narration ends, at most: longer ones are hard to read.
const WIDEST: usize = 100;

/// A new part begins.
pub(super) fn act(number: usize, title: &str) {
    let title = format!("── {number} · {title} ");
    let rule = width().saturating_sub(title.chars().count());
    println!("\n{}", painted("1;36", &(title + &"─".repeat(rule))));
}

/// A sentence or two.
pub(super) fn say(text: &str) {
    for line in wrapped(text, width()) {
        println!("{}", painted("36", &line));
    }
}

/// Something as it stands in a file.
pub(super) fn quote(text: &str) {
    for line in text.lines() {
        println!("{}", painted("2", &format!("  {line}")));
    }
}

/// What was measured: a word, then what there is to say about it.
pub(super) fn figure(word: &str, text: &str) {
    const COLUMNS: usize = 12;
    let lines = wrapped(text, width().saturating_sub(COLUMNS + 2));
    for (place, line) in lines.iter().enumerate() {
        let word = if place == 0 { word } else { "" };
        println!("  {}{line}", painted("1", &format!("{word:<COLUMNS$}")));
    }
}

/// What the operator types.
pub(super) fn prompt(words: &[&str]) {
    println!(
        "\n{} {}",
        painted("32", "$"),
        painted("1", &format!("switchback {}", words.join(" ")))
    );
}

/// What happens before the curtain rises.
pub(super) fn note(text: &str) {
    eprintln!("{text} …");
}

/// `0.8 s`, `14 s`, `2 min 5 s`.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().round();
    match time.as_secs_f64() {
        short @ 0.0..9.95 => format!("{short:.1} s"),
        0.0..59.5 => format!("{seconds} s"),
        _ => format!("{} min {} s", (seconds / 60.0).floor(), seconds % 60.0),
    }
}

fn painted(style: &str, text: &str) -> String {
    if stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|said| said.is_empty()) {
        format!("\u{1b}[{style}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// Columns of narration: those of the terminal, as far as they are read with ease.
fn width() -> usize {
    rustix::termios::tcgetwinsize(stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .map_or(WIDEST, |columns| columns.min(WIDEST))
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narration_breaks_between_words() {
        assert_eq!(wrapped("one two  three", 8), ["one two", "three"]);
        assert_eq!(wrapped("a-word-too-long", 8), ["a-word-too-long"]);
    }

    #[test]
    fn durations_are_as_exact_as_they_are_long() {
        let said = |milliseconds| duration(Duration::from_millis(milliseconds));
        assert_eq!(said(830), "0.8 s");
        assert_eq!(said(9_960), "10 s");
        assert_eq!(said(59_400), "59 s");
        assert_eq!(said(125_000), "2 min 5 s");
    }
}
