//! Carries out a plan, whoever asked for it: `apply`, `resume`, `rollback`, `backup restore`.

use serde::Serialize;
use switchback_engine::ports::Site;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_engine::{Ended, Engine, Order};
use switchback_model::exit::Exit;
use switchback_model::observed::Deployment;
use switchback_model::plan::{Plan, Purpose};
use switchback_model::{PlanId, Problem, RunId, StepNumber};

use crate::backups::store;
use crate::failure::Failed;
use crate::place::deployment::Found;
use crate::render::downtime::Spent;
use crate::render::live::Live;
use crate::render::style::{BOLD, paint};
use crate::render::{measure, wrap};
use crate::runs;
use crate::session::Session;
use crate::signals::Listening;
use crate::site::Place;

/// Version of the JSON document.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Already<'a> {
    format: u32,
    run: &'a RunId,
    plan: &'a PlanId,
    outcome: &'static str,
    downtime: u64,
}

/// What is carried out.
pub(crate) struct Task<'a> {
    /// The deployment.
    pub found: &'a Found,
    /// The plan.
    pub plan: &'a Plan,
    /// A new id, or that of the run to go on with.
    pub run: &'a RunId,
    /// Words given with `--accept`.
    pub accepted: &'a [String],
    /// Steps of people that are said to be done.
    pub done: &'a [StepNumber],
}

/// What a run drives, and for whom.
pub(crate) struct Errand<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// A new id, or that of the run to go on with.
    pub run: &'a RunId,
    /// Words given with `--accept`.
    pub accepted: &'a [String],
    /// Steps of people that are said to be done.
    pub done: &'a [StepNumber],
    /// As it was found just now.
    pub deployment: &'a Deployment,
    /// What is driven.
    pub site: &'a Site,
    /// Masks every secret that was read.
    pub redactor: &'a Redactor,
}

/// Runs the plan to its end or to a safe place.
pub(crate) fn carry_out(session: &Session<'_>, task: &Task<'_>) -> Result<Exit, Failed> {
    let stop = StopSignal::default();
    let place = Place::open(session, task.found, stop.clone())?;
    let errand = Errand {
        plan: task.plan,
        run: task.run,
        accepted: task.accepted,
        done: task.done,
        deployment: &place.identity(),
        site: &place.site(task.plan)?,
        redactor: place.redactor(),
    };
    // The service is up and verified by then: what follows is nobody's downtime.
    drive(session, &errand, stop, |stop| {
        store::after_run(session, task.found, task.plan, task.run, stop);
    })
}

/// As [`carry_out`], of anything that can be driven. `afterwards` comes between the end and the last word.
pub(crate) fn drive(
    session: &Session<'_>,
    errand: &Errand<'_>,
    stop: StopSignal,
    afterwards: impl FnOnce(&StopSignal),
) -> Result<Exit, Failed> {
    let (screen, plan, run) = (session.screen, errand.plan, errand.run);
    let _listening = Listening::begin(&stop).map_err(|error| {
        Problem::new(Exit::Bug, "signals", "signals cannot be listened to").cause(error)
    })?;
    let live = Live::new(screen, plan, session.state.outputs(run), stop.clone());
    let engine = Engine::new(session.state.clone(), errand.redactor.clone(), stop.clone());
    let order = Order {
        plan,
        run,
        deployment: errand.deployment,
        accepted: errand.accepted,
        done: errand.done,
        by: &by(),
        program: env!("CARGO_PKG_VERSION"),
    };
    match live.during(|| engine.run(&order, errand.site, &live))? {
        Ended::Finished { downtime } => {
            finished(session, plan, run, downtime);
            afterwards(&stop);
            next(session, plan, run);
            Ok(Exit::Ok)
        }
        Ended::Halted(problem) => {
            let state = session.journal()?.state(run)?;
            screen.next(&runs::next(run, Some(plan), &state));
            Err(Failed::shown(problem))
        }
    }
}

/// The same command typed once more after everything was done: says so, and does nothing.
pub(crate) fn done_already(session: &Session<'_>, plan: &Plan, run: &RunId, downtime: u64) -> Exit {
    let screen = session.screen;
    if screen.json() {
        screen.json_line(&Already {
            format: FORMAT,
            run,
            plan: &plan.id,
            outcome: "done",
            downtime,
        });
    } else {
        screen.answer(&format!("Run {} is done already\n", paint(BOLD, run)));
        finished(session, plan, run, downtime);
        next(session, plan, run);
    }
    Exit::Ok
}

fn finished(session: &Session<'_>, plan: &Plan, run: &RunId, milliseconds: u64) {
    let screen = session.screen;
    if screen.json() {
        return;
    }
    let downtime = if milliseconds == 0 {
        "no downtime".to_owned()
    } else {
        format!("downtime {}", measure::duration(milliseconds))
    };
    let done = match &plan.purpose {
        Purpose::RollOver(content) => format!(
            "{} at {} holds what {} holds, {downtime}",
            plan.product,
            paint(BOLD, &content.into.api),
            content.from.api,
        ),
        Purpose::Rehearsal { of } => {
            format!("the migrations of {} work on copies", paint(BOLD, of))
        }
        Purpose::Recovery { .. } => {
            format!("the stacks of {} are at rest", plan.deployment.name)
        }
        Purpose::Upgrade | Purpose::Rollback { .. } => format!(
            "{} runs {} {}, {downtime}",
            plan.deployment.name,
            plan.product,
            paint(BOLD, &plan.to),
        ),
    };
    screen.answer(&format!(
        "{}\n{}",
        wrap::hanging("Done: ", &done, screen.width),
        spent(session, plan, run).line(milliseconds, screen.width)
    ));
}

/// A journal that cannot be read any more after the last step takes nothing from what was done.
fn spent(session: &Session<'_>, plan: &Plan, run: &RunId) -> Spent {
    let events = session
        .journal()
        .and_then(|journal| journal.events(run).map_err(Failed::from));
    Spent::of(plan, &events.unwrap_or_default())
}

fn next(session: &Session<'_>, plan: &Plan, run: &RunId) {
    let screen = session.screen;
    match &plan.purpose {
        Purpose::Upgrade => screen.next(&[
            "switchback status".to_owned(),
            format!("switchback rollback {run}"),
        ]),
        Purpose::Rollback { .. } => screen.next(&["switchback status".to_owned()]),
        Purpose::Recovery { run: Some(run) } => screen.next(&[
            format!("switchback resume {run}"),
            format!("switchback rollback {run}"),
        ]),
        Purpose::Recovery { run: None } => screen.next(&["switchback plan".to_owned()]),
        Purpose::RollOver(_) | Purpose::Rehearsal { .. } => {
            screen.next(&[format!("switchback log {run}")]);
        }
    }
}

/// Who asks, and where: `user@host`.
pub(crate) fn by() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| match rustix::process::getuid() {
            root if root.is_root() => "root".to_owned(),
            other => format!("uid {}", other.as_raw()),
        });
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    format!("{user}@{host}")
}
