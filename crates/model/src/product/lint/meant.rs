//! A name that leads nowhere, and the one that was probably meant.

use super::Lint;

/// Tells an error where `name` is none of the known ones.
pub(super) fn unknown(lint: &mut Lint<'_>, path: &str, kind: &str, name: &str, known: &[&str]) {
    if known.contains(&name) {
        return;
    }
    let meant = nearest(name, known);
    let message = format!("there is no {kind} `{name}`");
    lint.error(path, &format!("unknown-{kind}"), message).hint = Some(match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => format!("the definition has no {kind}s"),
        None => format!("there are: {}", known.join(", ")),
    });
}

/// The name that was probably meant: at most a third of it differs.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &&str| distance(name, known);
    let best = known.iter().min_by_key(|known| distance(known))?;
    (distance(best) * 3 <= name.len().max(3)).then_some(best)
}

/// How many letters have to be changed, added or dropped.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (place, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[right.len()]
}
