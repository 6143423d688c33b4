//! What a stage consists of beside migrations: commands that change a datastore become steps like those, what
//! has a role is the driver's, and the rest is for people: before the first stop and after the last start it is
//! told with the plan, in between the run waits for it.

use switchback_model::command_line;
use switchback_model::exit::Exit;
use switchback_model::hand_work::{DoneWhen, HandWork};
use switchback_model::plan::{self, Notice, Procedure, Stage, Step};
use switchback_model::problem::Citation;
use switchback_model::product::{Moment, NoticeKind, Product, StopKind};
use switchback_model::{DatastoreName, Problem, ProductId};

use super::climbs;
use super::input::Input;
use crate::path::{Act, Leg, Path};

/// Names of a stage that a refusal tells; the path shows all of them.
const TOLD: usize = 4;

/// True where people do it while a run waits: nothing that a backup holds is changed by it, or a server climbs, and it
/// is clear how things are meanwhile. What a command changes beside datastores no way back could take back, so that a person runs it.
pub(super) fn is_for_people(act: &Act) -> bool {
    let waits = matches!(
        act.moment,
        Moment::Running | Moment::Stopped | Moment::Replaced | Moment::Started
    );
    let kept = act.datastore.is_none() && act.rungs.is_empty();
    climbs::is_waited_for(act) || (waits && act.role.is_none() && kept)
}

/// What a person has to do, as a step tells it.
pub(super) fn hand_work(act: &Act) -> HandWork {
    HandWork {
        id: act.id.to_string(),
        steps: todo(act),
        done: act.done.clone(),
        source: act.source.clone(),
        back: None,
    }
}

/// The datastore that an action changes the way migrations do: by a command, with the new release installed and
/// nothing running. `None` for any other action.
pub(super) fn changes<'a>(product: &Product, act: &'a Act) -> Option<&'a DatastoreName> {
    let is_command = act.role.is_none() && !act.run.is_empty() && act.rungs.is_empty();
    let only_looks = act.expect.is_some();
    let name = act.datastore.as_ref()?;
    let is_datastore = product.datastores.iter().any(|it| it.name == *name);
    let like_a_migration = is_command && !only_looks && act.moment == Moment::Replaced;
    (like_a_migration && is_datastore).then_some(name)
}

/// Refuses a path on which something has to be done that no step does and nobody could be asked for: to leave it out
/// would start a release on what it was not prepared for.
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
    let is_left = |act: &&Act| !is_done(act) && !is_outside(act) && !is_for_people(act);
    for leg in &input.path.legs {
        let left: Vec<&Act> = leg.actions.iter().filter(is_left).collect();
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

/// What people do before, in between and after, and what they may do.
pub(super) fn procedures(path: &Path, stages: &[Stage]) -> Vec<Procedure> {
    let told = |act: &Act, optional| Procedure {
        id: act.id.to_string(),
        title: act.because.clone(),
        steps: todo(act),
        optional,
        source: act.source.clone(),
    };
    let mut all: Vec<Procedure> = before(path)
        .into_iter()
        .map(|act| told(act, false))
        .collect();
    let steps = stages.iter().flat_map(|stage| &stage.steps);
    all.extend(steps.filter_map(waited_for));
    all.extend(after(path).into_iter().map(|act| told(act, false)));
    let offered = path.legs.iter().flat_map(|leg| &leg.offered);
    all.extend(offered.map(|act| told(act, true)));
    all
}

/// What a step waits for, and how it is known that it is done.
fn waited_for(step: &Step) -> Option<Procedure> {
    let plan::Act::HandWork { work } = &step.act else {
        return None;
    };
    let meanwhile = if step.downtime {
        "while the service is down"
    } else {
        "while the service is up"
    };
    let because = step.because.as_deref().unwrap_or_default();
    let mut steps = work.steps.clone();
    steps.push(match &work.done {
        DoneWhen::Said => format!("say that it is done: switchback resume --done {}", work.id),
        DoneWhen::Merged(_) => format!(
            "say that it is done: switchback resume --done {}; where nothing differs, nobody is asked",
            work.id
        ),
        DoneWhen::Command(run) => format!("it is done when this ends with 0: {}", run.join(" ")),
        DoneWhen::File { path, lines } => {
            format!("it is done when {path} has the lines: {}", lines.join(" · "))
        }
        DoneWhen::Server(is) => {
            let lines = is.lines.join(" or ");
            format!("it is done when the server of {} is {lines}, and so is the format of its data", is.datastore)
        }
    });
    Some(Procedure {
        id: work.id.clone(),
        title: format!("step {} waits for it, {meanwhile}: {because}", step.number),
        steps,
        optional: false,
        source: work.source.clone(),
    })
}

/// Actions until the first start for which the product need not be down.
fn before(path: &Path) -> Vec<&Act> {
    let starts = path.legs.iter().position(|leg| leg.kind == StopKind::Run);
    let until = starts.map_or(path.legs.len(), |place| place + 1);
    at(&path.legs[..until], Moment::Running)
}

/// Actions of the last stage for which the product runs.
fn after(path: &Path) -> Vec<&Act> {
    at(path.legs.last(), Moment::Started)
}

fn at<'p>(legs: impl IntoIterator<Item = &'p Leg>, moment: Moment) -> Vec<&'p Act> {
    let acts = legs.into_iter().flat_map(|leg| &leg.actions);
    acts.filter(|act| act.moment == moment && act.role.is_none())
        .collect()
}

/// A command and what has to come of it, or hand-work.
fn todo(act: &Act) -> Vec<String> {
    let mut steps = Vec::new();
    if !act.run.is_empty() {
        let words = act.run.iter().map(String::as_str);
        steps.push(command_line::typed(words));
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
