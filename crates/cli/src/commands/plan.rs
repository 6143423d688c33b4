//! `switchback plan`: looks, decides, saves; or refuses with reasons.

use switchback_engine::signal::StopSignal;
use switchback_model::exit::Exit;
use switchback_model::plan::Plan as Planned;
use switchback_model::{Problem, Version};
use switchback_planner::path::{self, Policy, Query};
use switchback_planner::{Input, build};

use super::apply;
use crate::arguments::{Format, Plan};
use crate::failure::Failed;
use crate::place::deployment::Found;
use crate::render::plan::Detail;
use crate::render::{markdown, plan as plan_text};
use crate::runs;
use crate::session::Session;
use crate::site::Place;

/// Makes and saves a plan, or shows a saved one.
pub(crate) fn run(session: &Session<'_>, arguments: &Plan) -> Result<Exit, Failed> {
    if let Some(said) = &arguments.show {
        let plan = apply::named(session, said)?;
        show(session, &plan, arguments.explain, &[]);
        return Ok(Exit::Ok);
    }
    let found = session.deployment()?;
    let place = Place::open(session, &found, StopSignal::default())?;
    let made = make(session, &found, &place, arguments.to.as_deref())?;
    session.state.save_plan(&made.plan)?;
    let notes: Vec<String> = made
        .notes
        .iter()
        .map(|note| format!("{}: {}", note.place, note.text))
        .collect();
    show(session, &made.plan, arguments.explain, &notes);
    Ok(Exit::Ok)
}
