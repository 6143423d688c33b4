//! The search itself: resolve, find the stops, place the migrations, collect what is crossed.

use switchback_model::product::{NoticeKind, ProcedureKind, Product};

use super::actions;
use super::answer::Path;
use super::because::Because;
use super::crossed;
use super::ground::Ground;
use super::legs;
use super::query::Query;
use super::questions;
use super::refusal::{Hint, Reason, Refusal};
use super::remarks;
use super::said;
use super::stops::{self, Station};
use super::templates;

/// Finds the way, or says why there is none. A pure function of its arguments.
pub fn find(product: &Product, query: &Query) -> Result<Path, Refusal> {
    let ground = Ground::new(product, query)?;
    if ground.from.key == ground.to.key {
        return Ok(Path::nothing_to_do(&ground));
    }
    check_target(&ground)?;
    let (stations, considered) = stops::stations(&ground)?;
    check_policy(&ground, &stations)?;
    let (mut legs, optional_migrations) = legs::legs(&ground, &stations)?;
    let told = actions::place(&ground, &mut legs)?;
    let (deprecations, notices) = crossed::notices(&ground, told)
        .into_iter()
        .partition(|notice| notice.kind == NoticeKind::Deprecation);
    let templates = templates::templates(&ground);
    let mut procedures =
        crossed::procedures(&ground, &templates, !stations_before(&stations).is_empty());
    let mut taken = |kind| {
        let of_kind = procedures.extract_if(.., |procedure| procedure.kind == kind);
        of_kind.collect()
    };
    let optional_procedures = taken(ProcedureKind::Optional);
    let possibilities = taken(ProcedureKind::Possible);
    let done_by_plan = remarks::told(&ground, &legs, true);
    let remarks = [
        substitutions(&ground, &stations),
        remarks::versions(&ground),
        remarks::told(&ground, &legs, false),
        remarks::assumptions(&ground),
        said::unused(&ground),
    ];
    let path = Path {
        because: because(&stations),
        legs,
        optional_migrations,
        notices,
        deprecations,
        procedures,
        optional_procedures,
        possibilities,
        templates,
        orders: templates::orders(&ground),
        done_by_plan,
        deletions: crossed::deletions(&ground),
        changes: crossed::changes(&ground),
        remarks: remarks.concat(),
        considered,
        ..Path::nothing_to_do(&ground)
    };
    Ok(Path {
        questions: questions::open(&ground, &path),
        ..path
    })
}

fn check_target(ground: &Ground<'_>) -> Result<(), Refusal> {
    let refuse = |reason| Refusal::new(ground.product, ground.query, reason);
    if ground.to.key < ground.from.key {
        let lost = ground.product.notices.iter().filter(|notice| {
            let key = ground.product.scheme.parse(&notice.version);
            let between = key.is_ok_and(|key| ground.to.key < key && key <= ground.from.key);
            notice.kind == NoticeKind::OneWay
                && between
                && ground.when(notice.when.as_ref()).applies()
        });
        let one_way = lost.cloned().collect();
        return Err(refuse(Reason::Downgrade { one_way }).hinting([Hint::RestoreBackup]));
    }
    if let Some(poisoned) = ground.poisoned(&ground.to.version) {
        let substitute = ground.runnable(&ground.to.version);
        let hint = substitute.map(|point| Hint::Target {
            version: point.version,
        });
        let poisoned = poisoned.clone();
        return Err(refuse(Reason::Poisoned { poisoned }).hinting(hint));
    }
    if ground.to.key.is_pre_release() && !ground.query.policy.pre_releases {
        let version = ground.to.version.clone();
        return Err(refuse(Reason::PreRelease { version }).hinting([Hint::AllowPreReleases]));
    }
    ground.check_in_place()
}

fn check_policy(ground: &Ground<'_>, stations: &[Station<'_>]) -> Result<(), Refusal> {
    let stops = stations_before(stations);
    if stops.is_empty() || ground.query.policy.stops {
        return Ok(());
    }
    let reason = Reason::StopsForbidden {
        stops: because(stops),
    };
    let first = stops[0].at.version.clone();
    Err(Refusal::new(ground.product, ground.query, reason)
        .hinting([Hint::AllowStops, Hint::Target { version: first }]))
}

/// The required stops: every station but the target.
fn stations_before<'s, 'a>(stations: &'s [Station<'a>]) -> &'s [Station<'a>] {
    stations.split_last().map_or(&[], |(_target, stops)| stops)
}

fn because(stations: &[Station<'_>]) -> Vec<Because> {
    let required = stations.iter().flat_map(|station| &station.stops);
    required
        .map(|entry| Because {
            id: entry.stop.id.clone(),
            text: entry.stop.because.clone(),
            source: entry.stop.source.clone(),
            assumed: entry.assumed,
        })
        .collect()
}

/// Says where a release stands in for a poisoned one that a stop names.
fn substitutions(ground: &Ground<'_>, stations: &[Station<'_>]) -> Vec<String> {
    let mut said = Vec::new();
    for station in stations {
        let at = &station.at.version;
        for entry in &station.stops {
            let named = entry.stop.at.iter().filter(|named| *named != at);
            for poisoned in named.filter_map(|named| ground.poisoned(named)) {
                if ground
                    .runnable(&poisoned.version)
                    .is_some_and(|point| point.version == *at)
                {
                    said.push(format!(
                        "{at} takes the place of {}: {} [{}]",
                        poisoned.version, poisoned.because, poisoned.source
                    ));
                }
            }
        }
    }
    said
}
