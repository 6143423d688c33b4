//! The order of rpm's versions, as rpm itself has it: runs of digits by value, runs of letters by their
//! place in the alphabet, a tilde before the end, a caret after it.

use std::cmp::Ordering;

/// Compares `epoch:version-release`; an epoch that is not there is 0.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    let (one, other) = (parts(one), parts(other));
    segments(one.0, other.0)
        .then_with(|| segments(one.1, other.1))
        .then_with(|| segments(one.2, other.2))
}

fn parts(text: &str) -> (&str, &str, &str) {
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, version, release)
}

fn segments(mut one: &str, mut other: &str) -> Ordering {
    let separator = |c: char| !(c.is_ascii_alphanumeric() || c == '~' || c == '^');
    loop {
        one = one.trim_start_matches(separator);
        other = other.trim_start_matches(separator);
        match (one.starts_with('~'), other.starts_with('~')) {
            (false, false) => {}
            (true, true) => {
                (one, other) = (&one[1..], &other[1..]);
                continue;
            }
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
        }
        match (one.starts_with('^'), other.starts_with('^')) {
            (false, false) => {}
            (true, true) => {
                (one, other) = (&one[1..], &other[1..]);
                continue;
            }
            // A caret is after the end and before anything else.
            (true, false) if other.is_empty() => return Ordering::Greater,
            (true, false) => return Ordering::Less,
            (false, true) if one.is_empty() => return Ordering::Less,
            (false, true) => return Ordering::Greater,
        }
        if one.is_empty() || other.is_empty() {
            // What has more is newer.
            return one.len().cmp(&other.len());
        }
        let digits = one.starts_with(|c: char| c.is_ascii_digit());
        let (first, rest) = run(one, digits);
        let (second, others) = run(other, digits);
        if second.is_empty() {
            // Digits are newer than letters.
            return if digits {
                Ordering::Greater
            } else {
                Ordering::Less
            };
        }
        let order = if digits {
            let (first, second) = (
                first.trim_start_matches('0'),
                second.trim_start_matches('0'),
            );
            first.len().cmp(&second.len()).then(first.cmp(second))
        } else {
            first.cmp(second)
        };
        if order != Ordering::Equal {
            return order;
        }
        (one, other) = (rest, others);
    }
}

/// The run of digits, or of letters, that a text begins with, and what follows.
fn run(text: &str, digits: bool) -> (&str, &str) {
    let belongs = |c: char| {
        if digits {
            c.is_ascii_digit()
        } else {
            c.is_ascii_alphabetic()
        }
    };
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_rpm() {
        // Each order is one of `rpm --eval '%{lua: print(rpm.vercmp(a, b))}'`.
        for (less, more) in [
            ("2.9.3-1", "2.10.2-1"),
            ("2.1.0-1", "2.1.0-2"),
            ("2.1.0-9", "1:1.0-1"),
            ("3.9.0~rc1-1", "3.9.0-1"),
            ("3.9.0-1", "3.9.0^git1-1"),
            ("3.9.0^git1-1", "3.9.0.1-1"),
            ("1.0a-1", "1.0.1-1"),
            ("1.0-1", "1.0a-1"),
            ("1.0-1.el7", "1.0-1.el8"),
        ] {
            assert_eq!(compare(less, more), Ordering::Less, "{less} {more}");
            assert_eq!(compare(more, less), Ordering::Greater, "{more} {less}");
        }
        for (one, same) in [
            ("1.001-1", "1.1-1"),
            ("0:1.0-1", "1.0-1"),
            ("1_0-1", "1.0-1"),
        ] {
            assert_eq!(compare(one, same), Ordering::Equal, "{one} {same}");
        }
    }
}
