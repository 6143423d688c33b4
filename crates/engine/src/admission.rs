//! What a plan must be before its first event: whole, of this deployment,
//! accepted, not overtaken by another run, and sound by the checker's rules.

use switchback_journal::{Journal, Key, RunState, RunStatus, StateDirectory, StepStatus};
use switchback_model::exit::Exit;
use switchback_model::plan::{FORMAT, Plan, Purpose, WayBack};
use switchback_model::{Problem, RunId};

use crate::order::{Ended, Order, told};
use crate::standing::last_standing;
use crate::words;

/// What can be told from the plan and the order alone.
pub(crate) fn document(order: &Order<'_>) -> Result<(), Problem> {
    let plan = order.plan;
    if plan.format > FORMAT {
        return Err(refused(
            "plan-newer",
            format!(
                "plan `{}` has format {}, this switchback knows up to {FORMAT}",
                plan.id, plan.format
            ),
        )
        .hint("use the newer switchback that made it"));
    }
    let content = plan.id_of_content();
    if content != plan.id {
        return Err(refused(
            "plan-altered",
            format!(
                "plan `{}` was altered after it was made: its content is `{content}`",
                plan.id
            ),
        )
        .why("a plan is executed exactly as it was reviewed, or not at all")
        .hint("plan again: switchback plan"));
    }
    if plan.deployment != *order.deployment {
        return Err(of_another_deployment(order));
    }
    let missing: Vec<&str> = plan
        .notices
        .iter()
        .filter_map(|notice| notice.accept.as_deref())
        .filter(|word| !order.accepted.iter().any(|given| given == word))
        .collect();
    if !missing.is_empty() {
        return Err(not_accepted(plan, &missing));
    }
    match switchback_planner::refusal(&switchback_planner::check(plan)) {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// What depends on the runs before: read under the lease. `Some` where there is nothing left to do.
pub(crate) fn history(
    directory: &StateDirectory,
    journal: &Journal,
    order: &Order<'_>,
    key: &Key,
    state: &RunState,
) -> Result<Option<Ended>, Problem> {
    let last = journal
        .last_run(key)
        .map_err(told)?
        .map(|record| record.run);
    let standing = last_standing(directory, journal, key)
        .map_err(told)?
        .map(|record| record.run);
    if state.status == RunStatus::NotStarted {
        not_stale(order.plan, last.as_ref())?;
        if let Some(last) = &standing {
            nothing_open(directory, journal, order, last)?;
        }
        return Ok(None);
    }
    if state.plan.as_ref() != Some(&order.plan.id) {
        return Err(refused(
            "another-plan",
            format!(
                "run `{}` does not execute plan `{}`",
                order.run, order.plan.id
            ),
        )
        .hint(format!("switchback resume {}", order.run)));
    }
    if let RunStatus::Finished { downtime } = state.status {
        return Ok(Some(Ended::Finished { downtime }));
    }
    match standing {
        Some(last) if last != *order.run => Err(refused(
            "run-superseded",
            format!("run `{}` was followed by run `{last}`", order.run),
        )
        .why("a later run has changed what this one left")
        .hint(format!(
            "go on with the later one: switchback resume {last}"
        ))),
        _ => Ok(None),
    }
}

fn not_stale(plan: &Plan, last: Option<&RunId>) -> Result<(), Problem> {
    if plan.parent.as_ref() == last {
        return Ok(());
    }
    let name = |run: Option<&RunId>| run.map_or("no run".to_owned(), |run| format!("run `{run}`"));
    Err(Problem::new(
        Exit::Drifted,
        "plan-stale",
        format!(
            "plan `{}` follows {}, the deployment's last is {}",
            plan.id,
            name(plan.parent.as_ref()),
            name(last)
        ),
    )
    .state("deployment", "not touched")
    .hint(format!("plan again: {}", words::planning(plan))))
}

/// An upgrade may not begin over a run that has changed something and is not finished.
fn nothing_open(
    directory: &StateDirectory,
    journal: &Journal,
    order: &Order<'_>,
    last: &RunId,
) -> Result<(), Problem> {
    let state = journal.state(last).map_err(told)?;
    let finished = matches!(state.status, RunStatus::Finished { .. });
    let goes_over = matches!(
        order.plan.purpose,
        Purpose::Rollback { .. } | Purpose::Recovery { .. }
    );
    if finished || goes_over || !state.has_acted() {
        return Ok(());
    }
    let plan = state.plan.as_ref().map(|id| directory.plan(id));
    if let Some(Ok(plan)) = plan
        && changed_nothing(&plan, &state)
    {
        return Ok(());
    }
    Err(refused(
        "run-open",
        format!("run `{last}` of this deployment is not finished"),
    )
    .hint(format!("go on with it: switchback resume {last}"))
    .hint(format!("or go back: switchback rollback {last}")))
}

/// True where no step was begun that would need a way back.
fn changed_nothing(plan: &Plan, state: &RunState) -> bool {
    plan.steps()
        .filter(|(_, step)| *state.step(step.number) != StepStatus::NotStarted)
        .all(|(_, step)| step.way_back == WayBack::NotNeeded)
}

fn of_another_deployment(order: &Order<'_>) -> Problem {
    let (planned, found) = (&order.plan.deployment, order.deployment);
    let named = |deployment: &switchback_model::observed::Deployment| {
        format!(
            "`{}` ({} project `{}` in `{}`)",
            deployment.name, deployment.driver, deployment.project, deployment.directory
        )
    };
    refused(
        "plan-of-another-deployment",
        format!("plan `{}` was made for another deployment", order.plan.id),
    )
    .cause(format!("the plan is for {}", named(planned)))
    .cause(format!("this is {}", named(found)))
    .hint("plan here: switchback plan")
}

fn not_accepted(plan: &Plan, missing: &[&str]) -> Problem {
    let problem = refused(
        "not-accepted",
        format!(
            "plan `{}` asks for acceptance: {}",
            plan.id,
            missing.join(", ")
        ),
    );
    let problem = plan
        .notices
        .iter()
        .filter(|notice| {
            notice
                .accept
                .as_deref()
                .is_some_and(|word| missing.contains(&word))
        })
        .fold(problem, |problem, notice| {
            problem.fact(switchback_model::problem::Citation {
                id: notice.id.clone(),
                text: notice.text.clone(),
                source: notice.source.clone(),
            })
        });
    let words: Vec<String> = missing
        .iter()
        .map(|word| format!("--accept {word}"))
        .collect();
    problem.hint(format!("switchback apply {} {}", plan.id, words.join(" ")))
}

fn refused(code: &str, what: String) -> Problem {
    Problem::new(Exit::Refused, code, what).state("deployment", "not touched")
}
