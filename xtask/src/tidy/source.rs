//! Rules for Rust files: size, names, attributes, what a crate's front page may hold.

use super::{Finding, Source};

/// Longer files hide a seam.
const FILE_LINES: usize = 800;

/// Longer functions hide a name.
const FUNCTION_LINES: usize = 120;

/// Names that say nothing about what a type is for.
const EMPTY_NAMES: [&str; 3] = ["Manager", "Helper", "Handler"];

/// File names that say nothing about what lives there.
const EMPTY_FILES: [&str; 4] = ["utils", "util", "common", "helpers"];

/// Checks one file.
pub(super) fn check(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines: Vec<&str> = file.text.lines().collect();
    if lines.len() > FILE_LINES {
        findings.push(file.at(
            FILE_LINES,
            format!("{} lines; {FILE_LINES} is the limit", lines.len()),
        ));
    }
    let name = file
        .path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    if EMPTY_FILES.contains(&name) {
        findings.push(file.at(1, format!("a file named `{name}` says nothing")));
    }
    if name == "lib" || name == "mod" {
        findings.extend(front_page(file, &lines));
    }
    findings.extend(functions(file, &lines));
    findings.extend(
        lines
            .iter()
            .enumerate()
            .filter_map(|(at, line)| words(file, at + 1, line)),
    );
    findings
}

/// `lib.rs` and `mod.rs` hold their description, modules and re-exports, and nothing that acts.
fn front_page(file: &Source, lines: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !lines.first().is_some_and(|line| line.starts_with("//!")) {
        findings.push(file.at(
            1,
            "a front page starts with `//!`: what this is for, what it must never do",
        ));
    }
    let acts = ["fn ", "impl ", "impl<", "struct ", "enum ", "trait "];
    for (at, line) in lines.iter().enumerate() {
        let item = line
            .trim_start_matches("pub(crate) ")
            .trim_start_matches("pub(super) ")
            .trim_start_matches("pub ");
        if acts.iter().any(|word| item.starts_with(word)) {
            findings.push(file.at(at + 1, "a front page holds only modules and re-exports"));
        }
    }
    findings
}

/// Finds functions by their indentation: rustfmt closes a body where its `fn` began.
fn functions(file: &Source, lines: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        if !is_function(code) || line.trim_end().ends_with('}') {
            continue;
        }
        let close = format!("{indent}}}");
        let body = lines[at..].iter().position(|line| line.trim_end() == close);
        if let Some(length) = body.filter(|length| *length >= FUNCTION_LINES) {
            findings.push(file.at(
                at + 1,
                format!(
                    "a function of {} lines; {FUNCTION_LINES} is the limit",
                    length + 1
                ),
            ));
        }
    }
    findings
}

fn is_function(code: &str) -> bool {
    let words = [
        "pub",
        "pub(crate)",
        "pub(super)",
        "const",
        "async",
        "extern",
    ];
    let rest = words.iter().fold(code, |rest, word| {
        rest.strip_prefix(&format!("{word} ")).unwrap_or(rest)
    });
    rest.starts_with("fn ")
}

fn words(file: &Source, number: usize, line: &str) -> Option<Finding> {
    let code = line.trim_start();
    if code.starts_with("#[allow(") || code.starts_with("#![allow(") {
        return Some(file.at(number, "use `#[expect(lint, reason = \"…\")]`"));
    }
    let open = ["TO", "DO"].concat();
    if let Some((_, rest)) = line.split_once(&open)
        && !rest.starts_with("(#")
        && line.contains("//")
    {
        return Some(file.at(number, format!("`{open}` without an issue: `{open}(#123)`")));
    }
    for word in ["struct ", "enum ", "trait "] {
        let Some((_, rest)) = code.split_once(word) else {
            continue;
        };
        let name: String = rest
            .chars()
            .take_while(|letter| letter.is_alphanumeric())
            .collect();
        if !code.starts_with("//") && EMPTY_NAMES.iter().any(|empty| name.ends_with(empty)) {
            return Some(file.at(number, format!("`{name}`: say what it is for")));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{FUNCTION_LINES, Source, check};

    fn findings(path: &str, text: &str) -> Vec<String> {
        let file = Source {
            path: PathBuf::from(path),
            text: text.to_owned(),
        };
        check(&file)
            .into_iter()
            .map(|finding| finding.what)
            .collect()
    }

    #[test]
    fn long_functions_are_found_wherever_they_stand() {
        let body = "        go();\n".repeat(FUNCTION_LINES);
        let text = format!(
            "impl X {{\n    pub(crate) fn long() {{\n{body}    }}\n    fn short() {{\n    }}\n}}\n"
        );
        assert_eq!(
            findings("a.rs", &text),
            [format!(
                "a function of {} lines; {FUNCTION_LINES} is the limit",
                FUNCTION_LINES + 2
            )]
        );
    }

    #[test]
    fn front_pages_do_not_act() {
        assert_eq!(
            findings("lib.rs", "//! X.\nmod a;\npub use a::B;\n"),
            Vec::<String>::new()
        );
        assert_eq!(
            findings("lib.rs", "//! X.\npub fn act() {}\n"),
            ["a front page holds only modules and re-exports"]
        );
        assert_eq!(findings("mod.rs", "mod a;\n").len(), 1);
    }

    #[test]
    fn empty_names_and_loose_ends() {
        assert_eq!(
            findings("a.rs", &["pub struct Run", "Manager;\n"].concat()),
            ["`RunManager`: say what it is for"]
        );
        assert_eq!(findings("utils.rs", "//! X.\n").len(), 1);
        let open = ["// TO", "DO: later\n"].concat();
        assert_eq!(findings("a.rs", &open).len(), 1);
        assert_eq!(
            findings("a.rs", &open.replace(':', "(#7):")),
            Vec::<String>::new()
        );
    }
}
