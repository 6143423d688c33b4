//! Keys of the datastore: read as text from the one API, written to the other, and compared.

use std::time::{SystemTime, UNIX_EPOCH};

use switchback_engine::ports::{Failure, Finding};
use switchback_model::Digest;
use switchback_model::calendar::Moment;

use super::sides::{Sides, of_new, of_old, unless};
use crate::adapt::{KeyPair, Scope};
use crate::compare::{self, Difference};
use crate::inventory::{count, trace_of_keys};
use crate::release::Keys;

/// A key that holds nothing: with it the new instance shows that it keeps secrets, before it is told one.
const TRIAL: &str = "switchback.trial";

pub(super) fn original(sides: &Sides<'_>) -> Result<Digest, Failure> {
    let keys = sides
        .old
        .keys(Keys::of(sides.from), &sides.content.users, false);
    Ok(trace_of_keys(&keys.map_err(|error| of_old(&error))?))
}

/// What was loaded by a try that was cut off is equal already; everything else is foreign.
pub(super) fn room(sides: &Sides<'_>) -> Result<Finding, Failure> {
    let mut found = differences(sides)?;
    found.retain(|difference| !matches!(difference, Difference::Missing(_)));
    Ok(unless(&found))
}

pub(super) fn arrived(sides: &Sides<'_>) -> Result<Finding, Failure> {
    Ok(unless(&differences(sides)?))
}

pub(super) fn bring(sides: &Sides<'_>) -> Result<String, Failure> {
    let (old, new) = both(sides)?;
    let there: Vec<_> = new.iter().map(KeyPair::identity).collect();
    let missing: Vec<&KeyPair> = old
        .iter()
        .filter(|key| !there.contains(&key.identity()))
        .collect();
    if missing.iter().any(|key| key.secret) {
        keeps_secrets(sides)?;
    }
    let of = Some(missing.len() as u64);
    for (done, key) in missing.iter().enumerate() {
        sides
            .cx
            .progress
            .report("load keys", Some(done as u64), of, Some("keys"));
        let Some(ttl) = remaining(key) else { continue };
        let loaded = sides.new.set_key(key, ttl)?;
        if key.secret && !loaded.secret {
            return Err(leaked(&key.shown()));
        }
    }
    let secret = old.iter().filter(|key| key.secret).count();
    Ok(format!(
        "{}, {secret} secret, each compared",
        count(old.len(), "key")
    ))
}

/// Removes the trial, which a process that was killed may have left.
pub(super) fn clean(sides: &Sides<'_>) -> Result<(), Failure> {
    let system = vec![("scope", "st2kv.system"), ("prefix", TRIAL)];
    let left = sides.new.list("/v1/keys", "keys", &system);
    if left
        .map_err(|error| of_new(&error))?
        .iter()
        .all(|key| key["name"] != TRIAL)
    {
        return Ok(());
    }
    sides.new.remove_key(TRIAL).map_err(|error| of_new(&error))
}

/// Tries with a value that is no secret whether the new instance keeps secrets as such. Clients and servers of some
/// releases ignore what they do not know, and would store a secret as plain text.
fn keeps_secrets(sides: &Sides<'_>) -> Result<(), Failure> {
    let trial = KeyPair {
        scope: Scope::System,
        name: TRIAL.to_owned(),
        value: "trial".to_owned(),
        secret: true,
        encrypted: false,
        expires: None,
    };
    let kept = sides.new.set_key(&trial, None)?;
    clean(sides)?;
    if kept.secret && kept.encrypted && kept.value != trial.value {
        Ok(())
    } else {
        Err(leaked("every secret key"))
    }
}

fn leaked(what: &str) -> Failure {
    Failure::new(
        "secret-would-leak",
        format!("the new instance would keep {what} as plain text"),
    )
    .hint("give it a datastore key: `st2-generate-symmetric-crypto-key`, [keyvalue] encryption_key_path in st2.conf, `st2ctl restart`")
}

fn both(sides: &Sides<'_>) -> Result<(Vec<KeyPair>, Vec<KeyPair>), Failure> {
    let users = &sides.content.users;
    let old = sides.old.keys(Keys::of(sides.from), users, true);
    let new = sides.new.keys(Keys::of(sides.to), users, true);
    let mut new = new.map_err(|error| of_new(&error))?;
    new.retain(|key| key.name != TRIAL);
    Ok((old.map_err(|error| of_old(&error))?, new))
}

fn differences(sides: &Sides<'_>) -> Result<Vec<Difference>, Failure> {
    let (old, new) = both(sides)?;
    Ok(compare::keys(&old, &new))
}

/// Seconds that the key still has, if it ends by itself; outer `None` where it has ended meanwhile.
fn remaining(key: &KeyPair) -> Option<Option<u64>> {
    let Some(end) = &key.expires else {
        return Some(None);
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    match seconds(end) {
        Some(end) if end <= now => None,
        Some(end) => Some(Some(end - now)),
        // A moment that cannot be read is not guessed: the comparison will tell.
        None => Some(None),
    }
}

/// Seconds since the epoch of `2026-11-21T12:00:00.000000Z`.
fn seconds(moment: &str) -> Option<u64> {
    Moment::parse(moment).map(|moment| moment.0 / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_the_api_writes_them() {
        assert_eq!(seconds("1970-01-01T00:00:00.000000Z"), Some(0));
        assert_eq!(seconds("2026-11-21T12:00:00.000000Z"), Some(1_795_262_400));
        assert_eq!(seconds("2024-02-29T23:59:59Z"), Some(1_709_251_199));
        assert_eq!(seconds("tomorrow"), None);
    }
}
