//! Which plan is rehearsed: the one that was named, the newest that still holds, or a new one.

use switchback_engine::signal::StopSignal;
use switchback_journal::Key;
use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::plan::{Plan, Purpose};

use crate::commands::plan::{self, Answer, Goal};
use crate::failure::Failed;
use crate::place::deployment::Found;
use crate::plans;
use crate::session::Session;
use crate::site::Place;
use crate::stacks::reviews;

/// The plan, and the deployment it is for. A plan that no longer fits what is there is refused before
/// anything is copied.
pub(super) fn plan(session: &Session<'_>, said: Option<&str>) -> Result<(Found, Plan), Failed> {
    let (found, named) = match said {
        Some(said) => {
            let plan = plans::named(session, said)?;
            (plans::of_plan(session, &plan)?, Some(plan))
        }
        None => (session.deployment()?, None),
    };
    if found.config.exec.is_some() || found.config.packages.is_some() {
        return Err(not_compose(&found));
    }
    if let Some(plan) = &named {
        if plan.purpose != Purpose::Upgrade {
            return Err(not_an_upgrade(plan));
        }
        if Key::from(&plan.deployment) != found.key() {
            return Err(of_another(plan, &found));
        }
    }
    let newest = match named {
        Some(plan) => Some(plan),
        None => plans::newest(session, &found)?.filter(|plan| plan.purpose == Purpose::Upgrade),
    };
    let place = Place::open(session, &found, StopSignal::default())?;
    let found = match &newest {
        Some(plan) => found.with_engines_of(plan),
        None => found,
    };
    let goal = newest
        .as_ref()
        .map_or(Goal::Next, |plan| Goal::Version(plan.to.as_str()));
    let fresh = match plan::make(session, &found, &place, goal) {
        Ok(Answer::Plan(made)) => made,
        Ok(Answer::NothingToDo(_)) => return Err(nothing(&found)),
        Ok(Answer::Recovery(_)) => return Err(half_way(&found)),
        // What was planned may have been done since; then the newest release is what is next.
        Err(failed) if said.is_some() => return Err(failed),
        Err(_) => match plan::make(session, &found, &place, Goal::Next)? {
            Answer::Plan(made) => made,
            Answer::NothingToDo(_) => return Err(nothing(&found)),
            Answer::Recovery(_) => return Err(half_way(&found)),
        },
    };
    let chosen = match newest {
        Some(plan) if same(&plan, &fresh.plan) => plan,
        Some(plan) if said.is_some() => return Err(drifted(&plan, &fresh.plan)),
        _ => fresh.plan,
    };
    session.state.save_plan(&chosen)?;
    if !fresh.reviews.is_empty() {
        // What the updates change was computed just now; the steps are the same.
        reviews::keep(&session.state, &chosen.id, &fresh.reviews);
    }
    Ok((found, chosen))
}

fn same(one: &Plan, other: &Plan) -> bool {
    switchback_planner::shape(one) == switchback_planner::shape(other)
}

fn drifted(plan: &Plan, fresh: &Plan) -> Failed {
    let (planned, now) = (
        switchback_planner::shape(plan),
        switchback_planner::shape(fresh),
    );
    let problem = Problem::new(
        Exit::Drifted,
        "plan-stale",
        format!("plan `{}` is not what would be planned now", plan.id),
    )
    .state("deployment", "not touched")
    .hint(format!("plan again: `switchback plan --to {}`", plan.to));
    super::parting::parted(problem, &planned, &now).into()
}

fn half_way(found: &Found) -> Failed {
    Problem::new(
        Exit::Refused,
        "half-way",
        format!(
            "a stack of `{}` is half way back from an update",
            found.name
        ),
    )
    .state("deployment", "not touched")
    .hint("bring it to rest first: `switchback plan`, `switchback apply`")
    .into()
}

fn not_compose(found: &Found) -> Failed {
    Problem::new(
        Exit::Refused,
        "rehearsal-not-compose",
        format!(
            "`{}` is not deployed with Docker Compose: no copy of it can be shut in",
            found.name
        ),
    )
    .state("deployment", "not touched")
    .hint("rehearse on another machine: restore a backup there, and apply the upgrade to it")
    .into()
}

fn not_an_upgrade(plan: &Plan) -> Failed {
    Problem::new(
        Exit::Refused,
        "rehearsal-of-rollback",
        format!(
            "plan `{}` is a way back: it leads to what is known",
            plan.id
        ),
    )
    .state("deployment", "not touched")
    .hint("rehearse an upgrade: `switchback rehearse`")
    .into()
}

fn of_another(plan: &Plan, found: &Found) -> Failed {
    Problem::new(
        Exit::Refused,
        "plan-of-another-deployment",
        format!(
            "plan `{}` was made for `{}`, this is `{}`",
            plan.id, plan.deployment.name, found.name
        ),
    )
    .state("deployment", "not touched")
    .hint("plan here: `switchback plan`")
    .into()
}

fn nothing(found: &Found) -> Failed {
    Problem::new(
        Exit::Refused,
        "nothing-to-do",
        format!("`{}` is at the version that would be rehearsed", found.name),
    )
    .state("deployment", "not touched")
    .hint("name another version: `switchback plan --to V`, then `switchback rehearse`")
    .into()
}
