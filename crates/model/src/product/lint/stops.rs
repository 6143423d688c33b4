//! Stops that nobody could keep, and poisoned releases that lead nowhere.

use super::Lint;
use crate::product::Stop;
use crate::version::{Key, Version};

pub(super) fn check(lint: &mut Lint<'_>) {
    poisoned(lint);
    for (index, stop) in lint.product.stops.iter().enumerate() {
        let places = places(lint, stop);
        if places.is_empty() {
            nowhere(lint, index, stop);
        } else {
            reachable(lint, index, stop, &places);
        }
    }
}

/// Follows a poisoned release to what takes its place. `None` where nothing does.
fn runnable<'a>(lint: &Lint<'a>, version: &'a Version) -> Option<&'a Version> {
    let mut version = version;
    for _ in 0..=lint.product.poisoned.len() {
        let entry = lint
            .product
            .poisoned
            .iter()
            .find(|it| it.version == *version);
        match entry {
            Some(poisoned) => version = poisoned.substitute.as_ref()?,
            None => return Some(version),
        }
    }
    None
}

/// The releases that satisfy a stop, with their places in the order.
fn places<'a>(lint: &Lint<'a>, stop: &'a Stop) -> Vec<(Key, &'a Version)> {
    let all = stop.at.iter().filter_map(|at| runnable(lint, at));
    all.filter_map(|version| Some((lint.key(version)?, version)))
        .collect()
}

fn nowhere(lint: &mut Lint<'_>, index: usize, stop: &Stop) {
    let all_poisoned = |version: &Version| {
        let mut poisoned = lint.product.poisoned.iter();
        poisoned.any(|poisoned| poisoned.version == *version)
    };
    if stop.at.is_empty() {
        let message = format!("stop `{}` names no release", stop.id);
        lint.error(&format!("stop[{index}].at"), "empty", message);
    } else if stop.at.iter().all(all_poisoned) {
        let message = format!(
            "every release that stop `{}` names is poisoned and has no substitute",
            stop.id
        );
        lint.error(&format!("stop[{index}].at"), "poisoned-stop", message)
            .hint =
            Some("name another release, or give the poisoned one a `substitute`".to_owned());
    }
}

/// A stop lies above every start and at or below every target that it applies to.
fn reachable(lint: &mut Lint<'_>, index: usize, stop: &Stop, places: &[(Key, &Version)]) {
    let (Some(lowest), Some(highest)) = (places.iter().min(), places.iter().max()) else {
        return;
    };
    let above = stop.from.as_ref().and_then(|from| {
        let mut held = lint.held(from);
        held.find(|(key, _)| *key >= highest.0 && !key.is_of_line(&highest.0))
            .map(|(_, version)| *version)
    });
    if let Some(start) = above {
        let message = format!(
            "stop `{}` also applies to paths from {start}, which is not below {}",
            stop.id, highest.1
        );
        lint.error(&format!("stop[{index}].from"), "backwards", message)
            .hint = Some(format!("`from` should end below {}", highest.1));
    }
    let below = stop.to.as_ref().and_then(|to| {
        let mut held = lint.held(to);
        held.find(|(key, _)| *key < lowest.0)
            .map(|(_, version)| *version)
    });
    if let Some(target) = below {
        let message = format!(
            "stop `{}` is a cycle: it applies to paths to {target}, and {} lies behind that",
            stop.id, lowest.1
        );
        lint.error(&format!("stop[{index}].to"), "cycle", message)
            .hint = Some(format!("`to` should begin at {} or above", lowest.1));
    }
}

fn poisoned(lint: &mut Lint<'_>) {
    for (index, entry) in lint.product.poisoned.iter().enumerate() {
        let Some(substitute) = &entry.substitute else {
            continue;
        };
        let path = format!("poisoned[{index}].substitute");
        let next = lint
            .product
            .poisoned
            .iter()
            .find(|it| it.version == *substitute);
        let Some(next) = next else { continue };
        match runnable(lint, substitute) {
            Some(end) => {
                let message = format!(
                    "{} is replaced by {substitute}, which is poisoned itself",
                    entry.version
                );
                lint.warning(&path, "poisoned-chain", message).hint =
                    Some(format!("write substitute = \"{end}\""));
            }
            None if next.substitute.is_some() => {
                let message = format!(
                    "{} and {substitute} replace each other: a cycle",
                    entry.version
                );
                lint.error(&path, "cycle", message);
            }
            None => {
                let message = format!(
                    "{} is replaced by {substitute}, which is poisoned and has no substitute",
                    entry.version
                );
                lint.error(&path, "poisoned-chain", message);
            }
        }
    }
}
