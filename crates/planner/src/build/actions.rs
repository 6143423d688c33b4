//! What a stage consists of beside migrations: commands that change a datastore become steps like those, what
//! has a role is the driver's, and the rest is for people: before the first stop and after the last start.

use switchback_model::exit::Exit;
use switchback_model::plan::{Notice, Procedure};
use switchback_model::problem::Citation;
use switchback_model::product::{Moment, NoticeKind, Product};
use switchback_model::{DatastoreName, Problem, ProductId};

use super::climbs;
use super::input::Input;
use super::route::Migration;
use crate::path::{Act, Leg, Path};

/// Names of a stage that a refusal tells; the path shows all of them.
const TOLD: usize = 4;

/// Actions of a leg that are done as its migrations are, in order.
pub(super) fn steps<'a>(
    product: &'a Product,
    leg: &'a Leg,
) -> impl Iterator<Item = Migration<'a>> + 'a {
    leg.actions.iter().filter_map(|act| {
        Some(Migration {
            id: &act.id,
            run: &act.run,
            datastore: changes(product, act)?,
            not_repeatable: &[],
            demanded_by: &act.demanded_by,
            assumed: act.assumed,
        })
    })
}

/// The datastore that an action changes the way migrations do: by a command, with the new release installed and
/// nothing running. `None` for any other action.
fn changes<'a>(product: &Product, act: &'a Act) -> Option<&'a DatastoreName> {
    let is_command = act.role.is_none() && !act.run.is_empty() && act.rungs.is_empty();
    let only_looks = act.expect.is_some();
    let name = act.datastore.as_ref()?;
    let is_datastore = product.datastores.iter().any(|it| it.name == *name);
    let like_a_migration = is_command && !only_looks && act.moment == Moment::Replaced;
    (like_a_migration && is_datastore).then_some(name)
}

/// Refuses a path on which something has to be done that only people can do so far: to leave it out would
/// start a release on what it was not prepared for.
pub(super) fn refuse(input: &Input<'_>) -> Result<(), Problem> {
    let product = input.product;
    // What changes a datastore that was not found would be left out as well.
    let is_here = |name: &DatastoreName| {
        let mut found = input.observed.datastores.iter();
        found.any(|datastore| datastore.name == *name)
    };
    let is_done = |act: &Act| act.role.is_some() || changes(product, act).is_some_and(is_here);
    let (before, after) = (before(input.path), after(input.path));
    let is_outside = |act: &Act| before.iter().chain(&after).any(|it| std::ptr::eq(*it, act));
    for leg in &input.path.legs {
        let acts = leg.actions.iter();
        let left: Vec<&Act> = acts
            .filter(|act| !is_done(act) && !is_outside(act))
            .collect();
        let mut climbs = left.iter();
        if let Some(problem) = climbs.find_map(|act| climbs::refusal(input, leg, act)) {
            return Err(problem);
        }
        if let Some(first) = left.first() {
            let problem = undone(&product.id, input.path, leg, &left);
            return Err(problem.fact(Citation {
                id: first.id.to_string(),
                text: first.because.clone(),
                source: first.source.clone(),
            }));
        }
    }
    Ok(())
}

/// What people do before anything stops: each has to be accepted by its name, which says that it is done.
pub(super) fn notices(path: &Path) -> impl Iterator<Item = Notice> + '_ {
    before(path).into_iter().map(|act| Notice {
        id: act.id.to_string(),
        kind: NoticeKind::Prerequisite,
        version: act.demanded_by.last().unwrap_or(&path.to).clone(),
        text: format!(
            "Has to be done before: {} ({})",
            todo(act).join("; "),
            act.because
        ),
        found: None,
        source: act.source.clone(),
        accept: Some(act.id.to_string()),
    })
}

/// What people do before and after, and what they may do.
pub(super) fn procedures(path: &Path) -> impl Iterator<Item = Procedure> + '_ {
    let mandatory = before(path).into_iter().chain(after(path));
    let offered = path.legs.iter().flat_map(|leg| &leg.offered);
    let all = mandatory.map(|act| (act, false));
    all.chain(offered.map(|act| (act, true)))
        .map(|(act, optional)| Procedure {
            id: act.id.to_string(),
            title: act.because.clone(),
            steps: todo(act),
            optional,
            source: act.source.clone(),
        })
}

/// Actions of the first stage for which the product need not be down.
fn before(path: &Path) -> Vec<&Act> {
    at(path.legs.first(), Moment::Running)
}

/// Actions of the last stage for which the product runs.
fn after(path: &Path) -> Vec<&Act> {
    at(path.legs.last(), Moment::Started)
}

fn at(leg: Option<&Leg>, moment: Moment) -> Vec<&Act> {
    let acts = leg.into_iter().flat_map(|leg| &leg.actions);
    acts.filter(|act| act.moment == moment && act.role.is_none())
        .collect()
}

/// A command and what has to come of it, or hand-work.
fn todo(act: &Act) -> Vec<String> {
    let mut steps = Vec::new();
    if !act.run.is_empty() {
        steps.push(act.run.join(" "));
    }
    steps.extend(act.expect.clone());
    steps.extend(act.steps.iter().cloned());
    steps
}

fn undone(product: &ProductId, path: &Path, leg: &Leg, left: &[&Act]) -> Problem {
    let mut names: Vec<&str> = left.iter().map(|act| act.id.as_str()).collect();
    let more = names.len().saturating_sub(TOLD);
    names.truncate(TOLD);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let what = format!(
        "on the way to {} has to be done what no step of a plan does: {}{more}",
        leg.to,
        names.join(", ")
    );
    Problem::new(Exit::Refused, "action-unplanned", what)
        .state("deployment", "unchanged")
        .why("left out, the new release would start on what it was not prepared for")
        .hint(format!(
            "see all of it in its order: `switchback path {product} --from {} --to {} --explain`",
            path.from, path.to
        ))
}
