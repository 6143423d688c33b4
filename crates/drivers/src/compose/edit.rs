//! Replaces a version in the text of a file, and nothing else: a splice of
//! bytes, accepted only where everything else still means what it meant.

use switchback_model::Digest;
use switchback_model::plan::FileEdit;

use crate::formats::{dotenv, yaml};

/// What a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// A compose file.
    Yaml,
    /// A `.env` file.
    Dotenv,
}

/// One text to be replaced by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replacement {
    /// First byte of `old`.
    pub(crate) offset: usize,
    /// What is there.
    pub(crate) old: String,
    /// What will be there.
    pub(crate) new: String,
}

/// An edit that would not be what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EditError {
    /// The file holds something else at that place.
    #[error("expected `{expected}` at byte {offset}")]
    Elsewhere {
        /// Where it should be.
        offset: usize,
        /// What should be there.
        expected: String,
    },
    /// The file does not parse, before or after.
    #[error("the file cannot be read: {0}")]
    Malformed(String),
    /// More or less than one value would change.
    #[error("{changed} values would change in place of one")]
    NotAlone {
        /// How many.
        changed: usize,
    },
}

/// Replaces every one of `replacements` in `text`; returns the edits, last place first, and the text after.
///
/// Last place first, because then every offset holds in the text before and after; the digests of the
/// edits chain.
pub(crate) fn edits(
    path: &str,
    language: Language,
    text: &str,
    mut replacements: Vec<Replacement>,
) -> Result<(Vec<FileEdit>, String), EditError> {
    replacements.sort_by_key(|replacement| std::cmp::Reverse(replacement.offset));
    let mut edits = Vec::new();
    let mut current = text.to_owned();
    for replacement in replacements {
        let next = splice(language, &current, &replacement)?;
        edits.push(FileEdit {
            path: path.to_owned(),
            offset: replacement.offset,
            old: replacement.old,
            new: replacement.new,
            before: Digest::of(&current),
            after: Digest::of(&next),
        });
        current = next;
    }
    Ok((edits, current))
}

/// `text` with one replacement made, checked.
fn splice(language: Language, text: &str, replacement: &Replacement) -> Result<String, EditError> {
    let Replacement { offset, old, new } = replacement;
    let end = offset + old.len();
    if text.get(*offset..end) != Some(old.as_str()) {
        return Err(EditError::Elsewhere {
            offset: *offset,
            expected: old.clone(),
        });
    }
    let next = format!("{}{new}{}", &text[..*offset], &text[end..]);
    if old == new {
        return Ok(next);
    }
    let (before, after) = (meaning(language, text)?, meaning(language, &next)?);
    let changed = if before.len() == after.len() {
        before
            .iter()
            .zip(&after)
            .filter(|(one, other)| one != other)
            .count()
    } else {
        before.len().abs_diff(after.len()) + 1
    };
    if changed == 1 {
        Ok(next)
    } else {
        Err(EditError::NotAlone { changed })
    }
}

fn meaning(language: Language, text: &str) -> Result<Vec<String>, EditError> {
    match language {
        Language::Yaml => {
            yaml::meaning(text).map_err(|error| EditError::Malformed(error.to_string()))
        }
        Language::Dotenv => Ok(dotenv::parse(text)
            .iter()
            .map(|assignment| format!("{}={}", assignment.name, &text[assignment.value.clone()]))
            .collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(language: Language, text: &str, old: &str, new: &str) -> Result<String, EditError> {
        let replacement = Replacement {
            offset: text.find(old).expect("present"),
            old: old.to_owned(),
            new: new.to_owned(),
        };
        edits("f", language, text, vec![replacement]).map(|(_, text)| text)
    }

    #[test]
    fn edits_of_one_file_chain_and_can_be_taken_back_in_reverse() {
        let text = "services:\n  a: {image: x:1.0}\n  b: {image: x:1.0}\n";
        let replacements = text
            .match_indices("1.0")
            .map(|(offset, old)| Replacement {
                offset,
                old: old.to_owned(),
                new: "10.20".to_owned(),
            })
            .collect();
        let (edits, after) = edits("f", Language::Yaml, text, replacements).expect("edits");
        assert_eq!(edits[0].after, edits[1].before);
        assert_eq!(edits[1].after, Digest::of(&after));
        assert!(edits[0].offset > edits[1].offset);
        let mut back = after;
        for edit in edits.iter().rev() {
            let end = edit.offset + edit.new.len();
            assert_eq!(back[edit.offset..end], edit.new);
            back.replace_range(edit.offset..end, &edit.old);
        }
        assert_eq!(back, text);
    }

    #[test]
    fn refuses_what_would_change_more_than_one_value() {
        let text = "a: 1.0\nb: 2\n";
        assert_eq!(
            replace(Language::Yaml, text, "1.0", "1\nc: 3"),
            Err(EditError::NotAlone { changed: 3 })
        );
        assert_eq!(
            replace(Language::Yaml, text, "1.0", "[1")
                .map_err(|error| matches!(error, EditError::Malformed(_))),
            Err(true)
        );
        assert!(replace(Language::Dotenv, "A=1\nB=2\n", "1", "2\nC=3").is_err());
        // A text that hides the change in a comment changes nothing, and that is not what was asked for.
        assert_eq!(
            replace(Language::Yaml, "a: 1 # 1.0\n", "1.0", "2.0"),
            Err(EditError::NotAlone { changed: 0 })
        );
    }

    #[test]
    fn refuses_a_place_that_moved() {
        let replacement = Replacement {
            offset: 3,
            old: "2".to_owned(),
            new: "3".to_owned(),
        };
        assert!(matches!(
            edits("f", Language::Yaml, "a: 1\n", vec![replacement]),
            Err(EditError::Elsewhere { offset: 3, .. })
        ));
    }
}
