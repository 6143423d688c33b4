//! The page of codes: what `code` of a problem can be, found in the source wherever a code stands before its text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::page::{self, cell};
use crate::source::{self, between};

const HEAD: &str = "# Codes

Every problem has a `code`, which stays the same while its text may become better: `--format json` prints it
([problem](records.md#problem)). Generated from the source. `…` stands for what is filled in. A code with several texts has several
causes, each with hints of its own.

Where no exit code is given it depends on who meets the problem: as a rule a run halts (4), and any other command refuses (3). The problem's own
`exit` says it. What `switchback catalog lint` finds has codes of its own, and says beside the line that it points at what they mean.

";

/// What is found where, and how that is called on the page.
const PARTS: [(&str, &str, &str); 12] = [
    ("cli", "", "Commands"),
    ("journal", "", "Journal, plans, leases"),
    ("engine", "", "Runs"),
    ("planner", "path", "Paths that there are not"),
    ("planner", "", "What no plan is made of"),
    ("planner", "check", "Plans that are not accepted"),
    ("drivers", "", "Deployments"),
    ("datastores", "", "Datastores"),
    ("backup", "", "The backup repository"),
    ("aws", "", "AWS"),
    ("rollover", "", "Rolling over"),
    ("model", "", "Definitions, templates, configuration"),
];

/// Texts behind a word with dashes that are no problems: headers, work for people that is named, notices.
const OTHERS: [&str; 8] = [
    "content-type",
    "docker-compose",
    "exit-code",
    "files-by-hand",
    "point-to-the-new",
    "push-packs",
    "release-the-old",
    "x-amz-target",
];

/// What is known of a code.
#[derive(Default)]
struct Code {
    exits: BTreeSet<&'static str>,
    texts: BTreeSet<String>,
}

#[test]
fn the_page_of_codes_is_what_the_source_says() {
    let constants = constants();
    let mut page = HEAD.to_owned();
    for (name, folder, heading) in PARTS {
        let mut codes: BTreeMap<String, Code> = BTreeMap::new();
        let inner = |path: &str| {
            let mut others = PARTS.iter().filter(|(of, ..)| *of == name);
            others.any(|(_, other, _)| {
                *other != folder && other.len() > folder.len() && path.starts_with(other)
            })
        };
        for (path, text) in source::all(name, folder) {
            if !inner(&path) {
                gather(&text, &constants, &mut codes);
                gather_variants(&text, &mut codes);
            }
        }
        let _ = write!(
            page,
            "## {heading}\n\n| code | exit | says |\n|---|---|---|\n"
        );
        for (code, known) in codes {
            let exits: Vec<&str> = known.exits.into_iter().collect();
            let texts: Vec<String> = known.texts.iter().map(|text| cell(text)).collect();
            let _ = writeln!(
                page,
                "| `{code}` | {} | {} |",
                exits.join(", "),
                texts.join("<br>")
            );
        }
        page.push('\n');
    }
    for code in [
        "shadow-behind",
        "journal-full",
        "unknown-edition",
        "stop-skipped",
        "aws-credentials-expired",
        "instance-unreachable",
    ] {
        assert!(
            page.contains(&format!("| `{code}` |")),
            "{code} is not on the page"
        );
    }
    page::is("errors.md", &format!("{}\n", page.trim_end()));
}

/// `const NAME: &str = "code";`, of all crates.
fn constants() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, folder, _) in PARTS {
        for (_, text) in source::all(name, folder) {
            for line in text.lines() {
                let Some((before, code)) = line.split_once(": &str = \"") else {
                    continue;
                };
                let name = before.rsplit("const ").next().unwrap_or_default();
                found.insert(name.to_owned(), code.trim_end_matches("\";").to_owned());
            }
        }
    }
    found
}

/// Codes that stand before a text: `"code", "text"`, `"code", format!("text"`, `CODE, format!("text"`.
fn gather(text: &str, constants: &BTreeMap<String, String>, codes: &mut BTreeMap<String, Code>) {
    for (at, _) in text.match_indices(',') {
        let (before, after) = (text[..at].trim_end(), text[at + 1..].trim_start());
        let after = after
            .strip_prefix("format!(")
            .map_or(after, str::trim_start);
        let Some(says) = after.strip_prefix('"').map(literal) else {
            continue;
        };
        let (code, before) = match before.strip_suffix('"') {
            Some(quoted) => {
                let start = quoted.rfind('"').unwrap_or(0);
                (quoted[start + 1..].to_owned(), &quoted[..start])
            }
            None => {
                let start = before.rfind(|it: char| !it.is_ascii_uppercase() && it != '_');
                let start = start.map_or(0, |it| it + 1);
                let Some(code) = constants.get(&before[start..]) else {
                    continue;
                };
                (code.clone(), &before[..start])
            }
        };
        let exit = exit(before);
        let is_made = exit.is_some() || before.trim_end().ends_with("Failure::new(");
        let dashed = code.contains('-') && says.contains(' ') && !OTHERS.contains(&code.as_str());
        let is_code = code
            .chars()
            .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-');
        if code.is_empty() || !is_code || !(is_made || dashed) {
            continue;
        }
        let known = codes.entry(code).or_default();
        known.exits.extend(exit);
        known.texts.insert(says);
    }
}

/// The exit code of a problem, where `before` ends with the beginning of one: `Problem::new(Exit::Usage,`.
fn exit(before: &str) -> Option<&'static str> {
    let before = before.trim_end().strip_suffix(',')?;
    let (rest, name) = before.rsplit_once("Exit::")?;
    let rest = rest.trim_end_matches(|it: char| it.is_alphanumeric() || it == ':' || it == '_');
    if !rest.trim_end().ends_with("Problem::new(") {
        return None;
    }
    match name {
        "Ok" => Some("0"),
        "Bug" => Some("1"),
        "Usage" => Some("2"),
        "Refused" => Some("3"),
        "Halted" => Some("4"),
        "Drifted" => Some("5"),
        _ => None,
    }
}

/// Codes of errors that are types of their own: `Self::Variant { .. } => "code"`, with the text of the variant.
fn gather_variants(text: &str, codes: &mut BTreeMap<String, Code>) {
    let items = source::items(text);
    let variants = items
        .iter()
        .filter(|item| item.is_enum)
        .flat_map(|item| &item.parts);
    let variants: Vec<_> = variants.collect();
    let begun = ["fn code(&self)", "fn id(&self)", "fn failure(&self"];
    let Some((_, after)) = begun.iter().find_map(|it| text.split_once(it)) else {
        return;
    };
    let body = after.split("\n    }\n").next().unwrap_or_default();
    for line in body.lines() {
        let Some((left, right)) = line.split_once(" => ") else {
            continue;
        };
        let right = right.trim_start_matches("failure(");
        let Some(code) = between(right, "\"", "\"").filter(|_| right.starts_with('"')) else {
            continue;
        };
        let path = left.trim().split_once("::").map_or("", |it| it.1);
        let name: String = path.chars().take_while(|it| it.is_alphanumeric()).collect();
        let Some(variant) = variants.iter().find(|it| it.name == name) else {
            continue;
        };
        let says = variant
            .error
            .as_deref()
            .map_or(variant.says.clone(), filled);
        let code = code.split(':').next().unwrap_or(code);
        codes.entry(code.to_owned()).or_default().texts.insert(says);
    }
}

/// A string literal, from behind its first quote, with `…` for what is filled in.
fn literal(text: &str) -> String {
    let mut end = 0;
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => {
                end = at;
                break;
            }
            _ => escaped = false,
        }
    }
    filled(&text[..end].replace("\\\"", "\""))
}

fn filled(text: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        match after.strip_prefix('{') {
            Some(after) => {
                filled.push('{');
                rest = after;
            }
            None => {
                filled.push('…');
                rest = after.split_once('}').map_or("", |it| it.1);
            }
        }
    }
    filled.push_str(rest);
    filled.replace("}}", "}").replace("\\n", " ")
}
