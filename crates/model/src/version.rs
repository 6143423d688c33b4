//! Versions, how they compare, and ranges of them. Every product names one
//! [`Scheme`]; a [`Version`] is text until a scheme gives it an order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A version as its product writes it, without a leading `v`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(String);

impl Version {
    /// Wraps text; a [`Scheme`] decides whether it is a version.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
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

/// A set of versions, e.g. `>=3.20.0, <3.32.2`; written Cargo-like with commas, `||` joins alternatives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Range(String);

impl Range {
    /// Wraps text; a [`Scheme`] reads it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
