//! Debian versions, compared as `dpkg --compare-versions` does.

use std::cmp::Ordering;

/// `epoch:upstream-revision`.
#[derive(Clone, Debug)]
pub(super) struct Debian {
    epoch: u64,
    upstream: String,
    revision: String,
}

impl Debian {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().ok()?, rest),
            None => (0, text),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        let in_upstream = |byte: u8| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte);
        let in_revision = |byte: u8| byte.is_ascii_alphanumeric() || b".+~".contains(&byte);
        let valid = upstream.starts_with(|first: char| first.is_ascii_digit())
            && upstream.bytes().all(in_upstream)
            && revision.bytes().all(in_revision)
            && !rest.ends_with('-');
        valid.then(|| Self {
            epoch,
            upstream: upstream.to_owned(),
            revision: revision.to_owned(),
        })
    }
}

impl Ord for Debian {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare(&self.upstream, &other.upstream))
            .then_with(|| compare(&self.revision, &other.revision))
    }
}

impl PartialOrd for Debian {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Debian {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Debian {}

/// Alternates between runs without digits, compared letter by letter, and runs of digits, compared as numbers.
fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left, right);
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = split(left, |letter| !letter.is_ascii_digit());
        let (right_text, right_rest) = split(right, |letter| !letter.is_ascii_digit());
        let (left_number, left_rest) = split(left_rest, |letter| letter.is_ascii_digit());
        let (right_number, right_rest) = split(right_rest, |letter| letter.is_ascii_digit());
        let order = compare_text(left_text, right_text)
            .then_with(|| compare_number(left_number, right_number));
        if order.is_ne() {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|letter| !belongs(letter)).unwrap_or(text.len());
    text.split_at(end)
}

/// `~` is below the end of the text, letters are below everything else.
fn compare_text(left: &str, right: &str) -> Ordering {
    let rank = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    };
    (0..left.len().max(right.len()))
        .map(|place| rank(left.as_bytes().get(place)).cmp(&rank(right.as_bytes().get(place))))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Any length: dates with serial numbers exceed 64 bits.
fn compare_number(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}
