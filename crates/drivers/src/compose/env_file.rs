//! What a `.env` file gives to Compose: its values with their variables replaced, each knowing where it stands.

use std::collections::BTreeMap;
use std::path::Path;

use super::interpolate::{Fragment, Lookup, Origin, interpolate};
use crate::formats::dotenv::{self, Assignment, Quoting};

/// `known` and what the file adds to it; what is known already wins.
pub(super) fn with_env_file(
    known: BTreeMap<String, Vec<Fragment>>,
    path: &Path,
    text: &str,
) -> BTreeMap<String, Vec<Fragment>> {
    let mut own: BTreeMap<String, Vec<Fragment>> = BTreeMap::new();
    for assignment in dotenv::parse(text) {
        let lookup = |name: &str| known.get(name).or_else(|| own.get(name)).cloned();
        let value = value_of(text, path, &assignment, &lookup);
        own.insert(assignment.name, value);
    }
    own.extend(known);
    own
}

/// The value of an assignment with its variables replaced.
fn value_of(
    text: &str,
    path: &Path,
    assignment: &Assignment,
    lookup: &Lookup<'_>,
) -> Vec<Fragment> {
    let raw = &text[assignment.value.clone()];
    let literal = || Fragment {
        text: raw.to_owned(),
        origin: Origin::File {
            path: path.to_owned(),
            offset: assignment.value.start,
        },
    };
    match assignment.quoting {
        Quoting::Single => vec![literal()],
        Quoting::Double if raw.contains('\\') => vec![Fragment {
            text: unescaped(raw),
            origin: Origin::Escaped,
        }],
        Quoting::None | Quoting::Double => interpolate(raw, path, assignment.value.start, lookup)
            .unwrap_or_else(|_| vec![literal()]),
    }
}

fn unescaped(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, true) => match characters.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            (other, false) => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::interpolate::text_of;
    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        dotenv::parse(text)
            .iter()
            .map(|assignment| {
                let value = value_of(text, Path::new(".env"), assignment, &|name| {
                    (name == "OTHER").then(|| {
                        vec![Fragment {
                            text: "o".to_owned(),
                            origin: Origin::Escaped,
                        }]
                    })
                });
                (assignment.name.clone(), text_of(&value))
            })
            .collect()
    }

    #[test]
    fn reads_what_compose_reads() {
        let text = "# comment\nexport A=1 # pin\r\nB=\"2\"   # x\nC='3 # not a comment'\nD = 4\n\nE=a#b\nF=\nG=\"x\\\"y\"\nH=${OTHER}-$OTHER\nI='$OTHER'\nnot an assignment\nJ: 5\nK=\"two\nlines\"\nL=last";
        let wanted = [
            ("A", "1"),
            ("B", "2"),
            ("C", "3 # not a comment"),
            ("D", "4"),
            ("E", "a#b"),
            ("F", ""),
            ("G", "x\"y"),
            ("H", "o-o"),
            ("I", "$OTHER"),
            ("J", "5"),
            ("K", "two\nlines"),
            ("L", "last"),
        ];
        let wanted: Vec<_> = wanted
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(values(text), wanted);
    }
}
