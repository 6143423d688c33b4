//! Which saved plan is meant, and the deployment that it is for.

use std::path::Path;

use switchback_journal::Key;
use switchback_model::plan::{Plan, Purpose};

use crate::failure::Failed;
use crate::place::deployment::{self, Found};
use crate::session::Session;

/// A plan by id, prefix or file.
pub(crate) fn named(session: &Session<'_>, said: &str) -> Result<Plan, Failed> {
    let path = Path::new(said);
    if path.is_file() {
        let plan = switchback_journal::read_plan(path)?;
        // A run finds its plan in the state directory, also after the file is gone.
        session.state.save_plan(&plan)?;
        return Ok(plan);
    }
    let id = session.state.find_plan(said)?;
    Ok(session.state.plan(&id)?)
}

/// The deployment that a plan is for, unless the operator names one.
pub(crate) fn of_plan(session: &Session<'_>, plan: &Plan) -> Result<Found, Failed> {
    if session.global.deployment.is_some() {
        return session.deployment();
    }
    if let Ok(here) = session.deployment() {
        return Ok(here);
    }
    deployment::find(Some(&plan.deployment.directory), &session.state)
}

/// The newest saved plan of the deployment that is applied by itself: an upgrade, or a recovery.
pub(crate) fn newest(session: &Session<'_>, found: &Found) -> Result<Option<Plan>, Failed> {
    let key = found.key();
    for id in session.state.plans()?.iter().rev() {
        let plan = session.state.plan(id)?;
        let applied = matches!(plan.purpose, Purpose::Upgrade | Purpose::Recovery { .. });
        if applied && Key::from(&plan.deployment) == key {
            return Ok(Some(plan));
        }
    }
    Ok(None)
}
