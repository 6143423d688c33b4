//! The lines of an output that tell why a program ended.

/// Lines that are shown at most, beside one that names an error before them.
const LINES: usize = 3;
/// Words by which programs of all kinds name an error, in lower case.
const ERRORS: [&str; 6] = ["error", "exception", "fatal", "failed", "cannot", "denied"];

/// The last lines that say something, oldest first. Where none of them names an error, as where a message ends in
/// nothing but brackets, the last line that does comes before them.
pub fn last_words<'a>(lines: impl DoubleEndedIterator<Item = &'a str>) -> Vec<String> {
    let mut spoken = lines
        .map(str::trim)
        .filter(|line| line.chars().any(char::is_alphanumeric))
        .rev();
    let mut last: Vec<&str> = spoken.by_ref().take(LINES).collect();
    if !last.iter().any(|line| names_error(line)) {
        last.extend(spoken.find(|line| names_error(line)));
    }
    last.into_iter().rev().map(str::to_owned).collect()
}

fn names_error(line: &str) -> bool {
    let line = line.to_lowercase();
    ERRORS.iter().any(|word| line.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_told_without_lines_that_say_nothing() {
        let said = "one\ntwo\n\nthree\nfour\n)\n]\n";
        assert_eq!(last_words(said.lines()), ["two", "three", "four"]);
        assert!(last_words("".lines()).is_empty());
    }

    #[test]
    fn a_message_that_names_its_error_first_is_told_with_it() {
        let said = "start\nProgrammingError: relation \"event_triggers_v2\" already exists\n\nCREATE TABLE event_triggers_v2 (\n\tid VARCHAR(36),\n\tPRIMARY KEY (id)\n)\n\n]\n";
        assert_eq!(
            last_words(said.lines()),
            [
                "ProgrammingError: relation \"event_triggers_v2\" already exists",
                "CREATE TABLE event_triggers_v2 (",
                "id VARCHAR(36),",
                "PRIMARY KEY (id)",
            ]
        );
    }
}
