//! Servers that have to climb on the way: no step does that, for none could take it back. What a refusal says is
//! where on the way the climb can be made by hand.

use switchback_model::exit::Exit;
use switchback_model::problem::Citation;
use switchback_model::product::{Engine, Product};
use switchback_model::{Problem, Version};

use super::input::Input;
use crate::path::{Act, Leg};

/// The refusal of a leg in which a server has to climb; `None` where the action is no climb.
pub(super) fn refusal(input: &Input<'_>, leg: &Leg, act: &Act) -> Option<Problem> {
    let last = act.rungs.last()?;
    let name = act.datastore.as_ref()?;
    let mut engines = input.product.engines.iter();
    let engine = engines.find(|engine| engine.id == *name)?;
    let mut found = input.observed.datastores.iter();
    let runs = found
        .find(|datastore| datastore.name == *name)
        .and_then(|datastore| datastore.engine.as_deref());
    let what = format!(
        "on the way to {} the {} server has to climb to {last}, which no step of a plan does",
        leg.to, engine.name
    );
    let problem = Problem::new(Exit::Refused, "engine-climb", what)
        .state("deployment", "unchanged")
        .why(
            "a server goes up one line at a time and never down again: no plan could take it back",
        );
    let problem = match runs {
        Some(version) => problem.state(name.as_str(), format!("version {version}")),
        None => problem.unknown(format!("version of {name}")),
    };
    // A server that starts on the data of a line below its own refuses to be followed by the next one.
    let format = input.observed.probes.get(&engine.compatibility());
    let problem = match format {
        Some(line) => problem.state(
            "format of its data",
            format!("{line} (featureCompatibilityVersion)"),
        ),
        None => problem,
    };
    let climb = match &engine.on_each_rung {
        Some(each) => format!(
            "{}; on each {}",
            act.rungs.join(", then "),
            each.replace("{line}", "that line")
        ),
        None => act.rungs.join(", then "),
    };
    let here = &input.observed.version;
    let problem = match resting_place(input.product, engine, here, &leg.to, runs, last) {
        Some(place) if place == here => problem.hint(format!(
            "{here} runs with {} {last}, too: climb now, as its own documentation says: {climb}; then plan again",
            engine.name
        )),
        Some(place) => problem
            .hint(format!(
                "{place} runs with both: `switchback plan --to {place}` first"
            ))
            .hint(format!(
                "climb there, as its own documentation says: {climb}; then plan again"
            )),
        None => problem.hint(format!(
            "no release runs with both: do this upgrade by hand: `switchback path {} --from {here} --to {} --explain`",
            input.product.id, leg.to
        )),
    };
    Some(problem.fact(Citation {
        id: act.id.to_string(),
        text: act.because.clone(),
        source: act.source.clone(),
    }))
}

/// The newest release before `to` that runs with the line that is there and with the last of the climb; the one in
/// use where that is such a one.
fn resting_place<'v>(
    product: &'v Product,
    engine: &Engine,
    here: &'v Version,
    to: &Version,
    runs: Option<&str>,
    last: &str,
) -> Option<&'v Version> {
    let works = |version: &Version, line: &str| {
        engine.works.iter().any(|works| {
            let listed = works.lines.iter().any(|known| known == line);
            listed && product.scheme.contains(&works.releases, version) == Ok(true)
        })
    };
    let now = runs
        .and_then(|version| engine.line(version))
        .and_then(|place| engine.lines.get(place));
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
