//! Dotted numbers with an optional pre-release: semver, numeric and calendar versions.

use std::cmp::Ordering;

/// `3.24.0-rc1` as numbers and identifiers. Missing trailing numbers count as zero.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    parts: Vec<Part>,
    pre: Pre,
}

/// One number; `latest` is above every number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Latest,
}

/// A pre-release is older than its release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pre {
    Before(Vec<Identifier>),
    Release,
}

/// Numbers compare as numbers and are below text, as semver says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Text(String),
}

impl Numbers {
    pub(super) fn semver(text: &str) -> Option<Self> {
        let text = text
            .split_once('+')
            .map_or(text, |(version, _build)| version);
        let (numbers, pre) = split_pre(text);
        let parts = read_parts(numbers, false)?;
        let strict = numbers
            .split('.')
            .all(|part| part == "0" || !part.starts_with('0'));
        (parts.len() == 3 && strict).then_some(())?;
        Some(Self {
            parts,
            pre: read_pre(pre, false)?,
        })
    }

    pub(super) fn numeric(text: &str) -> Option<Self> {
        let (numbers, pre) = split_pre(text);
        let parts = read_parts(numbers, true)?;
        let line = parts.last() == Some(&Part::Latest);
        (2..=4).contains(&parts.len()).then_some(())?;
        // `latest` has no pre-releases: it names what is newest and finished.
        (!line || pre.is_none()).then_some(())?;
        Some(Self {
            parts,
            pre: read_pre(pre, true)?,
        })
    }

    pub(super) fn calver(text: &str) -> Option<Self> {
        let (numbers, pre) = split_pre(text);
        let parts = read_parts(numbers, false)?;
        (2..=4).contains(&parts.len()).then_some(())?;
        Some(Self {
            parts,
            pre: read_pre(pre, true)?,
        })
    }

    pub(super) fn is_pre_release(&self) -> bool {
        self.pre != Pre::Release
    }

    pub(super) fn is_line(&self) -> bool {
        self.parts.last() == Some(&Part::Latest)
    }

    pub(super) fn is_of_line(&self, line: &Self) -> bool {
        let Some((Part::Latest, prefix)) = line.parts.split_last() else {
            return false;
        };
        !self.is_pre_release() && self.parts.starts_with(prefix)
    }

    pub(super) fn names_line(&self, line: &Self) -> bool {
        self.is_of_line(line) && (self.is_line() || self.parts.len() + 1 == line.parts.len())
    }

    pub(super) fn common_with(&self, other: &Self) -> usize {
        self.parts
            .iter()
            .zip(&other.parts)
            .take_while(|(left, right)| left == right)
            .count()
    }
}

impl Ord for Numbers {
    fn cmp(&self, other: &Self) -> Ordering {
        let places = self.parts.len().max(other.parts.len());
        let part = |parts: &[Part], place| parts.get(place).copied().unwrap_or(Part::Number(0));
        (0..places)
            .map(|place| part(&self.parts, place).cmp(&part(&other.parts, place)))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| self.pre.cmp(&other.pre))
    }
}

impl PartialOrd for Numbers {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Numbers {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Numbers {}

fn split_pre(text: &str) -> (&str, Option<&str>) {
    match text.split_once('-') {
        Some((numbers, pre)) => (numbers, Some(pre)),
        None => (text, None),
    }
}

fn read_parts(text: &str, latest: bool) -> Option<Vec<Part>> {
    let count = text.split('.').count();
    text.split('.')
        .enumerate()
        .map(|(place, part)| {
            // Only the last of at least two numbers names a line: `12.latest` is a line of majors.
            if latest && part == "latest" && place > 0 && place + 1 == count {
                return Some(Part::Latest);
            }
            digits(part).map(Part::Number)
        })
        .collect()
}

fn digits(text: &str) -> Option<u64> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

/// Reads what follows the first `-`. With `natural`, `rc10` is above `rc2`; semver compares them as text.
fn read_pre(text: Option<&str>, natural: bool) -> Option<Pre> {
    let Some(text) = text else {
        return Some(Pre::Release);
    };
    let mut identifiers = Vec::new();
    for part in text.split('.') {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if part.is_empty() || !part.bytes().all(valid) {
            return None;
        }
        if natural {
            identifiers.extend(runs(part));
        } else {
            identifiers.push(identifier(part));
        }
    }
    Some(Pre::Before(identifiers))
}

fn identifier(text: &str) -> Identifier {
    digits(text).map_or_else(|| Identifier::Text(text.to_owned()), Identifier::Number)
}

/// Splits `rc10` into `rc` and `10`.
fn runs(text: &str) -> Vec<Identifier> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let same = |letter: char| letter.is_ascii_digit() == first.is_ascii_digit();
        let end = rest.find(|letter| !same(letter)).unwrap_or(rest.len());
        found.push(identifier(&rest[..end]));
        rest = &rest[end..];
    }
    found
}
