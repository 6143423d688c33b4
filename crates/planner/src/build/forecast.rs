//! What a plan will cost: seconds without service, bytes on every filesystem.

use switchback_model::DatastoreName;
use switchback_model::amount::bytes;
use switchback_model::plan::{Act, Forecast, KeepingForecast, Stage, Step};

use super::estimates::{Downtime, Estimates};
use super::input::Input;
use super::keeping::Keeping;
use super::space::{rounds, shadow, space};

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
        space: space(input, keeping, stages),
        keeping: keeping
            .backed_up()
            .map(|name| {
                (
                    name.clone(),
                    of_datastore(input, keeping, &estimates, stages, name),
                )
            })
            .collect(),
    }
}

/// What keeping one datastore costs.
fn of_datastore(
    input: &Input<'_>,
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
            space: shadow(input.observed, keeping, name) * rounds,
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
