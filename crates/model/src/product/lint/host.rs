//! Stages made of actions, the host they run on, and engines with a path of their own.

use super::Lint;
use super::meant::unknown;
use crate::hand_work::DoneWhen;
use crate::product::{Action, Climb, Condition, Engine, Product, Stop};
use crate::version::{Key, Range};

pub(super) fn check(lint: &mut Lint<'_>) {
    let product = lint.product;
    names(lint);
    for (index, action) in product.actions.iter().enumerate() {
        shape(lint, index, action);
        shipped(lint, index, action);
        if let Some(climb) = &action.climbs {
            climbs(lint, index, action, climb);
        }
    }
    for (index, engine) in product.engines.iter().enumerate() {
        lines(lint, index, engine);
    }
}

/// What a condition says of the host and of features.
pub(super) fn condition(lint: &mut Lint<'_>, path: &str, condition: &Condition) {
    let product = lint.product;
    let both = [
        ("distributions", &condition.distributions),
        ("not-distributions", &condition.not_distributions),
    ];
    for (field, named) in both {
        distributions(lint, &format!("{path}.{field}"), named);
    }
    if let Some(family) = &condition.family {
        let known = product.distributions.iter();
        let mut known: Vec<&str> = known.map(|it| it.family.as_str()).collect();
        known.dedup();
        unknown(lint, &format!("{path}.family"), "family", family, &known);
    }
    // A definition that lists features lists all: a word that is misspelt would never be said.
    if let (Some(feature), false) = (&condition.feature, product.features.is_empty()) {
        features(lint, &format!("{path}.feature"), feature);
    }
}

/// Every text that is shown to operators, with its place.
pub(super) fn reasons(product: &Product) -> Vec<(String, &'static str, &str)> {
    let mut said: Vec<(String, &'static str, &str)> = Vec::new();
    for (index, it) in product.actions.iter().enumerate() {
        said.push((format!("action[{index}]"), "because", &it.because));
        said.push((format!("action[{index}]"), "source", &it.source));
    }
    for (index, it) in product.engines.iter().enumerate() {
        said.push((format!("engine[{index}]"), "source", &it.source));
        for (place, it) in it.works.iter().enumerate() {
            said.push((
                format!("engine[{index}].works[{place}]"),
                "source",
                &it.source,
            ));
        }
    }
    for (index, it) in product.distributions.iter().enumerate() {
        said.push((format!("distribution[{index}]"), "source", &it.source));
    }
    for (index, it) in product.packages.iter().enumerate() {
        said.push((format!("package[{index}]"), "source", &it.source));
    }
    for (index, it) in product.services.iter().enumerate() {
        said.push((format!("service[{index}]"), "source", &it.source));
    }
    for (index, it) in product.conffiles.iter().enumerate() {
        said.push((format!("conffile[{index}]"), "because", &it.because));
        said.push((format!("conffile[{index}]"), "source", &it.source));
    }
    for (index, it) in product.features.iter().enumerate() {
        said.push((format!("feature[{index}]"), "what", &it.what));
    }
    for (index, it) in product.dead_ends.iter().enumerate() {
        said.push((format!("dead-end[{index}]"), "because", &it.because));
        said.push((format!("dead-end[{index}]"), "source", &it.source));
    }
    said
}

/// Every range, with its place.
pub(super) fn ranges(product: &Product) -> Vec<(String, &Range)> {
    let mut uses: Vec<(String, &Range)> = Vec::new();
    for (index, it) in product.actions.iter().enumerate() {
        uses.push((format!("action[{index}].exists"), &it.exists));
        uses.extend(
            it.to
                .iter()
                .map(|range| (format!("action[{index}].to"), range)),
        );
        let needed_for = it.climbs.iter().flat_map(|climb| &climb.needed_for);
        uses.extend(needed_for.map(|range| (format!("action[{index}].climbs.needed-for"), range)));
    }
    for (index, it) in product.engines.iter().enumerate() {
        for (place, it) in it.works.iter().enumerate() {
            uses.push((
                format!("engine[{index}].works[{place}].releases"),
                &it.releases,
            ));
        }
        for (place, it) in it.usual.iter().enumerate() {
            uses.push((
                format!("engine[{index}].usual[{place}].releases"),
                &it.releases,
            ));
        }
    }
    for (index, it) in product.distributions.iter().enumerate() {
        uses.push((format!("distribution[{index}].releases"), &it.releases));
    }
    for (index, it) in product.packages.iter().enumerate() {
        uses.push((format!("package[{index}].to"), &it.to));
    }
    for (index, it) in product.services.iter().enumerate() {
        uses.push((format!("service[{index}].releases"), &it.releases));
    }
    for (index, it) in product.features.iter().enumerate() {
        uses.push((format!("feature[{index}].from"), &it.from));
    }
    for (index, it) in product.dead_ends.iter().enumerate() {
        uses.push((format!("dead-end[{index}].from"), &it.from));
        uses.extend(
            it.to
                .iter()
                .map(|range| (format!("dead-end[{index}].to"), range)),
        );
    }
    uses
}

fn names(lint: &mut Lint<'_>) {
    let product = lint.product;
    let packages: Vec<&str> = product.packages.iter().map(|it| it.name.as_str()).collect();
    let probes: Vec<&str> = product.probes.keys().map(String::as_str).collect();
    for (index, service) in product.services.iter().enumerate() {
        if let Some(package) = &service.package {
            let path = format!("service[{index}].package");
            unknown(lint, &path, "package", package, &packages);
        }
    }
    for (index, feature) in product.features.iter().enumerate() {
        distributions(
            lint,
            &format!("feature[{index}].distributions"),
            &feature.distributions,
        );
        if let Some(package) = &feature.package {
            let path = format!("feature[{index}].package");
            unknown(lint, &path, "package", package, &packages);
        }
        for (place, other) in feature.implied_by.iter().enumerate() {
            features(
                lint,
                &format!("feature[{index}].implied-by[{place}]"),
                other,
            );
        }
    }
    // The engine of a datastore goes by the datastore's name, also where nothing reads that datastore yet.
    let stores = product.datastores.iter().map(|it| it.name.as_str());
    let stores: Vec<&str> = stores
        .chain(product.engines.iter().map(|it| it.id.as_str()))
        .collect();
    for (index, action) in product.actions.iter().enumerate() {
        if let Some(datastore) = &action.datastore {
            let path = format!("action[{index}].datastore");
            unknown(lint, &path, "datastore", datastore.as_str(), &stores);
        }
    }
    for (index, engine) in product.engines.iter().enumerate() {
        let path = format!("engine[{index}].probe");
        unknown(lint, &path, "probe", &engine.probe, &probes);
        for (place, usual) in engine.usual.iter().enumerate() {
            let path = format!("engine[{index}].usual[{place}].distributions");
            distributions(lint, &path, &usual.distributions);
        }
    }
}

fn distributions(lint: &mut Lint<'_>, path: &str, named: &[String]) {
    let known = lint.product.distributions.iter();
    let known: Vec<&str> = known.map(|it| it.id.as_str()).collect();
    for (place, name) in named.iter().enumerate() {
        unknown(
            lint,
            &format!("{path}[{place}]"),
            "distribution",
            name,
            &known,
        );
    }
}

fn features(lint: &mut Lint<'_>, path: &str, named: &str) {
    let known = lint.product.features.iter();
    let known: Vec<&str> = known.map(|it| it.id.as_str()).collect();
    unknown(lint, path, "feature", named, &known);
}

/// An action is one thing: the driver's, a command, or hand-work.
fn shape(lint: &mut Lint<'_>, index: usize, action: &Action) {
    if action.is_hand_work() && action.steps.is_empty() {
        let message = format!("the action `{}` does nothing", action.id);
        lint.error(&format!("action[{index}].id"), "empty", message)
            .hint =
            Some("give it `run`, or `steps` for people, or a `role` of the driver".to_owned());
    }
    if matches!(action.done, DoneWhen::Server(_)) {
        let message = format!(
            "the action `{}` says itself what a server has to be",
            action.id
        );
        lint.error(&format!("action[{index}].done"), "own-look", message)
            .hint = Some("say `climbs`: each rung is looked at then".to_owned());
    }
    if action.expect.is_some() && action.run.is_empty() {
        let message = format!(
            "the action `{}` expects an answer and asks nothing",
            action.id
        );
        lint.error(&format!("action[{index}].expect"), "silent-probe", message)
            .hint = Some("give it `run`, or say among its `steps` what to look for".to_owned());
    }
}

/// What an action runs is there in every stage that crosses its release, or a stop comes before it is gone.
fn shipped(lint: &mut Lint<'_>, index: usize, action: &Action) {
    let Some(brought) = action.version.as_ref().and_then(|it| lint.key(it)) else {
        return;
    };
    let start = lint.releases.iter().rev().find(|(key, _)| *key < brought);
    let Some((start, _)) = start else { return };
    let lost = lint.releases.iter().find(|(key, _)| {
        let to = action.to.as_ref();
        *key >= brought
            && to.is_none_or(|range| lint.holds(range, key))
            && !lint.holds(&action.exists, key)
            && !lint
                .product
                .stops
                .iter()
                .any(|stop| saves(lint, stop, action, (start, &brought, key)))
    });
    if let Some((_, version)) = lost {
        let message = format!(
            "a gap: paths to {version} have to do `{}`, that release lacks it, and no stop comes before",
            action.id
        );
        lint.error(&format!("action[{index}].exists"), "gap", message)
            .hint = Some(format!("add a [[stop]] with to = \">={version}\""));
    }
}

/// Whether a stop lies where an action can be done, on the way from `start` to `target`.
fn saves(
    lint: &Lint<'_>,
    stop: &Stop,
    action: &Action,
    (start, brought, target): (&Key, &Key, &Key),
) -> bool {
    let holds = |range: &Option<Range>, key: &Key| {
        let range = range.as_ref();
        range.is_none_or(|range| lint.holds(range, key))
    };
    let always = stop.when.is_none() && stop.unless.is_none() && stop.editions.is_empty();
    let mut places = stop.at.iter().filter_map(|at| lint.key(at));
    always
        && holds(&stop.from, start)
        && holds(&stop.to, target)
        && places.all(|place| place >= *brought && lint.holds(&action.exists, &place))
}

/// A climb goes up the engine's lines one by one, and not before a release that runs with where it ends.
fn climbs(lint: &mut Lint<'_>, index: usize, action: &Action, climb: &Climb) {
    let product = lint.product;
    let path = format!("action[{index}].climbs");
    let known: Vec<&str> = product.engines.iter().map(|it| it.id.as_str()).collect();
    let Some(engine) = product.engines.iter().find(|it| it.id == climb.engine) else {
        unknown(
            lint,
            &format!("{path}.engine"),
            "engine",
            climb.engine.as_str(),
            &known,
        );
        return;
    };
    let known: Vec<&str> = engine.lines.iter().map(String::as_str).collect();
    for (place, line) in climb.through.iter().enumerate() {
        unknown(
            lint,
            &format!("{path}.through[{place}]"),
            "line",
            line,
            &known,
        );
    }
    let place = |line: &String| engine.lines.iter().position(|known| known == line);
    let skipped = climb.through.windows(2).find(|pair| {
        let (below, above) = (place(&pair[0]), place(&pair[1]));
        matches!((below, above), (Some(below), Some(above)) if below + 1 != above)
    });
    if let Some(pair) = skipped {
        let message = format!(
            "`{}` goes from {} {} to {}, which is not the next line",
            action.id, engine.name, pair[0], pair[1]
        );
        lint.error(&format!("{path}.through"), "gap", message).hint =
            Some(format!("the lines are {}", known.join(", ")));
    }
    let ends = climb.through.last();
    let (Some(last), Some(version)) = (ends, &action.version) else {
        let message = format!("`{}` climbs, and no release brings it", action.id);
        lint.error(&format!("{path}.through"), "empty", message)
            .hint =
            Some("give it a `version`: the first release that runs with the last line".to_owned());
        return;
    };
    let runs = lint.key(version).is_none_or(|key| {
        let mut works = engine.works.iter();
        works.any(|works| works.lines.contains(last) && lint.holds(&works.releases, &key))
    });
    if !runs {
        let message = format!(
            "`{}` ends at {} {last}, which {version} does not run with",
            action.id, engine.name
        );
        lint.error(&format!("{path}.through"), "backwards", message)
            .hint = Some("see the engine's `works`".to_owned());
    }
}

/// Every line of an engine can be read, and whatever names a line names one that is there.
fn lines(lint: &mut Lint<'_>, index: usize, engine: &Engine) {
    let known: Vec<&str> = engine.lines.iter().map(String::as_str).collect();
    for (place, line) in engine.lines.iter().enumerate() {
        let numbers: Vec<&str> = line.split('.').collect();
        let are_numbers = numbers.iter().all(|it| it.parse::<u32>().is_ok());
        if numbers.len() != 2 || !are_numbers {
            let message = format!("`{line}` is no line: two numbers such as `4.0` are expected");
            lint.error(
                &format!("engine[{index}].lines[{place}]"),
                "malformed-version",
                message,
            );
        }
    }
    for (place, works) in engine.works.iter().enumerate() {
        for (at, line) in works.lines.iter().enumerate() {
            let path = format!("engine[{index}].works[{place}].lines[{at}]");
            unknown(lint, &path, "line", line, &known);
        }
    }
    for (place, usual) in engine.usual.iter().enumerate() {
        let path = format!("engine[{index}].usual[{place}].line");
        unknown(lint, &path, "line", &usual.line, &known);
    }
}

#[cfg(test)]
mod tests;
