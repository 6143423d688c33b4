//! `switchback apply`: carries out a plan. Typed again after an interruption, it goes on.

use std::collections::BTreeMap;

use switchback_engine::signal::StopSignal;
use switchback_journal::Journal;
use switchback_model::exit::Exit;
use switchback_model::plan::{Plan, Purpose};
use switchback_model::product::{Lock, Probe};
use switchback_model::{PlanId, Problem};
use switchback_planner::{check_against, lock_held, refusal};

use super::rehearse::demanded;
use super::{resume, rollover};
use crate::acceptance::{again, refuse_unaccepted};
use crate::arguments::Apply;
use crate::execution::{self, Task};
use crate::failure::Failed;
use crate::place::definitions;
use crate::place::deployment::Found;
use crate::plans;
use crate::question;
use crate::rehearsals::Rehearsals;
use crate::render::plan::route;
use crate::runs::{self, Standing};
use crate::session::Session;
use crate::site::Place;

/// Applies the plan.
pub(crate) fn run(session: &Session<'_>, arguments: &Apply) -> Result<Exit, Failed> {
    let journal = session.journal()?;
    let (found, plan) = match arguments.plan.as_deref() {
        Some(said) => {
            let plan = plans::named(session, said)?;
            if let Some(content) = rollover::content(&plan) {
                let accepted = arguments.accept.clone();
                return rollover::carry_out(session, &journal, &plan, content, accepted);
            }
            (plans::of_plan(session, &plan)?, plan)
        }
        None => {
            let found = session.deployment()?;
            let last = journal.last_run(&found.key())?;
            let plan = plans::newest(session, &found)?;
            // The same command again: the open run goes on, unless a plan was made to follow it.
            if let Some((record, _)) = runs::open(session, &journal, &found.key())? {
                let follows = |plan: &Plan| plan.parent.as_ref() == Some(&record.run);
                if !plan.as_ref().is_some_and(follows) {
                    return resume::go_on(session, &journal, &found, &record, &[]);
                }
            }
            let Some(plan) = plan else {
                return Err(no_plan(&found));
            };
            // A plan that follows an older run than the last is history, unless it is that run's own.
            let own = last.as_ref().is_some_and(|last| last.plan == plan.id);
            if !own && plan.parent != last.map(|last| last.run) {
                return Err(no_plan(&found));
            }
            (found, plan)
        }
    };
    if let Some(record) = journal.last_run(&found.key())?
        && record.plan == plan.id
    {
        return match runs::standing(&journal, &record)? {
            Standing::Done { downtime } => Ok(execution::done_already(
                session,
                &plan,
                &record.run,
                downtime,
            )),
            _ => resume::go_on(session, &journal, &found, &record, &[]),
        };
    }
    start(session, &journal, &found, &plan, arguments.accept.clone())
}

/// Begins a run of a plan, after a yes.
pub(crate) fn start(
    session: &Session<'_>,
    journal: &Journal,
    found: &Found,
    plan: &Plan,
    mut accepted: Vec<String>,
) -> Result<Exit, Failed> {
    if let Purpose::Rehearsal { of } = &plan.purpose {
        return Err(of_a_rehearsal(plan, of));
    }
    refuse_against_definition(session, plan)?;
    let rehearsal = (plan.purpose == Purpose::Upgrade)
        .then(|| Rehearsals::of(&session.state).latest(plan))
        .flatten();
    demanded::refuse_unrehearsed(found, plan, rehearsal.as_ref())?;
    question::acceptances(session, plan, &mut accepted);
    refuse_unaccepted(plan, &accepted)?;
    let downtime = demanded::downtime(plan, rehearsal.as_ref());
    let (deed, verb) = match plan.purpose {
        Purpose::Upgrade => ("an upgrade", "Upgrade"),
        Purpose::Rollback { .. } => ("a rollback", "Take back"),
        Purpose::RollOver(_) => ("a roll-over", "Roll over"),
        Purpose::Rehearsal { .. } => ("a rehearsal", "Rehearse"),
        Purpose::Recovery { .. } => ("a recovery", "Bring to rest the stacks of"),
    };
    let question = format!(
        "{verb} {} {} on {}, downtime {downtime}",
        plan.product,
        route(plan),
        plan.deployment.name
    );
    question::go_ahead(session, deed, &question, &again(plan, &accepted))?;
    if plan.purpose == Purpose::Upgrade {
        refuse_over_locks(session, found, plan)?;
    }
    let run = session.state.new_run(journal)?;
    execution::carry_out(
        session,
        &Task {
            found,
            plan,
            run: &run,
            accepted: &accepted,
            done: &[],
        },
    )
}

/// A plan that was edited or made elsewhere is held against the definition it names, where we have that one.
fn refuse_against_definition(session: &Session<'_>, plan: &Plan) -> Result<(), Failed> {
    let catalog = session.global.catalog.as_ref();
    let known =
        definitions::find(catalog, plan.product.as_str()).and_then(|definition| definition.load());
    let Ok(product) = known else {
        return Ok(());
    };
    if product.digest != plan.definition {
        return Ok(());
    }
    match refusal(&check_against(plan, &product)) {
        Some(problem) => Err(problem.into()),
        None => Ok(()),
    }
}

/// A lock may have been left since the plan was made. Nothing else is looked at here: what the plan rests on,
/// its guards look at. Nor is it a guard of a step, for by then the service may be down.
fn refuse_over_locks(session: &Session<'_>, found: &Found, plan: &Plan) -> Result<(), Failed> {
    // Locks are in datastores, and stacks have none that could be asked from here.
    if plan.account.is_some() {
        return Ok(());
    }
    let place = Place::open(session, found, StopSignal::default())?;
    let applies = |lock: &&Lock| {
        let here = |edition: &String| Some(edition) == plan.edition.as_ref();
        lock.editions.is_empty() || lock.editions.iter().any(here)
    };
    let known = |lock: &'_ Lock| {
        let probe = place.product.probes.get(&lock.probe)?;
        let (name, datastore) = plan.datastores.get_key_value(probe.datastore.as_ref()?)?;
        Some((probe, name, datastore))
    };
    let locks: Vec<&Lock> = place.product.locks.iter().filter(applies).collect();
    let mut answers = BTreeMap::new();
    for (name, datastore) in &plan.datastores {
        let (names, probes): (Vec<&str>, Vec<&Probe>) = locks
            .iter()
            .filter_map(|lock| Some((lock.probe.as_str(), known(lock)?)))
            .filter(|(_, (_, of, _))| *of == name)
            .map(|(named, (probe, ..))| (named, probe))
            .unzip();
        answers.extend(
            names
                .into_iter()
                .zip(place.ask(&probes, &datastore.location)),
        );
    }
    for lock in locks {
        let answer = answers.get(lock.probe.as_str()).and_then(Option::as_deref);
        if let (Some((_, name, datastore)), Some(holder)) =
            (known(lock), answer.and_then(|answer| lock.holder(answer)))
        {
            return Err(lock_held(lock, holder, Some((name, &datastore.location))).into());
        }
    }
    Ok(())
}

fn of_a_rehearsal(plan: &Plan, of: &PlanId) -> Failed {
    Problem::new(
        Exit::Refused,
        "plan-of-a-rehearsal",
        format!("plan `{}` is a part of a rehearsal", plan.id),
    )
    .state("deployment", "not touched")
    .hint(format!("rehearse: `switchback rehearse {of}`"))
    .into()
}

fn no_plan(found: &Found) -> Failed {
    Problem::new(
        Exit::Usage,
        "plan-missing",
        format!("there is no plan for `{}` as it is now", found.name),
    )
    .state("deployment", "not touched")
    .hint("make one: `switchback plan`")
    .into()
}
