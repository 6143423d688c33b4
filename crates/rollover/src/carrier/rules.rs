//! Rules that were made through the API and are in no pack.

use switchback_engine::ports::{Failure, Finding};
use switchback_model::Digest;

use super::sides::{Sides, of_new, of_old, unless};
use crate::api::Rule;
use crate::inventory::{api_made, count, trace_of_rules};

pub(super) fn original(sides: &Sides<'_>) -> Result<Digest, Failure> {
    Ok(trace_of_rules(&made_at_old(sides)?))
}

/// A rule of the same name that is another one is in the way.
pub(super) fn room(sides: &Sides<'_>) -> Result<Finding, Failure> {
    let (old, new) = (made_at_old(sides)?, at_new(sides)?);
    let in_the_way = old.iter().filter(|rule| {
        new.iter()
            .any(|other| other.reference() == rule.reference() && other.body != rule.body)
    });
    Ok(unless(
        &in_the_way
            .map(|rule| format!("another rule `{}`", rule.reference()))
            .collect::<Vec<_>>(),
    ))
}

pub(super) fn arrived(sides: &Sides<'_>) -> Result<Finding, Failure> {
    let (old, new) = (made_at_old(sides)?, at_new(sides)?);
    let missing = old
        .iter()
        .filter(|rule| !new.iter().any(|other| other.body == rule.body));
    Ok(unless(
        &missing
            .map(|rule| format!("no such rule as `{}`", rule.reference()))
            .collect::<Vec<_>>(),
    ))
}

pub(super) fn bring(sides: &Sides<'_>) -> Result<String, Failure> {
    let (old, new) = (made_at_old(sides)?, at_new(sides)?);
    let missing = old
        .iter()
        .filter(|rule| !new.iter().any(|other| other.body == rule.body));
    for rule in missing {
        let failed = |error: crate::api::ApiError| {
            error.failure(format!("rule `{}` cannot be made", rule.reference()))
        };
        sides.new.add_rule(rule).map_err(failed)?;
    }
    Ok(count(old.len(), "rule"))
}

fn made_at_old(sides: &Sides<'_>) -> Result<Vec<Rule>, Failure> {
    let all = sides.old.rules().map_err(|error| of_old(&error))?;
    api_made(&all, sides.root()).map_err(|error| {
        Failure::new(
            "files-unread",
            "the rules of the old instance's packs cannot be read",
        )
        .cause(error)
    })
}

fn at_new(sides: &Sides<'_>) -> Result<Vec<Rule>, Failure> {
    sides.new.rules().map_err(|error| of_new(&error))
}
