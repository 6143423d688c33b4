//! What a migration says while it runs.

use switchback_engine::process::last_words;

/// Captured lines beyond this are cut in the middle.
const MOST_LINES: usize = 4000;

/// What a migration said, redacted, cut in the middle where it is long.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    head: Vec<String>,
    tail: Vec<String>,
    /// All lines, the cut ones included.
    pub(crate) count: usize,
}

impl Log {
    pub(crate) fn push(&mut self, line: &str) {
        self.count += 1;
        if self.head.len() < MOST_LINES / 2 {
            self.head.push(line.to_owned());
            return;
        }
        self.tail.push(line.to_owned());
        if self.tail.len() > MOST_LINES {
            self.tail.drain(..MOST_LINES / 2);
        }
    }

    pub(crate) fn text(&self) -> String {
        let cut = self.count - self.head.len() - self.tail.len();
        let mut lines = self.head.clone();
        if cut > 0 {
            lines.push(format!("… {cut} lines cut …"));
        }
        lines.extend(self.tail.iter().cloned());
        lines.join("\n")
    }

    /// The last lines that say something, oldest first.
    pub(crate) fn last_words(&self) -> Vec<String> {
        last_words(self.head.iter().chain(&self.tail).map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_keeps_its_head_and_its_tail() {
        let mut log = Log::default();
        for number in 0..20_000 {
            log.push(&format!("line {number}"));
        }
        log.push("");
        let text = log.text();
        assert!(
            text.starts_with("line 0\n")
                && text.contains("lines cut")
                && text.ends_with("line 19999\n")
        );
        assert!(text.lines().count() <= MOST_LINES + MOST_LINES / 2 + 1);
        assert_eq!(log.last_words(), ["line 19997", "line 19998", "line 19999"]);
        assert_eq!(log.count, 20_001);
    }
}
