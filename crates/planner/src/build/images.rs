//! Which images a plan needs, and what they are pinned to.

use std::collections::BTreeMap;

use switchback_model::observed::{ImagePin, Observed, Service};
use switchback_model::product::Product;
use switchback_model::{Config, Problem, ServiceName, Version};

use super::cast::Cast;
use super::engines::engines_wanted;
use super::input::Input;
use super::pins::{pinned, unresolved};
use super::route::{self, Leg};
use crate::path::Path;

/// Every image reference that a plan along `path` needs pinned, in the order in which it needs them.
pub fn images_needed(
    product: &Product,
    config: &Config,
    observed: &Observed,
    path: &Path,
) -> Vec<String> {
    let cast = Cast::of(product, config, observed);
    // A service that was never created is brought back as its configuration says.
    let mut needed: Vec<String> = cast
        .active()
        .into_iter()
        .filter(|member| member.service.running.is_none())
        .map(|member| member.service.image.clone())
        .collect();
    needed.dedup();
    // A wish that cannot be granted is told when the plan is built.
    for wish in engines_wanted(product, config, observed).unwrap_or_default() {
        needed.push(wish.reference);
    }
    for leg in route::legs(product, path) {
        for reference in references(&cast, &observed.version, &leg)
            .into_iter()
            .flatten()
        {
            if !needed.contains(&reference) {
                needed.push(reference);
            }
        }
    }
    needed
}

/// Every version that is written into the deployment's files on the way along `path`, in order.
pub fn versions_set(product: &Product, path: &Path) -> Vec<Version> {
    route::legs(product, path)
        .into_iter()
        .filter(|leg| leg.runs)
        .map(|leg| leg.to.clone())
        .collect()
}

/// The pinned images to fetch, with the version that each is of.
pub(super) fn to_fetch(
    input: &Input<'_>,
    cast: &Cast<'_>,
    legs: &[Leg<'_>],
) -> Result<Vec<(Version, ImagePin)>, Problem> {
    let mut images: Vec<(Version, ImagePin)> = Vec::new();
    for leg in legs {
        for reference in references(cast, &input.observed.version, leg) {
            let pin = pinned(input, reference)?;
            if !images.iter().any(|(_, known)| *known == pin) {
                images.push((leg.to.clone(), pin));
            }
        }
    }
    Ok(images)
}

/// The images of the active services at `version`, of those that it has.
pub(super) fn at(
    input: &Input<'_>,
    cast: &Cast<'_>,
    version: &Version,
) -> Result<BTreeMap<ServiceName, ImagePin>, Problem> {
    cast.references_at(&input.observed.version, version)
        .into_iter()
        .filter(|(service, _)| !input.product.is_without(service, version))
        .map(|(service, reference)| Ok((service, pinned(input, reference)?)))
        .collect()
}

/// The image of a service that was never created, as its configuration names it.
pub(super) fn configured(input: &Input<'_>, service: &Service) -> Result<ImagePin, Problem> {
    pinned(input, Some(service.image.clone()))
}

/// The service that migrations run with, and its image at `version`.
pub(super) fn migrator(
    input: &Input<'_>,
    cast: &Cast<'_>,
    version: &Version,
) -> Result<(ServiceName, ImagePin), Problem> {
    let service = cast
        .migrator()
        .ok_or_else(|| unresolved("the product's image"))?;
    let mut references = cast.references_at(&input.observed.version, version);
    let reference = references.remove(&service.name).flatten();
    Ok((service.name.clone(), pinned(input, reference)?))
}

/// A stop where only migrations run needs the image that has them, and no companion.
fn references(cast: &Cast<'_>, from: &Version, leg: &Leg<'_>) -> Vec<Option<String>> {
    let mut by_service = cast.references_at(from, leg.to);
    if leg.runs {
        let order = cast.names();
        order
            .iter()
            .filter_map(|name| by_service.remove(name))
            .collect()
    } else {
        cast.migrator()
            .and_then(|service| by_service.remove(&service.name))
            .into_iter()
            .collect()
    }
}
