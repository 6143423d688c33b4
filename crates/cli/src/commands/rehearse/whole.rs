//! The whole of a rehearsal: whose turn it is, what is shown, what remains.

use std::time::Instant;

use serde::Serialize;
use switchback_engine::signal::StopSignal;
use switchback_journal::{Journal, Key};
use switchback_model::exit::Exit;
use switchback_model::plan::Plan;
use switchback_model::rehearsal::Outcome;
use switchback_model::{Problem, Rehearsal};

use super::stage::Stage;
use super::turn::take_turn;
use super::{choose, leftovers, stacks, walk};
use crate::arguments::Rehearse;
use crate::failure::Failed;
use crate::place::deployment::Found;
use crate::rehearsals::{Marker, Rehearsals};
use crate::render::rehearsal as render;
use crate::session::Session;
use crate::signals::Listening;

/// Version of the JSON document.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    rehearsal: &'a Rehearsal,
}

/// Rehearses, shows a report, or removes what is left.
pub(crate) fn run(session: &Session<'_>, arguments: &Rehearse) -> Result<Exit, Failed> {
    if arguments.clean {
        return leftovers::clean(session);
    }
    if arguments.show {
        return show(session, arguments.plan.as_deref());
    }
    let journal = session.journal()?;
    let (found, plan) = choose::plan(session, arguments.plan.as_deref())?;
    let rehearsals = Rehearsals::of(&session.state);
    let id = rehearsals.new_id()?;
    let lease = take_turn(&journal, &found.key(), &id)?;
    let rehearsed = leftovers::remove_dead(session, &found)
        .and_then(|()| rehearse(session, arguments, &journal, &found, &plan, &id));
    journal.release(&lease)?;
    rehearsed
}

fn rehearse(
    session: &Session<'_>,
    arguments: &Rehearse,
    journal: &Journal,
    found: &Found,
    plan: &Plan,
    id: &str,
) -> Result<Exit, Failed> {
    let stop = StopSignal::default();
    let _listening = Listening::at_once(&stop).map_err(|error| {
        Problem::new(Exit::Bug, "signals", "signals cannot be listened to").cause(error)
    })?;
    let rehearsals = Rehearsals::of(&session.state);
    let mut marker = Marker {
        id: id.to_owned(),
        deployment: found.name.clone(),
        directory: found.directory.display().to_string(),
        project: None,
        stack: None,
        plan: plan.id.clone(),
        kept: false,
    };
    rehearsals.mark(&marker)?;
    announce(session, found, plan, id);
    let stage = Stage {
        session,
        found,
        plan,
        id,
        place: rehearsals.place(id),
        stop: &stop,
        outbound: arguments.allow_outbound,
    };
    let walked = through(&stage, journal, &mut marker);
    let keep = arguments.keep && walked.is_ok();
    let removed = if keep {
        marker.kept = true;
        rehearsals.mark(&marker).map_err(Failed::from)
    } else {
        leftovers::remove(session, &marker)
    };
    let walked = walked.map(|mut report| {
        let place = || rehearsals.place(id).display().to_string();
        report.kept = keep.then(|| marker.stack.clone().unwrap_or_else(place));
        report
    });
    let walked = walked.map_err(|failed| match removed {
        Ok(()) => interrupted(&stop, failed),
        Err(_) => failed,
    });
    let ended = walked.and_then(|report| {
        rehearsals.save(&report)?;
        told(session, &report, plan)
    });
    first(session, ended, removed)
}

fn announce(session: &Session<'_>, found: &Found, plan: &Plan, id: &str) {
    let screen = session.screen;
    if !screen.json() {
        screen.answer(&render::begun(id, plan, screen.width));
        if found.config.aws.is_none() {
            screen.advice(&render::heading());
        }
    }
}

/// Walks through it, on copies of containers or of a stack's databases, and says how long that took.
fn through(stage: &Stage<'_>, journal: &Journal, marker: &mut Marker) -> Result<Rehearsal, Failed> {
    let began = Instant::now();
    let mut report = match stage.found.config.aws {
        Some(_) => stacks::through(stage, marker),
        None => walk::through(stage, journal, marker),
    }?;
    report.took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// What went wrong first is what the command ends with; what is left is told beside it, and found by the next rehearsal.
fn first(
    session: &Session<'_>,
    ended: Result<Exit, Failed>,
    removed: Result<(), Failed>,
) -> Result<Exit, Failed> {
    match (ended, removed) {
        (ended, Ok(())) => ended,
        (Ok(_), Err(left)) => Err(left),
        (Err(failed), Err(left)) => {
            advise(session, &left);
            Err(failed)
        }
    }
}

/// Tells of a second problem beside the one that a command ends with.
fn advise(session: &Session<'_>, beside: &Failed) {
    let width = session.screen.progress_width;
    let text = crate::render::problem::text(&beside.problem, width);
    session.screen.advice(&text);
}

/// A wish to stop is no failure of anything.
fn interrupted(stop: &StopSignal, failed: Failed) -> Failed {
    if stop.urgency() == switchback_engine::signal::Urgency::GoOn {
        return failed;
    }
    Problem::new(
        Exit::Halted,
        "rehearsal-stopped",
        "the rehearsal was stopped",
    )
    .state("production", "as it was")
    .state("copy", "removed")
    .hint("begin it anew: `switchback rehearse`")
    .into()
}

/// Shows the report, and ends with its exit code.
fn told(session: &Session<'_>, report: &Rehearsal, plan: &Plan) -> Result<Exit, Failed> {
    let screen = session.screen;
    if screen.json() {
        screen.json_line(&Document {
            format: FORMAT,
            rehearsal: report,
        });
    } else {
        screen.answer(&render::report(report, screen.width));
    }
    match &report.outcome {
        Outcome::Succeeded => {
            screen.next(&[crate::render::plan::apply_command(plan)]);
            Ok(Exit::Ok)
        }
        Outcome::Stopped { .. } => {
            screen.next(&[crate::render::plan::apply_command(plan)]);
            Ok(Exit::Halted)
        }
        Outcome::Failed { problem, .. } => {
            if !screen.json() {
                let text = crate::render::problem::text(problem, screen.progress_width);
                screen.advice(&text);
            }
            Err(Failed::shown(problem.clone()))
        }
    }
}

/// Shows the report of a rehearsal, or the newest one of the deployment.
fn show(session: &Session<'_>, said: Option<&str>) -> Result<Exit, Failed> {
    let rehearsals = Rehearsals::of(&session.state);
    let report = match said {
        Some(said) if said.starts_with("p-") => {
            let plan = session.state.plan(&session.state.find_plan(said)?)?;
            rehearsals.latest(&plan)
        }
        Some(said) => Some(rehearsals.find(said)?),
        None => {
            let key = session.deployment()?.key();
            let of_this = |report: &Rehearsal| Key::from(&report.deployment) == key;
            rehearsals.reports().into_iter().rfind(of_this)
        }
    };
    let Some(report) = report else {
        return Err(Problem::new(
            Exit::Usage,
            "rehearsal-missing",
            "nothing was rehearsed yet",
        )
        .hint("rehearse: `switchback rehearse`")
        .into());
    };
    let screen = session.screen;
    if screen.json() {
        screen.document(&Document {
            format: FORMAT,
            rehearsal: &report,
        });
    } else {
        screen.answer(&render::report(&report, screen.width));
        if let Outcome::Failed { problem, .. } = &report.outcome {
            screen.answer(&crate::render::problem::text(problem, screen.width));
        }
    }
    Ok(Exit::Ok)
}
