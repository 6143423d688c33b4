//! Compose's variable interpolation, keeping for every piece of the result
//! where its text stands: in the compose file, in a `.env` file, or nowhere
//! that could be edited.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where a piece of text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// These bytes of a file, literally.
    File {
        /// The file.
        path: PathBuf,
        /// First byte.
        offset: usize,
    },
    /// A variable of this process's environment.
    Environment {
        /// Its name.
        variable: String,
    },
    /// Written with an escape, so that text and value differ.
    Escaped,
}

/// A piece of text from one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The text.
    pub(crate) text: String,
    /// Where it stands.
    pub(crate) origin: Origin,
}

/// Deeper nesting of defaults than any real file has; keeps recursion bounded.
const DEEPEST: usize = 20;

/// Text that cannot be interpolated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot interpolate `{text}`: {why}")]
pub(crate) struct Uninterpolable {
    /// The text.
    pub(crate) text: String,
    /// Why.
    pub(crate) why: String,
}

/// Where the value of a variable comes from; `None` where it is not set.
pub(crate) type Lookup<'a> = dyn Fn(&str) -> Option<Vec<Fragment>> + 'a;

/// `text`, which stands in `path` at `offset`, with its variables replaced.
pub(crate) fn interpolate(
    text: &str,
    path: &Path,
    offset: usize,
    lookup: &Lookup<'_>,
) -> Result<Vec<Fragment>, Uninterpolable> {
    let mut pass = Pass {
        path,
        lookup,
        out: Vec::new(),
    };
    pass.text(text, offset, 0)?;
    Ok(joined(pass.out))
}

/// The text of all fragments.
pub(crate) fn text_of(fragments: &[Fragment]) -> String {
    fragments
        .iter()
        .map(|fragment| fragment.text.as_str())
        .collect()
}

/// The pieces of which `range` of the whole text is made.
pub(crate) fn slice(fragments: &[Fragment], range: Range<usize>) -> Vec<Fragment> {
    let mut start = 0;
    let mut pieces = Vec::new();
    for fragment in fragments {
        let end = start + fragment.text.len();
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            let inner = from - start..to - start;
            let origin = match &fragment.origin {
                Origin::File { path, offset } => Origin::File {
                    path: path.clone(),
                    offset: offset + inner.start,
                },
                other => other.clone(),
            };
            pieces.push(Fragment {
                text: fragment.text[inner].to_owned(),
                origin,
            });
        }
        start = end;
    }
    pieces
}

/// One walk over a text.
struct Pass<'a> {
    path: &'a Path,
    lookup: &'a Lookup<'a>,
    out: Vec<Fragment>,
}

impl Pass<'_> {
    fn text(&mut self, text: &str, offset: usize, depth: usize) -> Result<(), Uninterpolable> {
        if depth > DEEPEST {
            return Err(refuse(text, "defaults are nested too deeply"));
        }
        let mut rest = 0;
        while let Some(dollar) = text[rest..].find('$').map(|found| rest + found) {
            self.literal(&text[rest..dollar], offset + rest);
            let after = &text[dollar + 1..];
            if after.starts_with('$') {
                self.out.push(Fragment {
                    text: "$".to_owned(),
                    origin: Origin::Escaped,
                });
                rest = dollar + 2;
            } else if after.starts_with('{') {
                let length = braced(after).ok_or_else(|| refuse(text, "a `${` without its `}`"))?;
                let inside = &after[1..length - 1];
                self.expression(inside, offset + dollar + 2, depth)?;
                rest = dollar + 1 + length;
            } else {
                let length = name_length(after);
                if length == 0 {
                    return Err(refuse(
                        text,
                        "a `$` without a name; write `$$` for a dollar sign",
                    ));
                }
                self.variable(&after[..length]);
                rest = dollar + 1 + length;
            }
        }
        self.literal(&text[rest..], offset + rest);
        Ok(())
    }

    /// What stands between `${` and `}`.
    fn expression(
        &mut self,
        inside: &str,
        offset: usize,
        depth: usize,
    ) -> Result<(), Uninterpolable> {
        let length = name_length(inside);
        let (name, rest) = inside.split_at(length);
        if name.is_empty() {
            return Err(refuse(inside, "a variable without a name"));
        }
        let value = (self.lookup)(name);
        let filled = value
            .as_ref()
            .is_some_and(|value| !text_of(value).is_empty());
        let (operator, word) = match rest.strip_prefix(':') {
            Some(after) => (after.chars().next(), after.get(1..).unwrap_or_default()),
            None => (rest.chars().next(), rest.get(1..).unwrap_or_default()),
        };
        let strict = rest.starts_with(':');
        let present = if strict { filled } else { value.is_some() };
        let word_offset = offset + inside.len() - word.len();
        match operator {
            None => self.variable(name),
            Some('-') if present => self.variable(name),
            Some('-') => self.text(word, word_offset, depth + 1)?,
            Some('+') if present => self.text(word, word_offset, depth + 1)?,
            Some('+') => {}
            Some('?') if present => self.variable(name),
            Some('?') => {
                return Err(refuse(inside, &format!("`{name}` is required and not set")));
            }
            Some(_) => return Err(refuse(inside, "an operator that Compose does not have")),
        }
        Ok(())
    }

    fn variable(&mut self, name: &str) {
        self.out.extend((self.lookup)(name).unwrap_or_default());
    }

    fn literal(&mut self, text: &str, offset: usize) {
        if !text.is_empty() {
            self.out.push(Fragment {
                text: text.to_owned(),
                origin: Origin::File {
                    path: self.path.to_owned(),
                    offset,
                },
            });
        }
    }
}

/// Length of `{…}` with nested `${…}` inside, the braces included.
fn braced(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (position, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(position + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn name_length(text: &str) -> usize {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

fn refuse(text: &str, why: &str) -> Uninterpolable {
    Uninterpolable {
        text: text.to_owned(),
        why: why.to_owned(),
    }
}

/// Fragments that follow each other in one file become one.
fn joined(fragments: Vec<Fragment>) -> Vec<Fragment> {
    let mut joined: Vec<Fragment> = Vec::new();
    for fragment in fragments {
        if let Some(last) = joined.last_mut()
            && follows(last, &fragment)
        {
            last.text.push_str(&fragment.text);
        } else {
            joined.push(fragment);
        }
    }
    joined
}

fn follows(first: &Fragment, second: &Fragment) -> bool {
    match (&first.origin, &second.origin) {
        (
            Origin::File { path, offset },
            Origin::File {
                path: next,
                offset: start,
            },
        ) => path == next && offset + first.text.len() == *start,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<Vec<Fragment>> {
        let value = match name {
            "TAG" => "3.23.2",
            "EMPTY" => "",
            "NAME" => "stack",
            _ => return None,
        };
        Some(vec![Fragment {
            text: value.to_owned(),
            origin: Origin::File {
                path: PathBuf::from(".env"),
                offset: 100,
            },
        }])
    }

    fn run(text: &str) -> Result<Vec<Fragment>, Uninterpolable> {
        interpolate(text, Path::new("c.yml"), 10, &lookup)
    }

    #[test]
    fn every_operator_of_compose() {
        let cases = [
            ("a:$TAG", "a:3.23.2"),
            ("a:${TAG}", "a:3.23.2"),
            ("a:${NONE}b", "a:b"),
            ("a:${NONE:-1}", "a:1"),
            ("a:${NONE-1}", "a:1"),
            ("a:${EMPTY:-1}", "a:1"),
            ("a:${EMPTY-1}", "a:"),
            ("a:${TAG:-1}", "a:3.23.2"),
            ("a:${TAG:+x}", "a:x"),
            ("a:${NONE:+x}", "a:"),
            ("a:${EMPTY+x}", "a:x"),
            ("a:${TAG:?set it}", "a:3.23.2"),
            ("a:${NONE:-${TAG}}", "a:3.23.2"),
            ("a:${NONE:-${ALSO:-2}-x}", "a:2-x"),
            ("a$$b", "a$b"),
        ];
        for (text, wanted) in cases {
            let fragments = run(text).expect(text);
            assert_eq!(text_of(&fragments), wanted, "{text}");
        }
    }

    #[test]
    fn refuses_what_compose_refuses() {
        for text in [
            "a:${NONE:?must be set}",
            "a:${TAG",
            "a:$",
            "a:${}",
            "a:${TAG!x}",
        ] {
            assert!(run(text).is_err(), "{text}");
        }
    }

    #[test]
    fn knows_where_a_default_and_a_value_stand() {
        let text = "repo:${NONE:-3.23.2}";
        let fragments = run(text).expect("interpolates");
        let tag = slice(&fragments, 5..11);
        let offset = 10 + text.find("3.23.2").expect("default");
        assert_eq!(
            tag,
            [Fragment {
                text: "3.23.2".to_owned(),
                origin: Origin::File {
                    path: PathBuf::from("c.yml"),
                    offset
                }
            }]
        );
        let fragments = run("repo:${TAG}").expect("interpolates");
        assert_eq!(
            slice(&fragments, 5..11)[0].origin,
            Origin::File {
                path: PathBuf::from(".env"),
                offset: 100
            }
        );
    }
}
