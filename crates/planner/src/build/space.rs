//! What a plan needs of every filesystem, in bytes.

use std::collections::BTreeMap;

use switchback_model::amount::bytes;
use switchback_model::exit::Exit;
use switchback_model::observed::{Filesystem, Observed};
use switchback_model::plan::{Act, DatastorePlan, Forecast, Interrupted, SpaceForecast, Stage};
use switchback_model::product::Product;
use switchback_model::{DatastoreName, Problem};

use super::costs;
use super::input::Input;
use super::keeping::Keeping;

/// Refuses where a filesystem has less than is needed. All that fail are named.
pub(crate) fn enough(forecast: &Forecast) -> Result<(), Problem> {
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

/// What every filesystem has to hold at once, beside what it holds now.
pub(super) fn space(input: &Input<'_>, keeping: &Keeping, stages: &[Stage]) -> Vec<SpaceForecast> {
    let mut demands = Demands::on(input.observed);
    backups(&mut demands, keeping, stages);
    for name in keeping.all() {
        of_datastore(&mut demands, input.product, keeping, stages, name);
    }
    let missing = stages
        .iter()
        .flat_map(|stage| &stage.steps)
        .filter(|step| matches!(&step.act, Act::Fetch { image } if image.id.is_none()))
        .count();
    if missing > 0 {
        let images = costs::IMAGE * missing as u64;
        demands.add_for("docker", "images", images);
    }
    demands.add_for("journal", "journal", costs::JOURNAL);
    demands.forecast()
}

/// Backups, and the copies by which they are proven.
fn backups(demands: &mut Demands<'_>, keeping: &Keeping, stages: &[Stage]) {
    let observed = demands.observed;
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
        demands.add(Some(backup), purpose, size * rounds);
    }
    for name in keeping.shadowed() {
        // A shadow lies where the data does, so that it can take its place by renaming.
        let home = home(observed, name, &keeping.plans()[name]);
        let needed = shadow(observed, keeping, name) * rounds;
        let purpose = match log_rate(observed, name) {
            Some(rate) if rate >= costs::BUSY => {
                format!("shadow of {name}, which writes {} a second", bytes(rate))
            }
            _ => format!("shadow of {name}"),
        };
        demands.add(home, purpose, needed);
    }
    for (backup, size) in largest.into_values().filter(|(_, size)| *size > 0) {
        // Backups are proven one after the other, and each copy goes before the next comes.
        demands.add(Some(backup), "copy to prove a backup".to_owned(), size);
    }
}

/// Bytes that one shadow of a datastore takes.
pub(super) fn shadow(observed: &Observed, keeping: &Keeping, name: &DatastoreName) -> u64 {
    let (kind, size) = keeping.measure(name);
    let max_rate = keeping.plans()[name].max_rate;
    costs::shadow(kind, size, max_rate, log_rate(observed, name))
}

/// Bytes that it writes in a second.
fn log_rate(observed: &Observed, name: &DatastoreName) -> Option<u64> {
    let mut found = observed.datastores.iter();
    found.find(|found| found.name == *name)?.log_rate
}

/// What changes beside a datastore's own data: its next server, its migrations, its way back.
fn of_datastore(
    demands: &mut Demands<'_>,
    product: &Product,
    keeping: &Keeping,
    stages: &[Stage],
    name: &DatastoreName,
) {
    let plan = &keeping.plans()[name];
    let home = home(demands.observed, name, plan);
    let size = plan.size.unwrap_or(0);
    if is_carried(stages, name) {
        // The dump that it is built from goes when it is built; what was in the place before stays.
        demands.add(home, format!("next server of {name}"), 2 * size);
    }
    let growth = growth(product, stages, name, size);
    if growth > 0 {
        demands.add(home, format!("migrations of {name}"), growth);
    }
    if keeping.keeper(name) == Some(name) {
        if !keeping.is_shadowed(name) {
            // What a restore replaces is moved aside, so both are there for a while.
            demands.add(home, format!("way back of {name}"), size);
        } else if is_restored_first(stages, name) {
            // The shadow itself must stay, so a half-run migration begins again from a copy of it.
            demands.add(home, format!("beginning again with {name}"), size);
        }
    }
}

/// Demands for space, by device: several directories on one filesystem share its space.
struct Demands<'o> {
    observed: &'o Observed,
    by_device: BTreeMap<&'o str, (&'o Filesystem, Vec<Demand>)>,
}

/// One demand, before those on the same filesystem are added up.
struct Demand {
    purpose: String,
    bytes: u64,
}

impl<'o> Demands<'o> {
    fn on(observed: &'o Observed) -> Self {
        let mut by_device = BTreeMap::new();
        for filesystem in &observed.filesystems {
            by_device
                .entry(filesystem.device.as_str())
                .or_insert((filesystem, Vec::new()));
        }
        Self {
            observed,
            by_device,
        }
    }

    /// Where nobody knows the filesystem, nothing is demanded of it.
    fn add(&mut self, filesystem: Option<&Filesystem>, purpose: String, bytes: u64) {
        let known = filesystem.and_then(|found| self.by_device.get_mut(found.device.as_str()));
        if let Some((_, list)) = known {
            list.push(Demand { purpose, bytes });
        }
    }

    /// The same for the filesystem that a driver says is used for this.
    fn add_for(&mut self, used: &str, purpose: &str, bytes: u64) {
        self.add(used_for(self.observed, used), purpose.to_owned(), bytes);
    }

    fn forecast(self) -> Vec<SpaceForecast> {
        let mut forecast: Vec<SpaceForecast> = self
            .by_device
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
}

/// How many backups of each datastore a run of these stages makes.
pub(super) fn rounds(stages: &[Stage]) -> u64 {
    u64::from(stages.iter().map(|stage| stage.round).max().unwrap_or(1))
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
