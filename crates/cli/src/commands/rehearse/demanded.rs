//! What rehearsals mean for an upgrade of production: its downtime as it was measured, and the
//! operator's policy that it must have worked on a copy.

use switchback_model::exit::Exit;
use switchback_model::plan::{Plan, Purpose};
use switchback_model::rehearsal::Outcome;
use switchback_model::{Problem, Rehearsal};

use crate::failure::Failed;
use crate::place::deployment::Found;
use crate::render::measure;
use crate::session::now;

/// How long users will be without service: as measured, where somebody measured it.
pub(crate) fn downtime(plan: &Plan, rehearsal: Option<&Rehearsal>) -> String {
    let measured = rehearsal
        .filter(|rehearsal| rehearsal.succeeded())
        .and_then(|rehearsal| Some((rehearsal, rehearsal.downtime?)));
    match (measured, plan.forecast.downtime_seconds) {
        (Some((rehearsal, downtime)), _) => format!(
            "{} (rehearsed {})",
            measure::duration(downtime),
            measure::ago(rehearsal.at, now())
        ),
        (None, Some(seconds)) => measure::about(seconds),
        (None, None) => "of unknown length".to_owned(),
    }
}

/// `[policy] require-rehearsal`: nothing is done in production that did not work on a copy lately.
pub(crate) fn refuse_unrehearsed(
    found: &Found,
    plan: &Plan,
    rehearsal: Option<&Rehearsal>,
) -> Result<(), Failed> {
    let policy = &found.config.policy;
    if plan.purpose != Purpose::Upgrade {
        return Ok(());
    }
    let within = policy
        .rehearsed_within()
        .map_err(|problem| problem.state("deployment", "not touched"))?;
    let Some(age) = within.map(|seconds| seconds.saturating_mul(1000)) else {
        return Ok(());
    };
    let said = policy.require_rehearsal.as_deref().unwrap_or_default();
    let seen = match rehearsal.map(|rehearsal| (rehearsal, &rehearsal.outcome)) {
        None => "never rehearsed on this deployment".to_owned(),
        Some((rehearsal, Outcome::Stopped { step, .. })) => format!(
            "{}, up to step {step}, which is for people: what comes behind it was not tried",
            rehearsed(rehearsal)
        ),
        Some((rehearsal, Outcome::Failed { .. })) => {
            format!("{}, and that failed", rehearsed(rehearsal))
        }
        Some((rehearsal, Outcome::Succeeded)) if now().saturating_sub(rehearsal.at) > age => {
            format!("{}, which is too long ago", rehearsed(rehearsal))
        }
        Some((_, Outcome::Succeeded)) => return Ok(()),
    };
    Err(Problem::new(
        Exit::Refused,
        "rehearsal-required",
        format!("plan `{}` needs a rehearsal that succeeded within {said}", plan.id),
    )
    .state("deployment", "not touched")
    .state("its steps", seen)
    .why("[policy] require-rehearsal in switchback.toml asks for it: what never worked on a copy is not tried on production")
    .hint(format!("rehearse it, while production runs: `switchback rehearse {}`", plan.id))
    .hint("or take that line out of switchback.toml")
    .into())
}

/// `rehearsed 2 h ago (e-1f3a)`.
fn rehearsed(rehearsal: &Rehearsal) -> String {
    let ago = measure::ago(rehearsal.at, now());
    format!("rehearsed {ago} ({})", rehearsal.id)
}
