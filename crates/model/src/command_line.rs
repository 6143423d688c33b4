//! Commands as people type them.

/// The words of a command, quoted where a shell would not take them as they are.
pub fn typed<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.into_iter().map(quoted).collect();
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        let script = "set -e; apt-get install 'mongodb-*'";
        assert_eq!(
            typed(["/bin/bash", "-c", script, ""]),
            r"/bin/bash -c 'set -e; apt-get install '\''mongodb-*'\''' ''"
        );
    }
}
