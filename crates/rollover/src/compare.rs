//! Key by key: what the new instance holds against what the old one holds.

use std::collections::BTreeMap;

use crate::adapt::{KeyPair, Scope};

/// One key that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Only the old instance has it.
    Missing(String),
    /// Only the new instance has it.
    Foreign(String),
    /// Both have it, with different values.
    Value(String),
    /// It is a secret of the old instance, and plain text at the new one.
    Leaked(String),
    /// It is a secret only at the new one.
    Hidden(String),
    /// It ends by itself on one side only.
    Expiry(String),
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(key) => write!(f, "`{key}` is missing"),
            Self::Foreign(key) => write!(f, "`{key}` is not from the old instance"),
            Self::Value(key) => write!(f, "`{key}` has another value"),
            Self::Leaked(key) => write!(f, "`{key}` is a secret and lies there as plain text"),
            Self::Hidden(key) => write!(f, "`{key}` is a secret only at the new instance"),
            Self::Expiry(key) => write!(f, "`{key}` expires on one side only"),
        }
    }
}

/// Everything in which the two differ; both were read decrypted.
pub(crate) fn keys(old: &[KeyPair], new: &[KeyPair]) -> Vec<Difference> {
    let by_identity = |keys: &[KeyPair]| -> BTreeMap<(Scope, String), KeyPair> {
        keys.iter()
            .map(|key| ((key.scope.clone(), key.name.clone()), key.clone()))
            .collect()
    };
    let (old, new) = (by_identity(old), by_identity(new));
    let mut found: Vec<Difference> = old
        .iter()
        .filter_map(|(identity, key)| match new.get(identity) {
            None => Some(Difference::Missing(key.shown())),
            Some(arrived) => different(key, arrived),
        })
        .collect();
    let foreign = new
        .iter()
        .filter(|(identity, _)| !old.contains_key(identity));
    found.extend(foreign.map(|(_, key)| Difference::Foreign(key.shown())));
    found
}

fn different(old: &KeyPair, new: &KeyPair) -> Option<Difference> {
    let shown = old.shown();
    if old.secret && !new.secret {
        Some(Difference::Leaked(shown))
    } else if new.secret && !old.secret {
        Some(Difference::Hidden(shown))
    } else if old.value != new.value {
        Some(Difference::Value(shown))
    } else if old.expires.is_some() != new.expires.is_some() {
        Some(Difference::Expiry(shown))
    } else {
        None
    }
}

/// The first few of many things, for one line.
pub(crate) fn some<T: ToString>(things: &[T]) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<String> = things.iter().take(SHOWN).map(ToString::to_string).collect();
    if things.len() > SHOWN {
        shown.push(format!("and {} more", things.len() - SHOWN));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(keys: &[Value]) -> Vec<KeyPair> {
        keys.iter()
            .map(|key| KeyPair::read(key).expect("a key"))
            .collect()
    }

    #[test]
    fn the_same_keys_are_the_same_whatever_the_releases_call_their_scopes() {
        let old = read(&[
            json!({"name": "a", "value": "1"}),
            json!({"name": "t", "value": "2", "scope": "user", "user": "bob"}),
        ]);
        let new = read(&[
            json!({"name": "t", "value": "2", "scope": "st2kv.user", "user": "bob"}),
            json!({"name": "a", "value": "1", "scope": "st2kv.system"}),
        ]);
        assert_eq!(keys(&old, &new), []);
    }

    #[test]
    fn every_difference_is_told_by_name_and_never_by_value() {
        let old = read(&[
            json!({"name": "gone", "value": "1"}),
            json!({"name": "changed", "value": "before"}),
            json!({"name": "leaked", "value": "s", "secret": true}),
            json!({"name": "hidden", "value": "s"}),
            json!({"name": "mine", "value": "1", "scope": "user", "user": "bob"}),
            json!({"name": "ends", "value": "1", "expire_timestamp": "2030-01-01T00:00:00Z"}),
        ]);
        let new = read(&[
            json!({"name": "changed", "value": "after"}),
            json!({"name": "leaked", "value": "s"}),
            json!({"name": "hidden", "value": "s", "secret": true}),
            json!({"name": "mine", "value": "1"}),
            json!({"name": "ends", "value": "1"}),
        ]);
        let told: Vec<String> = keys(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "`changed` has another value",
                "`ends` expires on one side only",
                "`gone` is missing",
                "`hidden` is a secret only at the new instance",
                "`leaked` is a secret and lies there as plain text",
                "`mine of bob` is missing",
                "`mine` is not from the old instance",
            ]
        );
    }

    #[test]
    fn many_things_are_counted() {
        assert_eq!(some(&[1, 2]), "1, 2");
        assert_eq!(some(&[1, 2, 3, 4, 5, 6, 7]), "1, 2, 3, 4, 5, and 2 more");
    }
}
