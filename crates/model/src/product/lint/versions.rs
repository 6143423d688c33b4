//! Versions and ranges: readable, in order, existing, and never a moving tag.

use super::Lint;
use crate::version::{Range, Version};

pub(super) fn check(lint: &mut Lint<'_>) {
    releases(lint);
    references(lint);
    ranges(lint);
}

fn releases(lint: &mut Lint<'_>) {
    let mut newest = None;
    for (index, release) in lint.product.releases.iter().enumerate() {
        let path = format!("release[{index}].version");
        let Some(key) = readable(lint, &path, &release.version) else {
            continue;
        };
        if let Some((above, version)) = &newest
            && *above > key
        {
            let message = format!("{} is listed after {version}", release.version);
            lint.error(&path, "out-of-order", message).hint =
                Some("list releases from the oldest to the newest".to_owned());
            continue;
        }
        newest = Some((key, &release.version));
    }
}

/// Everything that names a release has to name one that exists.
fn references(lint: &mut Lint<'_>) {
    let product = lint.product;
    let mut uses: Vec<(String, &Version)> = Vec::new();
    for (index, stop) in product.stops.iter().enumerate() {
        for (place, version) in stop.at.iter().enumerate() {
            uses.push((format!("stop[{index}].at[{place}]"), version));
        }
    }
    for (index, poisoned) in product.poisoned.iter().enumerate() {
        uses.push((format!("poisoned[{index}].version"), &poisoned.version));
        if let Some(substitute) = &poisoned.substitute {
            uses.push((format!("poisoned[{index}].substitute"), substitute));
        }
    }
    for (index, notice) in product.notices.iter().enumerate() {
        uses.push((format!("notice[{index}].version"), &notice.version));
        if let Some(removed) = &notice.removed_in {
            uses.push((format!("notice[{index}].removed-in"), removed));
        }
    }
    for (index, procedure) in product.procedures.iter().enumerate() {
        if let Some(version) = &procedure.version {
            uses.push((format!("procedure[{index}].version"), version));
        }
        for (place, version) in procedure.again.iter().enumerate() {
            uses.push((format!("procedure[{index}].again[{place}]"), version));
        }
    }
    for (index, template) in product.templates.iter().enumerate() {
        let ends = [("since", &template.since), ("removed", &template.removed)];
        for (field, version) in ends {
            if let Some(version) = version {
                uses.push((format!("template[{index}].{field}"), version));
            }
        }
        for (place, change) in template.changes.iter().enumerate() {
            let path = format!("template[{index}].changes[{place}].version");
            uses.push((path, &change.version));
        }
    }
    for (index, order) in product.orders.iter().enumerate() {
        let path = format!("order[{index}].version");
        uses.extend(order.version.iter().map(|version| (path.clone(), version)));
    }
    for (index, deletion) in product.deletions.iter().enumerate() {
        uses.push((format!("deletion[{index}].version"), &deletion.version));
    }
    for (index, action) in product.actions.iter().enumerate() {
        let path = format!("action[{index}].version");
        uses.extend(action.version.iter().map(|version| (path.clone(), version)));
    }
    for (path, version) in uses {
        if readable(lint, &path, version).is_some() && !lint.is_release(version) {
            let message = format!("there is no release {version}");
            let hint = nearest(lint, version);
            lint.error(&path, "unknown-version", message).hint = hint;
        }
    }
}

/// Reads a version and tells what is wrong with it.
fn readable(lint: &mut Lint<'_>, path: &str, version: &Version) -> Option<crate::version::Key> {
    let error = match lint.product.scheme.parse(version) {
        Ok(key) => return Some(key),
        Err(error) => error,
    };
    let text = version.as_str();
    let parts: Vec<&str> = text.split('.').collect();
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    if text.starts_with('v') && Version::typed(text).as_str() != text {
        let message = format!("`{text}` begins with `v`, which image tags do not");
        lint.error(path, "malformed-version", message).hint =
            Some(format!("write {}", Version::typed(text)));
    } else if text == "latest"
        || matches!(parts.last(), Some(&("x" | "latest")))
        || (parts.len() < 3 && parts.iter().all(is_number))
    {
        let message = format!("`{text}` is a moving tag: it names another release tomorrow");
        lint.error(path, "moving-tag", message).hint =
            Some("name one release, with all its numbers".to_owned());
    } else {
        lint.error(path, "malformed-version", error.to_string());
    }
    None
}

fn ranges(lint: &mut Lint<'_>) {
    let product = lint.product;
    let mut uses: Vec<(String, &Range)> = Vec::new();
    for (index, migration) in product.migrations.iter().enumerate() {
        uses.push((format!("migration[{index}].exists"), &migration.exists));
        for (place, flaw) in migration.not_repeatable.iter().enumerate() {
            let path = format!("migration[{index}].not-repeatable[{place}].versions");
            uses.push((path, &flaw.versions));
        }
    }
    for (index, release) in product.releases.iter().enumerate() {
        for (place, demand) in release.demands.iter().enumerate() {
            let path = format!("release[{index}].demands[{place}].to");
            uses.extend(demand.to.iter().map(|range| (path.clone(), range)));
        }
    }
    for (index, stop) in product.stops.iter().enumerate() {
        uses.extend(
            stop.from
                .iter()
                .map(|range| (format!("stop[{index}].from"), range)),
        );
        uses.extend(
            stop.to
                .iter()
                .map(|range| (format!("stop[{index}].to"), range)),
        );
    }
    for (index, procedure) in product.procedures.iter().enumerate() {
        for (field, range) in [("from", &procedure.from), ("to", &procedure.to)] {
            let path = format!("procedure[{index}].{field}");
            uses.extend(range.iter().map(|range| (path.clone(), range)));
        }
    }
    for (index, remark) in product.remarks.iter().enumerate() {
        for (field, range) in [("from", &remark.from), ("to", &remark.to)] {
            let path = format!("remark[{index}].{field}");
            uses.extend(range.iter().map(|range| (path.clone(), range)));
        }
    }
    for (index, health) in product.health.iter().enumerate() {
        uses.push((format!("health[{index}].versions"), &health.versions));
    }
    for (index, notice) in product.notices.iter().enumerate() {
        let path = format!("notice[{index}].to");
        uses.extend(notice.to.iter().map(|range| (path.clone(), range)));
    }
    uses.extend(super::host::ranges(product));
    for (path, range) in uses {
        match range.bounds(product.scheme) {
            Err(error) => {
                lint.error(&path, "malformed-range", error.to_string());
            }
            // Where the definition speaks for releases that it does not list, the range may be for those.
            Ok(_) if product.covers.is_some() || lint.held(range).next().is_some() => {}
            Ok(_) => {
                let message = format!("no release is in `{}`", range.as_str());
                lint.error(&path, "never-matches", message);
            }
        }
    }
    if let Some(Err(error)) = product
        .covers
        .as_ref()
        .map(|range| range.bounds(product.scheme))
    {
        lint.error("product.covers", "malformed-range", error.to_string());
    }
}

/// The releases below and above a version that does not exist.
fn nearest(lint: &Lint<'_>, version: &Version) -> Option<String> {
    let key = lint.key(version)?;
    let after = lint.releases.partition_point(|(known, _)| *known < key);
    let below = after.checked_sub(1).map(|index| lint.releases[index].1);
    let above = lint.releases.get(after).map(|(_, version)| *version);
    match (below, above) {
        (Some(below), Some(above)) => Some(format!("the nearest are {below} and {above}")),
        (Some(only), None) | (None, Some(only)) => Some(format!("the nearest is {only}")),
        (None, None) => None,
    }
}
