//! Climbs that no run can wait for, and where else they can be made.

use switchback_model::exit::Exit;
use switchback_model::observed::Datastore;
use switchback_model::problem::Citation;
use switchback_model::product::{Engine, Product, ServerChange};
use switchback_model::{Problem, Version};

use super::{defined, is_waited_for, runs_with};
use crate::build::input::Input;
use crate::build::keeping::Keeping;
use crate::path::{Act, Leg};

/// Why the server of a climb cannot be waited for.
enum Obstacle {
    NoBackup,
    Unseen,
    /// It is of a line before the first that is kept, which is this: there would be no backup to come back to.
    TooOld(&'static str),
    /// It is not where the path begins to climb.
    Elsewhere(String),
}

/// A server climbs only where it is kept, and from where it was found.
pub(in crate::build) fn can_be(input: &Input<'_>, keeping: &Keeping) -> Result<(), Problem> {
    let mut versions = keeping.versions();
    for leg in &input.path.legs {
        for act in leg.actions.iter().filter(|act| is_waited_for(act)) {
            let Some((engine, _)) = defined(input.product, act) else {
                continue;
            };
            let version = versions.get(&engine.id).map(String::as_str);
            let found = found(input, engine);
            if let Some(obstacle) = obstacle(engine, found, keeping, act, version) {
                return Err(refusal(input, leg, act, engine, &obstacle));
            }
            if let Some(last) = act.rungs.last() {
                versions.insert(engine.id.clone(), last.clone());
            }
        }
    }
    Ok(())
}

/// The datastore whose server an engine is.
fn found<'o>(input: &Input<'o>, engine: &Engine) -> Option<&'o Datastore> {
    let mut found = input.observed.datastores.iter();
    found.find(|datastore| datastore.name == engine.id)
}

fn obstacle(
    engine: &Engine,
    found: Option<&Datastore>,
    keeping: &Keeping,
    act: &Act,
    version: Option<&str>,
) -> Option<Obstacle> {
    if keeping.keeper(&engine.id).is_none() {
        return Some(Obstacle::NoBackup);
    }
    let Some(version) = version else {
        return Some(Obstacle::Unseen);
    };
    let Some(place) = engine.line(version) else {
        return Some(Obstacle::Elsewhere(version.to_owned()));
    };
    let first = act.rungs.first().and_then(|line| engine.line(line))?;
    // Of two ways to climb, each for its family, the other has been there.
    let is_there = act.rungs.last().and_then(|line| engine.line(line))? <= place;
    if let Some(ServerChange::Climbs { kept_from, .. }) =
        found.map(|it| it.location.kind.server_change())
        && engine.line(kept_from).is_some_and(|kept| place < kept)
    {
        return Some(Obstacle::TooOld(kept_from));
    }
    (place + 1 != first && !is_there).then(|| Obstacle::Elsewhere(version.to_owned()))
}

fn refusal(
    input: &Input<'_>,
    leg: &Leg,
    act: &Act,
    engine: &Engine,
    obstacle: &Obstacle,
) -> Problem {
    let last = act.rungs.last().map_or("", String::as_str);
    let (name, store) = (&engine.name, &engine.id);
    let but = match obstacle {
        Obstacle::NoBackup => format!("`{store}` has no backup"),
        Obstacle::Unseen => "nothing could ask it for its version".to_owned(),
        Obstacle::TooOld(kept_from) => format!("no server before {kept_from} can be backed up"),
        Obstacle::Elsewhere(version) => format!("it is {version}, where the path does not begin"),
    };
    let what = format!(
        "on the way to {} the {name} server has to climb to {last}, and {but}",
        leg.to
    );
    let mut problem = Problem::new(Exit::Refused, "engine-climb", what)
        .state("deployment", "unchanged")
        .why("a server goes up one line at a time and never down again: only a backup leads back from a rung");
    let found = found(input, engine);
    let runs = found.and_then(|datastore| datastore.engine.as_deref());
    problem = match runs {
        Some(version) => problem.state(store.as_str(), format!("version {version}")),
        None => problem.unknown(format!("version of {store}")),
    };
    // A server that starts on the data of a line below its own refuses to be followed by the next one.
    if let Some(line) = input.observed.probes.get(&engine.compatibility()) {
        let format = match found.map(|it| it.location.kind.server_change()) {
            Some(ServerChange::Climbs { format, .. }) => format!("{line} ({format})"),
            _ => line.clone(),
        };
        problem = problem.state("format of its data", format);
    }
    problem = match obstacle {
        Obstacle::NoBackup => problem
            .hint(format!(
                "take `backup = \"none\"` out of [datastores.{store}] in switchback.toml: the plan climbs with you then"
            )),
        Obstacle::Unseen => problem.hint("see why it does not answer: `switchback doctor`"),
        Obstacle::TooOld(_) => problem,
        Obstacle::Elsewhere(_) => problem.hint(format!(
            "leave out what was said of it by hand (`--feature {}=…`): it is asked itself",
            engine.probe
        )),
    };
    let up_to = match obstacle {
        Obstacle::TooOld(kept_from) => kept_from,
        _ => last,
    };
    for hint in by_hand(input, leg, engine, runs, up_to) {
        problem = problem.hint(hint);
    }
    problem.fact(Citation {
        id: act.id.to_string(),
        text: act.because.clone(),
        source: act.source.clone(),
    })
}

/// Where the climb to `last` can be made without a plan that waits for it.
fn by_hand(
    input: &Input<'_>,
    leg: &Leg,
    engine: &Engine,
    runs: Option<&str>,
    last: &str,
) -> Vec<String> {
    let here = &input.observed.version;
    let now = runs.and_then(|version| engine.line(version));
    let until = engine.line(last).map_or(0, |last| last + 1);
    let lines = engine.lines.get(now.map_or(0, |now| now + 1)..until);
    let lines = lines.unwrap_or_default().join(", then ");
    let climb = match &engine.on_each_rung {
        Some(each) => format!("{lines}; on each {}", each.replace("{line}", "that line")),
        None => lines,
    };
    match resting_place(input.product, engine, here, &leg.to, now, last) {
        Some(place) if place == here => vec![format!(
            "climb by hand now, for {here} runs with {} {last}, too: {climb}; then plan again",
            engine.name
        )],
        Some(place) => vec![format!(
            "go to {place} first, which runs with both, and climb there by hand: {climb}; then plan again"
        )],
        None => vec![format!(
            "do this upgrade by hand: `switchback path {} --from {here} --to {} --explain`",
            input.product.id, leg.to
        )],
    }
}

/// The newest release before `to` that runs with the line that is there and with the last of the climb; the one in
/// use where that is such a one.
fn resting_place<'v>(
    product: &'v Product,
    engine: &Engine,
    here: &'v Version,
    to: &Version,
    now: Option<usize>,
    last: &str,
) -> Option<&'v Version> {
    let now = now.and_then(|place| engine.lines.get(place));
    let works = |version: &Version, line: &str| runs_with(product, engine, version, line);
    let both =
        |version: &&Version| works(version, last) && now.is_none_or(|now| works(version, now));
    if both(&here) {
        return Some(here);
    }
    let before = |one: &Version, other: &Version| {
        product
            .scheme
            .compare(one, other)
            .is_ok_and(std::cmp::Ordering::is_lt)
    };
    let releases = product.releases.iter().map(|release| &release.version);
    releases
        .filter(|version| before(here, version) && before(version, to))
        .filter(both)
        .reduce(|best, next| if before(best, next) { next } else { best })
}
