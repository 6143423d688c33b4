//! Packages with exact versions: what an image is to Compose. As one line of text they are what the record of
//! packages says of the product, and an edit of that line is an installation.

use std::collections::BTreeMap;
use std::fmt;

use switchback_model::observed::ImagePin;
use switchback_model::{Digest, Scheme, Version};

/// Versions by package name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Set(pub(super) BTreeMap<String, String>);

impl Set {
    /// Reads what `Set::to_string` wrote; `None` where it is something else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let pair = |word: &str| {
            let (name, version) = word.split_once('=')?;
            let named = !name.is_empty() && !version.is_empty();
            named.then(|| (name.to_owned(), version.to_owned()))
        };
        text.split_whitespace()
            .map(pair)
            .collect::<Option<BTreeMap<_, _>>>()
            .filter(|versions| !versions.is_empty())
            .map(Self)
    }

    /// What stands for an image's id.
    pub(super) fn id(&self) -> String {
        format!("sha256:{}", self.digest())
    }

    /// The name of the directory with its package files.
    pub(super) fn folder(&self) -> String {
        self.digest().short().to_owned()
    }

    /// Digest of the line.
    pub(super) fn digest(&self) -> Digest {
        Digest::of(self.to_string())
    }

    /// The set as a plan names it.
    pub(super) fn pin(&self, reference: &str) -> ImagePin {
        ImagePin {
            reference: reference.to_owned(),
            id: Some(self.id()),
            digest: None,
        }
    }

    /// The packages whose version is another one in `other`, or which `other` has not.
    pub(super) fn beyond(&self, other: &Self) -> Self {
        let differs = |(name, version): &(&String, &String)| other.0.get(*name) != Some(*version);
        let changed = self.0.iter().filter(differs);
        Self(
            changed
                .map(|(name, version)| (name.clone(), version.clone()))
                .collect(),
        )
    }

    /// `name=version` for each package.
    pub(super) fn words(&self) -> Vec<String> {
        let pairs = self.0.iter();
        pairs
            .map(|(name, version)| format!("{name}={version}"))
            .collect()
    }

    /// Whether every package is at its version here or at that of `other`.
    pub(super) fn is_between(&self, one: &Self, other: &Self) -> bool {
        self.0.iter().all(|(name, version)| {
            [one, other]
                .iter()
                .any(|set| set.0.get(name) == Some(version))
        })
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(" "))
    }
}

/// The release that a package's version is of: the version as it is where a product's releases are Debian versions,
/// whose packagings of one upstream version are releases of their own; else without epoch, packaging revision and build.
pub(super) fn release_of(scheme: Scheme, version: &str) -> Version {
    if scheme == Scheme::Debian {
        return Version::new(version);
    }
    let upstream = version
        .split_once(':')
        .map_or(version, |(_, upstream)| upstream);
    let upstream = upstream
        .rsplit_once('-')
        .map_or(upstream, |(upstream, _)| upstream);
    let release = upstream
        .split_once('+')
        .map_or(upstream, |(release, _)| release);
    Version::new(release)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_versions_is_read_as_it_was_written() {
        let line = "st2=2.1.0-1 st2web=1:2.1.0-2";
        let set = Set::parse(line).expect("a set");
        assert_eq!(set.to_string(), line);
        for wrong in ["", "st2", "st2=", "=1 st2=2"] {
            assert_eq!(Set::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_differs_and_what_lies_between() {
        let old = Set::parse("a=1 b=1 c=1").expect("a set");
        let new = Set::parse("a=2 b=2 c=1").expect("a set");
        assert_eq!(new.beyond(&old).words(), ["a=2", "b=2"]);
        let half = Set::parse("a=2 b=1 c=1").expect("a set");
        assert!(half.is_between(&old, &new));
        let other = Set::parse("a=3 b=1 c=1").expect("a set");
        assert!(!other.is_between(&old, &new));
    }

    #[test]
    fn the_release_in_a_version() {
        for (version, release) in [
            ("2.10.3-1", "2.10.3"),
            ("1:7.0.15-1~deb12u6", "7.0.15"),
            ("3.8.0+ds1-2", "3.8.0"),
            ("3.9dev-12", "3.9dev"),
            ("3.9.0~rc1-1", "3.9.0~rc1"),
            ("4", "4"),
        ] {
            assert_eq!(release_of(Scheme::Semver, version).as_str(), release);
            assert_eq!(release_of(Scheme::Debian, version).as_str(), version);
        }
    }
}
