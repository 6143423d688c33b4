//! `switchback rollback`: goes back to where a run began, as a plan of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use switchback_engine::signal::StopSignal;
use switchback_journal::{Journal, RunRecord, StepStatus};
use switchback_model::event::Event;
use switchback_model::exit::Exit;
use switchback_model::plan::{Act, Plan, Purpose};
use switchback_model::{Problem, RunId};
use switchback_planner::stack::Reviews;
use switchback_planner::{Planned, Proven, roll_over_stays};

use super::plan::beside;
use super::{apply, resume, rollover};
use crate::arguments::Rollback;
use crate::execution;
use crate::failure::Failed;
use crate::place::deployment::{self, Found};
use crate::render::plan as plan_text;
use crate::render::plan::Detail;
use crate::render::{updates, waiting};
use crate::runs::{self, Standing};
use crate::session::{Session, now};
use crate::site::Place;
use crate::stacks::{Stacks, TakenBack};

/// Plans the way back, shows it, and goes.
pub(crate) fn run(session: &Session<'_>, arguments: &Rollback) -> Result<Exit, Failed> {
    let journal = session.journal()?;
    let record = session.run(&journal, arguments.run.as_deref())?;
    if let Some(content) = rollover::content(&session.plan_of(&record)?) {
        return Err(roll_over_stays(&record.run, &content.from.api).into());
    }
    let found = deployment_of(session, &record)?;
    // Typed again after an interruption, it goes on with the way back that is open.
    if let Some((open, _)) = runs::open(session, &journal, &record.key)?
        && is_way_back_of(session, &open, &record.run)?
        && !arguments.plan
    {
        return resume::go_on(session, &journal, &found, &open, &[]);
    }
    // Typed again after it is done, it says so.
    if let Some((by, plan, downtime)) = done_by(session, &journal, &record)?
        && !arguments.plan
    {
        return Ok(execution::done_already(session, &plan, &by, downtime));
    }
    let Planned { plan, notes } = way_back(session, &journal, &found, &record)?;
    session.state.save_plan(&plan)?;
    if arguments.plan && session.screen.json() {
        session.screen.document(&plan);
    } else if !session.screen.json() {
        let width = session.screen.width;
        let changes = updates::text(&plan, &Reviews::new(), width, Detail::Short);
        let text = plan_text::text_with(&plan, &changes, width, Detail::Short);
        session.screen.answer(&text);
        let notes: Vec<String> = notes.into_iter().map(|note| note.text).collect();
        session.screen.answer(&beside(&notes, width));
    }
    if arguments.plan {
        session.screen.next(&[plan_text::apply_command(&plan)]);
        return Ok(Exit::Ok);
    }
    apply::start(session, &journal, &found, &plan, arguments.accept.clone())
}

/// The run knows where its deployment is, wherever the command is typed.
fn deployment_of(session: &Session<'_>, record: &RunRecord) -> Result<Found, Failed> {
    let said = session
        .global
        .deployment
        .as_deref()
        .unwrap_or(&record.key.directory);
    deployment::find(Some(said), &session.state)
}

/// True where `open` takes `run` back, or is that run and a way back itself.
fn is_way_back_of(session: &Session<'_>, open: &RunRecord, run: &RunId) -> Result<bool, Failed> {
    let plan = session.plan_of(open)?;
    Ok(match &plan.purpose {
        Purpose::Rollback { run: taken_back } => taken_back == run || open.run == *run,
        Purpose::Upgrade
        | Purpose::RollOver(_)
        | Purpose::Rehearsal { .. }
        | Purpose::Recovery { .. } => false,
    })
}

/// The finished run that took this one back, or that is meant itself as the last one.
fn done_by(
    session: &Session<'_>,
    journal: &Journal,
    record: &RunRecord,
) -> Result<Option<(RunId, Plan, u64)>, Failed> {
    for other in journal.runs()?.into_iter().rev() {
        if other.key != record.key {
            continue;
        }
        let Standing::Done { downtime } = runs::standing(journal, &other)? else {
            continue;
        };
        let plan = session.plan_of(&other)?;
        let meant = match &plan.purpose {
            Purpose::Rollback { run } => *run == record.run || other.run == record.run,
            Purpose::Upgrade
            | Purpose::RollOver(_)
            | Purpose::Rehearsal { .. }
            | Purpose::Recovery { .. } => false,
        };
        if meant {
            return Ok(Some((other.run, plan, downtime)));
        }
    }
    Ok(None)
}

fn way_back(
    session: &Session<'_>,
    journal: &Journal,
    found: &Found,
    record: &RunRecord,
) -> Result<Planned, Failed> {
    if let Standing::Running { holder } = runs::standing(journal, record)? {
        return Err(Problem::new(
            Exit::Refused,
            "run-running",
            format!("run `{}` is going on", record.run),
        )
        .cause(holder)
        .hint("stop it first (Ctrl-C in its terminal), or wait for its end")
        .into());
    }
    let last = taken_back_since(session, journal, record)?;
    let plan = session.plan_of(record)?;
    let place = Place::open(session, found, StopSignal::default())?;
    let proven = proven(journal, &plan, record)?;
    let mut back = match (place.stacks(), &plan.account) {
        (Some(stacks), Some(_)) => of_stacks(session, record, &place, stacks, &plan, &proven)?,
        _ => {
            let observed = place.observe(session)?;
            let experience = runs::experience(session, journal, &record.key)?;
            let plan = switchback_planner::rollback(&plan, &proven, &experience, &observed)?;
            Planned {
                plan,
                notes: Vec::new(),
            }
        }
    };
    if last != record.run {
        // Everything since was itself taken back: this follows the last way back.
        back.plan.parent = Some(last);
        back.plan = back.plan.seal();
    }
    Ok(back)
}

/// The way back of stacks, from what each round of the run kept.
fn of_stacks(
    session: &Session<'_>,
    record: &RunRecord,
    place: &Place,
    stacks: &Stacks,
    plan: &Plan,
    proven: &Proven,
) -> Result<Planned, Failed> {
    let of_round = |round| session.state.backups_of_round(&record.key, round);
    let backups: BTreeMap<u32, PathBuf> = plan
        .stages
        .iter()
        .map(|stage| (stage.round, of_round(stage.round)))
        .collect();
    let taken = TakenBack {
        plan,
        proven,
        backups: &backups,
        commands: place.commands(),
    };
    waiting::telling(session.screen, "looking at the stacks", |told| {
        stacks.way_back(&place.product, &taken, told)
    })
}

/// The last run, where every run after this one was itself taken back; else a refusal.
fn taken_back_since(
    session: &Session<'_>,
    journal: &Journal,
    record: &RunRecord,
) -> Result<RunId, Failed> {
    let runs: Vec<RunRecord> = journal
        .runs()?
        .into_iter()
        .filter(|other| other.key == record.key)
        .collect();
    let later = runs
        .iter()
        .skip_while(|other| other.run != record.run)
        .skip(1);
    let mut standing_since: Vec<RunId> = Vec::new();
    let mut last = record.run.clone();
    for other in later {
        last = other.run.clone();
        let done = matches!(runs::standing(journal, other)?, Standing::Done { .. });
        match session.plan_of(other)?.purpose {
            Purpose::Rollback { run } if done => standing_since.retain(|known| *known != run),
            // What it takes back was never done, so nothing of it stands in the way.
            Purpose::Recovery { .. } => {}
            _ if !runs::changed_something(session, journal, other)? => {}
            _ => standing_since.push(other.run.clone()),
        }
    }
    match standing_since.last() {
        None => Ok(last),
        Some(later) => Err(Problem::new(
            Exit::Refused,
            "run-superseded",
            format!("run `{}` was followed by run `{later}`", record.run),
        )
        .why("what the later run did is taken back first, so that each way back meets what it expects")
        .hint(format!("go back one by one: `switchback rollback {later}`"))
        .into()),
    }
}

fn proven(journal: &Journal, plan: &Plan, record: &RunRecord) -> Result<Proven, Failed> {
    let state = journal.state(&record.run)?;
    let begun: BTreeSet<_> = state
        .steps
        .iter()
        .filter(|(_, status)| **status != StepStatus::NotStarted)
        .map(|(number, _)| *number)
        .collect();
    let finished = state
        .steps
        .iter()
        .filter(|(_, status)| matches!(status, StepStatus::Finished { .. }))
        .map(|(number, _)| *number)
        .collect();
    let started = journal.events(&record.run)?.into_iter().find_map(|one| {
        let Event::StepStarted { step, .. } = one.event else {
            return None;
        };
        let step = plan.step(step)?;
        matches!(step.act, Act::Start { .. }).then_some(one.at)
    });
    Ok(Proven {
        run: record.run.clone(),
        begun,
        finished,
        writing_seconds: started.map(|at| now().saturating_sub(at) / 1000),
    })
}
