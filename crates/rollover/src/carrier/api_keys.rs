//! Keys of the API, by their hashes: those who hold them go on using them.

use switchback_engine::ports::{Failure, Finding};
use switchback_model::Digest;

use super::sides::{Sides, of_new, of_old, unless};
use crate::api::ApiKey;
use crate::inventory::{count, trace_of_api_keys};

pub(super) fn original(sides: &Sides<'_>) -> Result<Digest, Failure> {
    let keys = sides.old.api_keys(true).map_err(|error| of_old(&error))?;
    Ok(trace_of_api_keys(&keys))
}

pub(super) fn arrived(sides: &Sides<'_>) -> Result<Finding, Failure> {
    let (old, new) = both(sides)?;
    let missing = missing(&old, &new);
    Ok(unless(
        &missing
            .iter()
            .map(|key| format!("a key of {} is missing", key.user))
            .collect::<Vec<_>>(),
    ))
}

pub(super) fn bring(sides: &Sides<'_>) -> Result<String, Failure> {
    let (old, new) = both(sides)?;
    for key in missing(&old, &new) {
        let failed = |error: crate::api::ApiError| {
            error.failure(format!("an API key of {} cannot be loaded", key.user))
        };
        sides.new.add_api_key(key).map_err(failed)?;
    }
    Ok(count(old.len(), "API key"))
}

/// The new instance has keys of its own as well: the one that is used here, to begin with.
fn missing<'a>(old: &'a [ApiKey], new: &[ApiKey]) -> Vec<&'a ApiKey> {
    old.iter()
        .filter(|key| {
            !new.iter().any(|other| {
                other.hash == key.hash && other.user == key.user && other.enabled == key.enabled
            })
        })
        .collect()
}

fn both(sides: &Sides<'_>) -> Result<(Vec<ApiKey>, Vec<ApiKey>), Failure> {
    let old = sides.old.api_keys(true).map_err(|error| of_old(&error))?;
    let new = sides.new.api_keys(true).map_err(|error| of_new(&error))?;
    if old.iter().chain(&new).any(ApiKey::is_masked) {
        return Err(Failure::new(
            "secrets-masked",
            "an instance shows its API keys only as asterisks",
        )
        .hint("use the API keys of administrators"));
    }
    Ok((old, new))
}
