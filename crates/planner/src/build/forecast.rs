//! What a plan will cost: seconds without service, bytes on every filesystem.

use std::collections::BTreeMap;

use switchback_model::exit::Exit;
use switchback_model::observed::{Filesystem, Observed};
use switchback_model::plan::{
    Act, DatastorePlan, Forecast, Interrupted, KeepingForecast, SpaceForecast, Stage, Step,
};
use switchback_model::product::Product;
use switchback_model::{DatastoreName, Problem};

use super::costs;
use super::estimates::{Downtime, Estimates};
use super::input::Input;
use super::keeping::Keeping;

/// Adds up the costs of `stages`.
pub(super) fn forecast(input: &Input<'_>, keeping: &Keeping, stages: &[Stage]) -> Forecast {
    let steps = || stages.iter().flat_map(|stage| &stage.steps);
    let estimates = Estimates {
        datastores: keeping.plans(),
        experience: input.experience,
        back: false,
    };
    let downtime = estimates.downtime(steps());
    Forecast {
        downtime_seconds: Some(downtime.seconds),
        downtime_because: because(keeping, steps(), &downtime),
        space: space(input.product, input.observed, keeping, stages),
        keeping: keeping
            .backed_up()
            .map(|name| {
                (
                    name.clone(),
                    of_datastore(input.observed, keeping, &estimates, stages, name),
                )
            })
            .collect(),
    }
}

/// What keeping one datastore costs.
fn of_datastore(
    observed: &Observed,
    keeping: &Keeping,
    estimates: &Estimates<'_>,
    stages: &[Stage],
    name: &DatastoreName,
) -> KeepingForecast {
    let size = keeping.measure(name).1;
    let completes = |step: &&Step| matches!(&step.act, Act::Seal { datastore } | Act::Prove { datastore } if datastore == name);
    let downtime_seconds = stages
        .iter()
        .flat_map(|stage| &stage.steps)
        .filter(|step| step.downtime)
        .filter(completes)
        .map(|step| estimates.seconds(&step.act))
        .sum();
    let rounds = rounds(stages);
    if keeping.is_shadowed(name) {
        return KeepingForecast {
            downtime_seconds,
            space: shadow(observed, keeping, name) * rounds,
            way_back_seconds: estimates.way_back(name),
            holds: keeping.holding(std::slice::from_ref(name)),
        };
    }
    KeepingForecast {
        downtime_seconds,
        space: size * rounds,
        way_back_seconds: estimates.way_back(name),
        holds: None,
    }
}

/// Bytes that one shadow of a datastore takes.
fn shadow(observed: &Observed, keeping: &Keeping, name: &DatastoreName) -> u64 {
    let (kind, size) = keeping.measure(name);
    let max_rate = keeping.plans()[name].max_rate;
    costs::shadow(kind, size, max_rate, log_rate(observed, name))
}

/// Bytes that it writes in a second.
fn log_rate(observed: &Observed, name: &DatastoreName) -> Option<u64> {
    let mut found = observed.datastores.iter();
    found.find(|found| found.name == *name)?.log_rate
}

/// How many backups of each datastore a run of these stages makes.
fn rounds(stages: &[Stage]) -> u64 {
    u64::from(stages.iter().map(|stage| stage.round).max().unwrap_or(1))
}

/// Refuses where a filesystem has less than is needed. All that fail are named.
pub(crate) fn enough_space(forecast: &Forecast) -> Result<(), Problem> {
    let short: Vec<&SpaceForecast> = forecast
        .space
        .iter()
        .filter(|space| space.needed > space.free)
        .collect();
    let Some(first) = short.first() else {
        return Ok(());
    };
    let mut problem = Problem::new(
        Exit::Refused,
        "no-space",
        format!(
            "`{}` has {} free, and {} are needed",
            first.path,
            bytes(first.free),
            bytes(first.needed)
        ),
    );
    for space in &short {
        problem = problem.state(
            space.path.as_str(),
            format!(
                "{} short, for {}",
                bytes(space.needed - space.free),
                space.uses.join(", ")
            ),
        );
    }
    Err(problem
        .why("a migration or a restore that runs out of space leaves damage behind")
        .hint("free space there, or put switchback's state on a larger filesystem with XDG_STATE_HOME")
        .hint("leave one datastore out with `backup = \"none\"`, if its loss can be borne"))
}

fn because<'a>(
    keeping: &Keeping,
    steps: impl Iterator<Item = &'a Step>,
    downtime: &Downtime,
) -> String {
    let (mut migrations, mut servers) = (0, 0);
    let mut by_hand: Vec<&str> = Vec::new();
    for step in steps {
        if let (Act::HandWork { work }, true) = (&step.act, step.downtime) {
            by_hand.push(&work.id);
        }
        migrations += usize::from(matches!(step.act, Act::Migrate { .. }));
        servers += usize::from(matches!(step.act, Act::Carry { .. }));
    }
    let size: u64 = keeping.dumped().map(|name| keeping.measure(name).1).sum();
    let sealed = keeping.shadowed().count();
    let backups = match (keeping.dumped().count(), sealed) {
        (0, 0) => "no backup".to_owned(),
        (0, _) => "shadows are only sealed".to_owned(),
        _ => format!("backups of {} made and proven while stopped", bytes(size)),
    };
    let backups = match servers {
        0 => backups,
        1 => format!("{backups}, one server built anew and read"),
        several => format!("{backups}, {several} servers built anew and read"),
    };
    let all = match (migrations, downtime.unmeasured_migrations) {
        (0, _) => format!("{backups}, no migration"),
        (_, 0) => backups,
        (_, 1) => format!("{backups}, one migration not measured yet"),
        (_, several) => format!("{backups}, {several} migrations not measured yet"),
    };
    let all = match by_hand.as_slice() {
        [] => all,
        works => format!("{all}, and as long as people take for {}", works.join(", ")),
    };
    match downtime.in_words() {
        Some(words) => format!("{all}; {words}"),
        None => all,
    }
}

/// One demand for space, before demands on the same filesystem are added.
struct Demand {
    purpose: String,
    bytes: u64,
}

fn space(
    product: &Product,
    observed: &Observed,
    keeping: &Keeping,
    stages: &[Stage],
) -> Vec<SpaceForecast> {
    // By device: several directories on one filesystem share its space.
    let mut demands: BTreeMap<&str, (&Filesystem, Vec<Demand>)> = BTreeMap::new();
    for filesystem in &observed.filesystems {
        demands
            .entry(filesystem.device.as_str())
            .or_insert((filesystem, Vec::new()));
    }
    let mut add = |filesystem: Option<&Filesystem>, purpose: String, bytes: u64| {
        let known = filesystem.and_then(|found| demands.get_mut(found.device.as_str()));
        if let Some((_, list)) = known {
            list.push(Demand { purpose, bytes });
        }
    };

    let rounds = rounds(stages);
    // The largest dump, by where dumps go.
    let mut largest: BTreeMap<&str, (&Filesystem, u64)> = BTreeMap::new();
    for name in keeping.dumped() {
        let (_, size) = keeping.measure(name);
        let purpose = Filesystem::backup_of(name);
        let Some(backup) = used_for(observed, &purpose).or_else(|| used_for(observed, "backup"))
        else {
            continue;
        };
        let known = largest.entry(backup.device.as_str()).or_insert((backup, 0));
        known.1 = known.1.max(size);
        add(Some(backup), purpose, size * rounds);
    }
    for name in keeping.shadowed() {
        // A shadow lies where the data does, so that it can take its place by renaming.
        let home = home(observed, name, &keeping.plans()[name]);
        let bytes = shadow(observed, keeping, name) * rounds;
        let purpose = match log_rate(observed, name) {
            Some(rate) if rate >= costs::BUSY => {
                format!(
                    "shadow of {name}, which writes {} a second",
                    self::bytes(rate)
                )
            }
            _ => format!("shadow of {name}"),
        };
        add(home, purpose, bytes);
    }
    for (backup, size) in largest.into_values().filter(|(_, size)| *size > 0) {
        // Backups are proven one after the other, and each copy goes before the next comes.
        add(Some(backup), "copy to prove a backup".to_owned(), size);
    }
    for name in keeping.all() {
        let plan = &keeping.plans()[name];
        let home = home(observed, name, plan);
        let size = plan.size.unwrap_or(0);
        if is_carried(stages, name) {
            // The dump that it is built from goes when it is built; what was in the place before stays.
            add(home, format!("next server of {name}"), 2 * size);
        }
        let growth = growth(product, stages, name, size);
        if growth > 0 {
            add(home, format!("migrations of {name}"), growth);
        }
        if keeping.keeper(name) == Some(name) {
            if !keeping.is_shadowed(name) {
                // What a restore replaces is moved aside, so both are there for a while.
                add(home, format!("way back of {name}"), size);
            } else if is_restored_first(stages, name) {
                // The shadow itself must stay, so a half-run migration begins again from a copy of it.
                add(home, format!("beginning again with {name}"), size);
            }
        }
    }
    let missing = stages
        .iter()
        .flat_map(|stage| &stage.steps)
        .filter(|step| matches!(&step.act, Act::Fetch { image } if image.id.is_none()))
        .count();
    if missing > 0 {
        let images = costs::IMAGE * missing as u64;
        add(used_for(observed, "docker"), "images".to_owned(), images);
    }
    add(
        used_for(observed, "journal"),
        "journal".to_owned(),
        costs::JOURNAL,
    );

    let mut forecast: Vec<SpaceForecast> = demands
        .into_values()
        .filter(|(_, list)| !list.is_empty())
        .map(|(filesystem, list)| SpaceForecast {
            path: filesystem.path.clone(),
            needed: costs::RESERVE + list.iter().map(|demand| demand.bytes).sum::<u64>(),
            uses: list.into_iter().map(|demand| demand.purpose).collect(),
            free: filesystem.free,
        })
        .collect();
    forecast.sort_by(|one, other| one.path.cmp(&other.path));
    forecast
}

/// True where what another server will run on is built from `name`.
fn is_carried(stages: &[Stage], name: &DatastoreName) -> bool {
    let mut steps = stages.iter().flat_map(|stage| &stage.steps);
    steps.any(|step| matches!(&step.act, Act::Carry { datastore, .. } if datastore == name))
}

/// True where a migration that stops half way is begun again from the backup of `name`.
fn is_restored_first(stages: &[Stage], name: &DatastoreName) -> bool {
    stages
        .iter()
        .flat_map(|stage| &stage.steps)
        .any(|step| matches!(&step.interrupted, Interrupted::RestoreFirst { datastore, .. } if datastore == name))
}

/// The most that any one migration of the plan needs on top of `name`.
fn growth(product: &Product, stages: &[Stage], name: &DatastoreName, size: u64) -> u64 {
    let factor = stages
        .iter()
        .flat_map(|stage| &stage.steps)
        .filter_map(|step| match &step.act {
            Act::Migrate {
                migration,
                datastore,
                ..
            } if datastore == name => product
                .migrations
                .iter()
                .find(|defined| defined.id == *migration)
                .map(|defined| defined.space_factor),
            _ => None,
        })
        .fold(0.0, f64::max);
    // Per mille is precise enough for a forecast and keeps the sum exact.
    let per_mille = (factor.clamp(0.0, 1000.0) * 1000.0).round() as u64;
    size.saturating_mul(per_mille) / 1000
}

fn used_for<'o>(observed: &'o Observed, purpose: &str) -> Option<&'o Filesystem> {
    observed
        .filesystems
        .iter()
        .find(|filesystem| filesystem.uses.iter().any(|known| known == purpose))
}

/// The filesystem that a datastore's own data is on: by what the driver says it is used for, else
/// by its directory, else where container volumes are.
pub(crate) fn home<'o>(
    observed: &'o Observed,
    name: &DatastoreName,
    plan: &DatastorePlan,
) -> Option<&'o Filesystem> {
    let kind = plan.location.kind.name();
    let by_directory = || {
        let directory = plan.location.directory.as_deref()?;
        observed
            .filesystems
            .iter()
            .filter(|filesystem| directory.starts_with(filesystem.path.as_str()))
            .max_by_key(|filesystem| filesystem.path.len())
    };
    used_for(observed, name.as_str())
        .or_else(by_directory)
        .or_else(|| used_for(observed, kind))
        .or_else(|| used_for(observed, "docker"))
}

/// Bytes for people, as `du -h --si` would say them.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("TB", 1_000_000_000_000),
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("kB", 1_000),
    ];
    for (unit, size) in UNITS {
        if count >= size {
            let tenths = (count as f64 / size as f64 * 10.0).round() / 10.0;
            return if tenths < 10.0 {
                format!("{tenths:.1} {unit}")
            } else {
                format!("{tenths:.0} {unit}")
            };
        }
    }
    format!("{count} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_said_with_two_digits_at_least() {
        let said: Vec<String> = [0, 999, 1_000, 12_345_678, 1_234_000_000]
            .into_iter()
            .map(bytes)
            .collect();
        assert_eq!(said, ["0 B", "999 B", "1.0 kB", "12 MB", "1.2 GB"]);
    }
}
