//! Gaps: releases without a health path, demands that no image can meet.

use super::Lint;
use crate::product::{Demand, Migration, Release, Stop};
use crate::version::{Key, Version};

pub(super) fn check(lint: &mut Lint<'_>) {
    if !lint.product.path_only {
        health(lint);
    }
    for (index, release) in lint.product.releases.iter().enumerate() {
        for (place, demand) in release.demands.iter().enumerate() {
            let path = format!("release[{index}].demands[{place}].migration");
            let mut migrations = lint.product.migrations.iter();
            let migration = migrations.find(|it| it.id == demand.migration);
            if let (Some(migration), Some(key)) = (migration, lint.key(&release.version)) {
                met(lint, &path, (release, &key), demand, migration);
            }
        }
    }
}

/// Every release answers for its health in exactly one way.
fn health(lint: &mut Lint<'_>) {
    let mut without: Vec<&Version> = Vec::new();
    let mut twice: Vec<(usize, &Version)> = Vec::new();
    for (key, version) in &lint.releases {
        let mut matching = lint.product.health.iter().enumerate();
        let mut held = matching
            .by_ref()
            .filter(|(_, health)| lint.holds(&health.versions, key));
        match (held.next(), held.next()) {
            (None, _) => without.push(version),
            (Some(_), Some((second, _))) => twice.push((second, version)),
            _ => {}
        }
    }
    if let (Some(first), Some(last)) = (without.first(), without.last()) {
        let message = format!("a gap: nothing says how {first} to {last} answer for their health");
        lint.error("health[0].versions", "gap", message).hint =
            Some("add a [[health]] whose versions hold them".to_owned());
    }
    if let Some((second, version)) = twice.first() {
        let message = format!("{version} has two health paths");
        lint.error(&format!("health[{second}].versions"), "overlap", message);
    }
}

/// A demanded migration exists where it is demanded, or a stop before its removal runs it.
fn met(
    lint: &mut Lint<'_>,
    path: &str,
    (release, key): (&Release, &Key),
    demand: &Demand,
    migration: &Migration,
) {
    if !lint.holds(&migration.exists, key) {
        let message = format!(
            "{} demands `{}`, which that release does not have",
            release.version, migration.id
        );
        lint.error(path, "gap", message).hint =
            Some(format!("releases {} have it", migration.exists.as_str()));
        return;
    }
    // Who comes from just below has to meet the demand; above all releases below it, that is the hardest start.
    let start = lint.releases.iter().rev().find(|(below, _)| below < key);
    let Some((start, _)) = start else { return };
    let lost = lint.releases.iter().find(|(later, _)| {
        let wanted = demand.to.as_ref();
        later > key
            && !demand.optional
            && !lint.holds(&migration.exists, later)
            && wanted.is_none_or(|range| lint.holds(range, later))
            && !lint
                .product
                .stops
                .iter()
                .any(|stop| saves(lint, stop, migration, (start, key, later)))
    });
    if let Some((_, later)) = lost {
        let message = format!(
            "a gap: {} demands `{}`, {later} no longer has it, and no stop runs it before",
            release.version, migration.id
        );
        lint.error(path, "gap", message).hint = Some(format!(
            "add a [[stop]] with run = [\"{}\"] and to = \">={later}\"",
            migration.id
        ));
    }
}

/// Whether a stop runs the migration on the way from `start` over `demanded` to `target`.
fn saves(
    lint: &Lint<'_>,
    stop: &Stop,
    migration: &Migration,
    (start, demanded, target): (&Key, &Key, &Key),
) -> bool {
    let in_range = |range: &Option<crate::version::Range>, key| {
        range.as_ref().is_none_or(|range| lint.holds(range, key))
    };
    let place = |version: &Version| {
        lint.key(version).is_some_and(|place| {
            place >= *demanded && place <= *target && lint.holds(&migration.exists, &place)
        })
    };
    stop.run.contains(&migration.id)
        && in_range(&stop.from, start)
        && in_range(&stop.to, target)
        && stop.at.iter().any(place)
}
