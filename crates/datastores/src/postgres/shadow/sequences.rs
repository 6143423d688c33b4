//! Comparing sequences. Their values are no rows: they move outside of any
//! snapshot, and the server logs them ahead of their use, so that a follower
//! stands at a value that the original may reach up to 32 calls later.

use std::collections::BTreeMap;

use serde::Deserialize;
use switchback_engine::ports::Failure;

use super::super::server::Server;
use super::sql;
use crate::conversation::Conversation;

/// How many values the server logs ahead.
const AHEAD: i128 = 32;

/// One sequence on one side.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Sequence {
    definition: String,
    step: i64,
    cache: i64,
    cycles: bool,
    value: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Sequence {
        sequence: String,
        #[serde(flatten)]
        of: Sequence,
    },
    End {},
}

pub(super) type Sequences = BTreeMap<String, Sequence>;

/// Reads every sequence, as they are now.
pub(super) fn read(server: &Server, session: &mut Conversation) -> Result<Sequences, Failure> {
    server.say(session, sql::SEQUENCES)?;
    let mut sequences = Sequences::new();
    loop {
        match server.hear(session)? {
            Line::End {} => return Ok(sequences),
            Line::Sequence { sequence, of } => {
                sequences.insert(sequence, of);
            }
        }
    }
}

/// The first sequence of the shadow that is not what the original's was at some time between `before` and
/// `after`.
pub(super) fn strayed<'a>(
    before: &Sequences,
    shadow: &'a Sequences,
    after: &'a Sequences,
) -> Option<&'a str> {
    let differs = after.iter().find(|(name, after)| {
        shadow.get(*name).is_none_or(|shadow| {
            let before = before.get(*name).and_then(|before| before.value);
            shadow.definition != after.definition || !is_between(before, shadow, after.value)
        })
    });
    differs
        .map(|(name, _)| name)
        .or_else(|| shadow.keys().find(|name| !after.contains_key(*name)))
        .map(String::as_str)
}

fn is_between(before: Option<i64>, shadow: &Sequence, after: Option<i64>) -> bool {
    let Some(value) = shadow.value.map(i128::from) else {
        return before.is_none();
    };
    let Some(after) = after.map(i128::from) else {
        return false;
    };
    if shadow.cycles {
        return true;
    }
    let (step, cache) = (i128::from(shadow.step), i128::from(shadow.cache));
    let furthest = after + step * (AHEAD + cache);
    // Where it was never used, any value up to there is one that it may have logged.
    let first = before.map_or(if step > 0 { i128::MIN } else { i128::MAX }, i128::from);
    if step > 0 {
        (first..=furthest).contains(&value)
    } else {
        (furthest..=first).contains(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(value: Option<i64>, step: i64) -> Sequences {
        let sequence = Sequence {
            definition: "bigint".to_owned(),
            step,
            cache: 1,
            cycles: false,
            value,
        };
        [("public.s".to_owned(), sequence)].into()
    }

    fn is_fine(before: Option<i64>, shadow: Option<i64>, after: Option<i64>, step: i64) -> bool {
        strayed(&at(before, step), &at(shadow, step), &at(after, step)).is_none()
    }

    #[test]
    fn a_shadow_is_ahead_by_what_is_logged_ahead_and_never_behind() {
        assert!(is_fine(Some(7), Some(39), Some(7), 1));
        assert!(is_fine(Some(7), Some(7), Some(7), 1));
        assert!(!is_fine(Some(7), Some(6), Some(7), 1), "behind");
        assert!(!is_fine(Some(7), Some(41), Some(7), 1), "too far ahead");
        assert!(
            is_fine(Some(7), Some(60), Some(30), 1),
            "it moved meanwhile"
        );
        assert!(is_fine(Some(-7), Some(-39), Some(-7), -1));
        assert!(!is_fine(Some(-7), Some(-6), Some(-7), -1));
    }

    #[test]
    fn unused_missing_and_foreign_sequences_are_told_apart() {
        assert!(is_fine(None, None, None, 1));
        assert!(is_fine(None, None, Some(1), 1), "first used meanwhile");
        assert!(is_fine(None, Some(33), Some(1), 1));
        assert!(!is_fine(Some(1), None, Some(1), 1));
        let (none, one) = (Sequences::new(), at(Some(1), 1));
        assert_eq!(strayed(&one, &none, &one), Some("public.s"));
        assert_eq!(strayed(&none, &one, &none), Some("public.s"));
    }
}
