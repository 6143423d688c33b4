//! Configurations of packs.

use switchback_engine::ports::{Failure, Finding};
use switchback_model::Digest;

use super::sides::{Sides, of_new, of_old, unless};
use crate::api::Config;
use crate::inventory::{count, trace_of_configs};

pub(super) fn original(sides: &Sides<'_>) -> Result<Digest, Failure> {
    let configs = sides.old.configs(false).map_err(|error| of_old(&error))?;
    Ok(trace_of_configs(&configs))
}

pub(super) fn room(sides: &Sides<'_>) -> Result<Finding, Failure> {
    let (old, new) = both(sides)?;
    let foreign = new.iter().filter(|config| !old.contains(config));
    Ok(unless(
        &foreign
            .map(|config| format!("another configuration of `{}`", config.pack))
            .collect::<Vec<_>>(),
    ))
}

pub(super) fn arrived(sides: &Sides<'_>) -> Result<Finding, Failure> {
    let (old, new) = both(sides)?;
    let missing = old.iter().filter(|config| !new.contains(config));
    Ok(unless(
        &missing
            .map(|config| format!("`{}` is not configured so", config.pack))
            .collect::<Vec<_>>(),
    ))
}

pub(super) fn bring(sides: &Sides<'_>) -> Result<String, Failure> {
    let (old, new) = both(sides)?;
    for config in old.iter().filter(|config| !new.contains(config)) {
        let failed = |error: crate::api::ApiError| {
            error.failure(format!("pack `{}` cannot be configured", config.pack))
        };
        sides.new.set_config(config).map_err(failed)?;
    }
    Ok(count(old.len(), "configuration"))
}

fn both(sides: &Sides<'_>) -> Result<(Vec<Config>, Vec<Config>), Failure> {
    let old = sides.old.configs(true).map_err(|error| of_old(&error))?;
    let new = sides.new.configs(true).map_err(|error| of_new(&error))?;
    Ok((old, new))
}
