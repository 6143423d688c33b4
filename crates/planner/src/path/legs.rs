//! Which migration runs at which release of the path.
//!
//! At a stop where only migrations run, those of the stop run and nothing
//! else. Where the product runs, everything runs that was demanded since it
//! ran last: each migration once, by that release's image. A migration whose
//! command is gone by then runs at the last release before that still has it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use switchback_model::product::{Demand, Migration, StopKind};
use switchback_model::version::{Bounds, Key};
use switchback_model::{MigrationId, Version};

use super::act::{Act, StagePackage};
use super::condition::Truth;
use super::ground::Ground;
use super::refusal::{Reason, Refusal};
use super::stops::Station;

/// One leg of a path: up to a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// The release.
    pub to: Version,
    /// Whether the product runs there or only migrations do.
    pub kind: StopKind,
    /// Stops that demand it; empty where it is only the target.
    pub required_by: Vec<String>,
    /// Migrations in order.
    pub migrations: Vec<Run>,
    /// True where every stop that demands it rests on a condition that could not be known.
    pub assumed: bool,
    /// Packages that are replaced, where the product comes in packages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<StagePackage>,
    /// What is done beside migrations, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Act>,
    /// What may be done, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offered: Vec<Act>,
}

/// One migration of a leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Which.
    pub migration: MigrationId,
    /// Arguments to the image's own entry point.
    pub run: Vec<String>,
    /// Releases that demand it, oldest first; empty where only a stop does.
    pub demanded_by: Vec<Version>,
    /// Why, one line per reason.
    pub because: Vec<String>,
    /// True where every reason rests on a condition that could not be known.
    pub assumed: bool,
}

/// A migration that a crossed release offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionalMigration {
    /// Which.
    pub migration: MigrationId,
    /// Arguments to the image's own entry point.
    pub run: Vec<String>,
    /// The release that offers it.
    pub version: Version,
    /// What it does.
    pub because: String,
    /// Where it was read.
    pub source: String,
    /// True where a condition could not be known.
    pub assumed: bool,
}

/// A demand on the way.
struct Demanded<'a> {
    key: Key,
    version: &'a Version,
    demand: &'a Demand,
    truth: Truth,
}

/// The demands for one migration and what is left of them.
struct Pending<'a> {
    migration: &'a Migration,
    /// Whether the migration is for this deployment at all.
    truth: Truth,
    /// Oldest first.
    demands: VecDeque<Demanded<'a>>,
    /// Releases that have the command; `None` where the definition's range cannot be read.
    exists: Option<Bounds>,
    /// A stop wants it run once more where the product runs next, and whether that was assumed.
    again: Option<bool>,
}

impl Pending<'_> {
    fn exists_at(&self, key: &Key) -> bool {
        let exists = self.exists.as_ref();
        exists.is_some_and(|exists| exists.contains(key))
    }
}

/// Which chances a migration has to run at all.
#[derive(Clone, Copy)]
struct Chance {
    /// This station is the last one that has the command.
    is_last: bool,
    /// A later station has it as well.
    comes_later: bool,
}

/// A reason to run a migration at one station.
struct Forced {
    because: String,
    assumed: bool,
}

/// Assigns every demanded migration to a station.
pub(super) fn legs(
    ground: &Ground<'_>,
    stations: &[Station<'_>],
) -> Result<(Vec<Leg>, Vec<OptionalMigration>), Refusal> {
    let (mut pending, optional) = demands(ground);
    // The last station that has each migration's command: where it runs if nowhere else.
    let last_with: Vec<Option<usize>> = pending
        .iter()
        .map(|pending| {
            stations
                .iter()
                .rposition(|station| pending.exists_at(&station.at.key))
        })
        .collect();
    let mut legs = Vec::with_capacity(stations.len());
    for (index, station) in stations.iter().enumerate() {
        let last = index + 1 == stations.len();
        let kind = station_kind(station, last);
        let mut runs = Vec::new();
        for (position, pending) in pending.iter_mut().enumerate() {
            let last_with = last_with[position];
            let chance = Chance {
                is_last: last_with == Some(index),
                comes_later: last_with.is_some_and(|last| last > index),
            };
            let due = due(ground, pending, station, kind, chance)?;
            if let Some(run) = due {
                runs.push((position, run));
            }
        }
        legs.push(Leg {
            to: station.at.version.clone(),
            kind,
            required_by: station
                .stops
                .iter()
                .map(|entry| entry.stop.id.clone())
                .collect(),
            migrations: in_order(ground, runs),
            assumed: !last && station.stops.iter().all(|entry| entry.assumed),
            packages: Vec::new(),
            actions: Vec::new(),
            offered: Vec::new(),
        });
    }
    Ok((legs, optional))
}

fn station_kind(station: &Station<'_>, last: bool) -> StopKind {
    let runs = |kind| kind == StopKind::Run;
    if last || station.stops.iter().any(|entry| runs(entry.stop.kind)) {
        StopKind::Run
    } else {
        StopKind::Migrate
    }
}

/// Everything that crossed releases demand, by migration in the definition's order, and what they offer.
fn demands<'a>(ground: &Ground<'a>) -> (Vec<Pending<'a>>, Vec<OptionalMigration>) {
    let mut optional = Vec::new();
    let mut all: Vec<Pending<'a>> = ground
        .product
        .migrations
        .iter()
        .map(|migration| Pending {
            migration,
            truth: if ground.is_edition(&migration.editions) {
                ground.when(migration.when.as_ref())
            } else {
                Truth::No
            },
            demands: VecDeque::new(),
            exists: migration.exists.bounds(ground.product.scheme).ok(),
            again: None,
        })
        .collect();
    let target = |demand: &Demand| {
        let range = demand.to.as_ref();
        range.is_none_or(|range| ground.range_holds(range, &ground.to.key))
    };
    for known in ground.crossed() {
        for demand in &known.release.demands {
            let wanted = |pending: &&mut Pending<'_>| pending.migration.id == demand.migration;
            let Some(pending) = all.iter_mut().find(wanted) else {
                continue;
            };
            let truth = pending.truth.and(ground.when(demand.when.as_ref()));
            if !truth.applies() || !ground.is_edition(&demand.editions) || !target(demand) {
                continue;
            }
            if demand.optional {
                optional.push(OptionalMigration {
                    migration: demand.migration.clone(),
                    run: pending.migration.run.clone(),
                    version: known.release.version.clone(),
                    because: demand.because.clone(),
                    source: demand.source.clone(),
                    assumed: truth.is_assumed(),
                });
            } else {
                pending.demands.push_back(Demanded {
                    key: known.key.clone(),
                    version: &known.release.version,
                    demand,
                    truth,
                });
            }
        }
    }
    (all, optional)
}

/// What of one migration has to run at this station.
fn due(
    ground: &Ground<'_>,
    pending: &mut Pending<'_>,
    station: &Station<'_>,
    kind: StopKind,
    chance: Chance,
) -> Result<Option<Run>, Refusal> {
    if !pending.truth.applies() {
        return Ok(None);
    }
    let id = &pending.migration.id;
    let here = &station.at.key;
    let exists = pending.exists_at(here);
    let mut forced: Vec<Forced> = station
        .stops
        .iter()
        .filter(|entry| entry.stop.run.contains(id))
        .map(|entry| Forced {
            because: entry.stop.because.clone(),
            assumed: entry.assumed,
        })
        .collect();
    if kind == StopKind::Run
        && let Some(assumed) = pending.again.take()
        && exists
    {
        forced.push(Forced {
            because: "the stop before it asks for it to be run once more".to_owned(),
            assumed,
        });
    }
    for entry in &station.stops {
        if entry.stop.then_run.contains(id) {
            let assumed = entry.assumed && pending.again.unwrap_or(true);
            pending.again = Some(assumed);
        }
    }
    let first = pending.demands.front();
    let waiting = first.is_some_and(|demanded| demanded.key <= *here);
    let wanted = waiting && (kind == StopKind::Run || chance.is_last);
    if forced.is_empty() && !wanted {
        return Ok(None);
    }
    if !exists {
        // A later station may have the command; where none does, there is nowhere left to run it.
        if chance.comes_later {
            return Ok(None);
        }
        return Err(no_image(ground, pending, station));
    }
    Ok(Some(run(pending, here, forced)))
}

/// Takes the demands that are met by running the migration here.
fn run(pending: &mut Pending<'_>, here: &Key, forced: Vec<Forced>) -> Run {
    let count = pending
        .demands
        .partition_point(|demanded| demanded.key <= *here);
    let met: Vec<Demanded<'_>> = pending.demands.drain(..count).collect();
    let mut demanded_by: Vec<Version> = met
        .iter()
        .map(|demanded| demanded.version.clone())
        .collect();
    demanded_by.dedup();
    let assumed = pending.truth.is_assumed()
        || (met.iter().all(|demanded| demanded.truth.is_assumed())
            && forced.iter().all(|forced| forced.assumed));
    let stated = met.iter().map(|demanded| {
        let demand = demanded.demand;
        format!(
            "{} {} [{}]",
            demanded.version, demand.because, demand.source
        )
    });
    Run {
        migration: pending.migration.id.clone(),
        run: pending.migration.run.clone(),
        because: stated
            .chain(forced.into_iter().map(|forced| forced.because))
            .collect(),
        demanded_by,
        assumed,
    }
}

fn no_image(ground: &Ground<'_>, pending: &Pending<'_>, station: &Station<'_>) -> Refusal {
    let migration = pending.migration;
    let reason = Reason::NoImage {
        migration: migration.id.clone(),
        exists: migration.exists.clone(),
        at: station.at.version.clone(),
        demanded: pending
            .demands
            .iter()
            .map(|demanded| (demanded.version.clone(), demanded.demand.source.clone()))
            .collect(),
    };
    Refusal::new(ground.product, ground.query, reason)
}

/// By phase, then by the first release that demands it, then as the definition lists them.
fn in_order(ground: &Ground<'_>, mut runs: Vec<(usize, Run)>) -> Vec<Run> {
    let migrations = &ground.product.migrations;
    runs.sort_by_cached_key(|(position, run)| {
        let first = run.demanded_by.first();
        let key = first.and_then(|version| ground.product.scheme.parse(version).ok());
        // What only a stop demands comes last in its phase: it is as new as the station.
        (migrations[*position].phase, key.is_none(), key, *position)
    });
    runs.into_iter().map(|(_, run)| run).collect()
}
