//! Ids that are typed by their beginning.

use crate::error::JournalError;

/// The one id that begins with `wanted`, which may leave out the letter and dash in front.
pub(crate) fn one_of(
    kind: &'static str,
    letter: &str,
    wanted: &str,
    ids: impl Iterator<Item = String>,
) -> Result<String, JournalError> {
    let bare = wanted.strip_prefix(letter).unwrap_or(wanted);
    let full = format!("{letter}{bare}");
    let mut matches: Vec<String> = ids.filter(|id| id.starts_with(&full)).collect();
    if let Some(exact) = matches.iter().find(|id| **id == full) {
        return Ok(exact.clone());
    }
    match matches.len() {
        1 => Ok(matches.remove(0)),
        0 => Err(JournalError::NoSuch {
            kind,
            wanted: wanted.to_owned(),
        }),
        _ => Err(JournalError::Ambiguous {
            kind,
            wanted: wanted.to_owned(),
            matches,
        }),
    }
}
