//! The voice of the demo: headings, sentences, prompts.

use std::io::IsTerminal;

/// Where one line of narration ends, at most.
const WIDTH: usize = 100;

/// A new part begins.
pub(super) fn act(title: &str) {
    println!(
        "\n{}",
        painted(
            "1;36",
            &format!(
                "── {title} {}",
                "─".repeat(WIDTH.saturating_sub(title.chars().count() + 4))
            )
        )
    );
}

/// A sentence or two.
pub(super) fn say(text: &str) {
    println!("{}", painted("36", text));
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

fn painted(style: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\u{1b}[{style}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}
