//! Versions, how they compare, and ranges of them. Every product names one
//! [`Scheme`]; a [`Version`] is text until a scheme gives it an order.
//!
//! [`Key`] is what a scheme reads from the text. Keys of one scheme are totally
//! ordered; reading them once and comparing keys is how long lists stay fast.

mod debian;
mod numbers;
mod range;

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use range::{Bounds, Range};

/// A version as its product writes it, without a leading `v`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(String);

impl Version {
    /// Wraps text; a [`Scheme`] decides whether it is a version.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What an operator typed: spaces around it and a leading `v` do not count.
    pub fn typed(text: &str) -> Self {
        let text = text.trim();
        let bare = text.strip_prefix(['v', 'V']).unwrap_or(text);
        if bare.starts_with(|first: char| first.is_ascii_digit()) {
            Self::new(bare)
        } else {
            Self::new(text)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for Version {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// How a product's versions are written and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// `1.2.3`, with pre-releases.
    Semver,
    /// Two to four numbers, optionally with a pre-release, and `latest` as the newest patch of a line.
    Numeric,
    /// Year and month (and more) as numbers.
    Calver,
    /// Debian policy: epoch, upstream version, revision, `~`.
    Debian,
}

/// Text that is not a version or a range of its scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Not a version.
    #[error("`{text}` is not a version: {expected} expected")]
    Version {
        /// What was read.
        text: String,
        /// What a version of the scheme looks like.
        expected: &'static str,
    },
    /// Not a range.
    #[error("`{text}` is not a range: `{part}` is not a comparison such as `>=1.2.0`")]
    Range {
        /// What was read.
        text: String,
        /// The part that could not be read.
        part: String,
    },
}

/// A version as its scheme reads it. Compare only keys of one scheme.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(Order);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Numbers(numbers::Numbers),
    Debian(debian::Debian),
}

impl Key {
    /// True for `1.2.0-rc1`: older than the release it leads to.
    pub fn is_pre_release(&self) -> bool {
        matches!(&self.0, Order::Numbers(numbers) if numbers.is_pre_release())
    }

    /// True for `1.2.latest`, which stands for every patch of its line.
    pub fn is_line(&self) -> bool {
        matches!(&self.0, Order::Numbers(numbers) if numbers.is_line())
    }

    /// True where `line` is `1.2.latest` and this is `1.2`, `1.2.3` or `1.2.latest` itself.
    pub fn is_of_line(&self, line: &Self) -> bool {
        match (&self.0, &line.0) {
            (Order::Numbers(numbers), Order::Numbers(line)) => numbers.is_of_line(line),
            _ => false,
        }
    }

    /// True where `line` is `1.2.latest` and this is `1.2`: the line itself, no patch of it.
    pub fn names_line(&self, line: &Self) -> bool {
        match (&self.0, &line.0) {
            (Order::Numbers(numbers), Order::Numbers(line)) => numbers.names_line(line),
            _ => false,
        }
    }

    /// How many leading numbers both have in common: a measure of nearness for hints.
    pub fn common_with(&self, other: &Self) -> usize {
        match (&self.0, &other.0) {
            (Order::Numbers(numbers), Order::Numbers(other)) => numbers.common_with(other),
            _ => 0,
        }
    }
}

impl Scheme {
    /// Reads a version.
    pub fn parse(self, version: &Version) -> Result<Key, VersionError> {
        let text = version.as_str();
        let read = match self {
            Self::Semver => numbers::Numbers::semver(text).map(Order::Numbers),
            Self::Numeric => numbers::Numbers::numeric(text).map(Order::Numbers),
            Self::Calver => numbers::Numbers::calver(text).map(Order::Numbers),
            Self::Debian => debian::Debian::read(text).map(Order::Debian),
        };
        read.map(Key).ok_or_else(|| VersionError::Version {
            text: text.to_owned(),
            expected: self.expected(),
        })
    }

    /// Which of two versions is older.
    pub fn compare(self, left: &Version, right: &Version) -> Result<Ordering, VersionError> {
        Ok(self.parse(left)?.cmp(&self.parse(right)?))
    }

    /// Whether a range holds a version. Read the range once with [`Range::bounds`] where it is asked often.
    pub fn contains(self, range: &Range, version: &Version) -> Result<bool, VersionError> {
        Ok(range.bounds(self)?.contains(&self.parse(version)?))
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Semver => "three numbers such as `1.2.3`, optionally `-rc1`,",
            Self::Numeric => "two to four numbers such as `1.2.3`, or `1.2.latest`,",
            Self::Calver => "year and month such as `24.8.0`",
            Self::Debian => "a Debian version such as `1:2.3-4`",
        }
    }
}

#[cfg(test)]
mod tests;
