//! The questions that nobody answered and that something on the path rests on.

use std::collections::BTreeSet;

use switchback_model::product::Condition;

use super::answer::{Path, Question};
use super::ground::Ground;

/// What is to be answered before nothing on the path is assumed any more, by the probes' names. What features,
/// the distribution and engines leave open is told by remarks.
pub(super) fn open(ground: &Ground<'_>, path: &Path) -> Vec<Question> {
    let mut open = BTreeSet::new();
    for condition in assumed(ground, path) {
        if let Some(probe) = &condition.probe
            && !probe.rare
            && !ground.query.answers.contains_key(&probe.name)
        {
            open.insert(&probe.name);
        }
    }
    let probes = &ground.product.probes;
    open.into_iter()
        .map(|name| Question {
            probe: name.clone(),
            question: probes
                .get(name)
                .map_or_else(String::new, |probe| probe.question.clone()),
        })
        .collect()
}

/// The conditions of everything on the path that says that it was assumed.
fn assumed<'a>(ground: &Ground<'a>, path: &Path) -> Vec<&'a Condition> {
    let product = ground.product;
    let mut found: Vec<Option<&Condition>> = Vec::new();
    for because in path.because.iter().filter(|it| it.assumed) {
        let stop = product.stops.iter().find(|stop| stop.id == because.id);
        found.extend(stop.map(|stop| stop.when.as_ref()));
        found.extend(stop.map(|stop| stop.unless.as_ref()));
    }
    let runs = path.legs.iter().flat_map(|leg| &leg.migrations);
    let runs = runs.filter(|run| run.assumed).map(|run| &run.migration);
    let offered = path.optional_migrations.iter();
    let offered = offered.filter(|it| it.assumed).map(|it| &it.migration);
    for id in runs.chain(offered) {
        let migration = product.migrations.iter().find(|it| it.id == *id);
        found.extend(migration.map(|migration| migration.when.as_ref()));
        let demands = ground.crossed().flat_map(|known| &known.release.demands);
        let demands = demands.filter(|demand| demand.migration == *id);
        found.extend(demands.map(|demand| demand.when.as_ref()));
    }
    let notices = path.notices.iter().chain(&path.deprecations);
    for told in notices.filter(|notice| notice.assumed) {
        let notice = product.notices.iter().find(|it| it.id == told.id);
        found.extend(notice.map(|notice| notice.when.as_ref()));
    }
    let procedures = path.procedures.iter().chain(&path.optional_procedures);
    for told in procedures.filter(|procedure| procedure.assumed) {
        let procedure = product.procedures.iter().find(|it| it.id == told.id);
        found.extend(procedure.map(|procedure| procedure.when.as_ref()));
    }
    let acts = path.legs.iter();
    let acts = acts.flat_map(|leg| leg.actions.iter().chain(&leg.offered));
    for act in acts.filter(|act| act.assumed) {
        let action = product.actions.iter().find(|it| it.id == act.id.as_str());
        found.extend(action.map(|action| action.when.as_ref()));
    }
    found.into_iter().flatten().collect()
}
