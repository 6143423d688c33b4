//! Ranges of versions: comparisons that must all hold, joined with commas;
//! `||` between alternatives. Purely by order: a pre-release is just an older version.

use serde::{Deserialize, Serialize};

use super::{Key, Scheme, Version, VersionError};

/// A set of versions, e.g. `>=3.20.0, <3.32.2`; written Cargo-like with commas, `||` joins alternatives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Range(String);

impl Range {
    /// Wraps text; a [`Scheme`] reads it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Every version, written `*`.
    pub fn any() -> Self {
        Self::new("*")
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the range.
    pub fn bounds(&self, scheme: Scheme) -> Result<Bounds, VersionError> {
        let read = |part| self.comparison(scheme, part);
        let alternatives = self.0.split("||").map(|alternative| {
            if alternative.trim() == "*" {
                return Ok(Vec::new());
            }
            alternative.split(',').map(read).collect()
        });
        Ok(Bounds(alternatives.collect::<Result<_, _>>()?))
    }

    fn comparison(&self, scheme: Scheme, part: &str) -> Result<(Comparison, Key), VersionError> {
        let part = part.trim();
        let found = COMPARISONS
            .into_iter()
            .find_map(|(sign, comparison)| Some((comparison, part.strip_prefix(sign)?)));
        let malformed = || VersionError::Range {
            text: self.0.clone(),
            part: part.to_owned(),
        };
        let (comparison, version) = found.ok_or_else(malformed)?;
        let key = scheme
            .parse(&Version::new(version.trim()))
            .map_err(|_| malformed())?;
        Ok((comparison, key))
    }
}

/// Longer signs first: `<` is a prefix of `<=`.
const COMPARISONS: [(&str, Comparison); 5] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    (">", Comparison::Above),
    ("<", Comparison::Below),
    ("=", Comparison::Equal),
];

#[derive(Clone, Copy, Debug)]
enum Comparison {
    AtLeast,
    AtMost,
    Above,
    Below,
    Equal,
}

/// A [`Range`] as a scheme reads it.
#[derive(Clone, Debug)]
pub struct Bounds(Vec<Vec<(Comparison, Key)>>);

impl Bounds {
    /// Holds no version.
    pub const fn nothing() -> Self {
        Self(Vec::new())
    }

    /// Whether the range holds the version.
    pub fn contains(&self, version: &Key) -> bool {
        let holds = |(comparison, bound): &(Comparison, Key)| {
            let order = version.cmp(bound);
            match comparison {
                Comparison::AtLeast => order.is_ge(),
                Comparison::AtMost => order.is_le(),
                Comparison::Above => order.is_gt(),
                Comparison::Below => order.is_lt(),
                Comparison::Equal => order.is_eq(),
            }
        };
        self.0.iter().any(|all| all.iter().all(holds))
    }
}
