//! What a release of StackStorm knows of keys: it decides how they are asked for and what they are made into.

use switchback_model::{Scheme, Version};

/// How the datastore of a release speaks of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Before 1.5: a name and a value, neither scopes nor secrets.
    Plain,
    /// 1.5 and 2.0: scopes are called `system` and `user`.
    Scoped,
    /// From 2.1: scopes are called `st2kv.system` and `st2kv.user`.
    Prefixed,
}

impl Keys {
    /// Those of a release.
    pub(crate) fn of(version: &Version) -> Self {
        if is_before(version, "1.5.0") {
            Self::Plain
        } else if is_before(version, "2.1.0") {
            Self::Scoped
        } else {
            Self::Prefixed
        }
    }

    /// The name of a scope in a question; `None` where there are no scopes.
    pub(crate) fn scope(self, scope: &str) -> Option<String> {
        match self {
            Self::Plain => None,
            Self::Scoped => Some(scope.to_owned()),
            Self::Prefixed => Some(format!("st2kv.{scope}")),
        }
    }
}

/// The first release whose API installs a pack from a repository of its own.
pub(crate) const FIRST_TARGET: &str = "2.1.0";

/// Whether `version` is older than `other`; what cannot be read is not.
pub(crate) fn is_before(version: &Version, other: &str) -> bool {
    let key = |version: &Version| Scheme::Numeric.parse(version).ok();
    match (key(version), key(&Version::new(other))) {
        (Some(version), Some(other)) => version < other,
        _ => false,
    }
}

/// Whether it can be read as a version at all.
pub(crate) fn is_version(text: &str) -> bool {
    Scheme::Numeric.parse(&Version::new(text)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_changed_twice() {
        let of = |version: &str| Keys::of(&version.into());
        assert_eq!(of("1.4.0"), Keys::Plain);
        assert_eq!(of("1.5.0"), Keys::Scoped);
        assert_eq!(of("2.0.1"), Keys::Scoped);
        assert_eq!(of("2.1.0"), Keys::Prefixed);
        assert_eq!(of("2.10.4"), Keys::Prefixed);
        assert_eq!(of("3.9.0"), Keys::Prefixed);
    }

    #[test]
    fn ten_is_more_than_nine() {
        assert!(is_before(&"2.9.3".into(), "2.10.2"));
        assert!(!is_before(&"2.10.2".into(), "2.9.3"));
        assert!(is_version("3.9.0") && !is_version("unknown"));
    }
}
