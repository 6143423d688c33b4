//! How runs stand: done, halted, running, or left by a process that died.

use std::collections::BTreeMap;

use switchback_engine::last_standing;
use switchback_journal::{
    Journal, Key, Life, ProcessIdentity, RunRecord, RunState, RunStatus, StepStatus,
};
use switchback_model::event::{Completed, Event, Stamped};
use switchback_model::plan::{Act, Plan, Purpose, WayBack};
use switchback_model::{Digest, Problem, RunId, Version};
use switchback_planner::Experience;

use crate::failure::Failed;
use crate::hand_work;
use crate::session::Session;

/// How a run stands, as people would say it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standing {
    /// Every step is done.
    Done {
        /// Milliseconds without service.
        downtime: u64,
    },
    /// Stopped at a safe place.
    Halted(Problem),
    /// A process works on it.
    Running {
        /// Who.
        holder: String,
    },
    /// Its process is gone, or never wrote a word.
    Interrupted {
        /// How that is known.
        because: String,
    },
}

impl Standing {
    /// One word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Halted(_) => "halted",
            Self::Running { .. } => "running",
            Self::Interrupted { .. } => "interrupted",
        }
    }

    /// Why it is not done, in one line.
    pub(crate) fn reason(&self) -> Option<String> {
        match self {
            Self::Done { .. } => None,
            Self::Halted(problem) => Some(problem.what.clone()),
            Self::Running { holder } => Some(holder.clone()),
            Self::Interrupted { because } => Some(because.clone()),
        }
    }

    /// True where there is something to go on with.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self, Self::Done { .. })
    }
}

/// How a run stands now.
pub(crate) fn standing(journal: &Journal, record: &RunRecord) -> Result<Standing, Failed> {
    let state = journal.state(&record.run)?;
    Ok(match state.status {
        RunStatus::Finished { downtime } => Standing::Done { downtime },
        RunStatus::Halted(problem) => Standing::Halted(problem),
        RunStatus::NotStarted | RunStatus::Running => match journal.holder(&record.key)? {
            Some(holder) if holder.run == record.run => {
                match holder.process.life(&ProcessIdentity::current()) {
                    Life::Dead(because) => Standing::Interrupted { because },
                    Life::Alive(_) | Life::CannotTell(_) => Standing::Running {
                        holder: holder.to_string(),
                    },
                }
            }
            _ => Standing::Interrupted {
                because: "no process holds it".to_owned(),
            },
        },
    })
}

/// The run of a deployment that is not done, where there is one: only the last can be, but for recoveries that are over.
pub(crate) fn open(
    session: &Session<'_>,
    journal: &Journal,
    key: &Key,
) -> Result<Option<(RunRecord, Standing)>, Failed> {
    let Some(record) = last_standing(&session.state, journal, key)? else {
        return Ok(None);
    };
    let standing = standing(journal, &record)?;
    Ok(standing.is_open().then_some((record, standing)))
}

/// What to type about a run that is not done and stands at `state`; a plan whose file is gone says nothing. A way back
/// is not itself taken back: it goes on.
pub(crate) fn next(run: &RunId, plan: Option<&Plan>, state: &RunState) -> Vec<String> {
    let awaited = plan.map_or_else(Vec::new, |plan| hand_work::of(plan, state));
    let mut commands = vec![hand_work::resume(run, &awaited)];
    if matches!(
        plan.map(|plan| &plan.purpose),
        None | Some(Purpose::Upgrade)
    ) {
        commands.push(format!("switchback rollback {run}"));
    }
    commands
}

/// True where a step was begun that needs a way back. A run that stopped while it fetched and
/// prepared left everything as it was.
pub(crate) fn changed_something(
    session: &Session<'_>,
    journal: &Journal,
    record: &RunRecord,
) -> Result<bool, Failed> {
    let state = journal.state(&record.run)?;
    Ok(match session.plan_of(record) {
        Ok(plan) => plan.steps().any(|(_, step)| {
            step.way_back != WayBack::NotNeeded
                && *state.step(step.number) != StepStatus::NotStarted
        }),
        Err(_) => state.has_acted(),
    })
}

/// What steps took in every run of a deployment, oldest first. A run whose plan is gone tells nothing.
pub(crate) fn experience(
    session: &Session<'_>,
    journal: &Journal,
    key: &Key,
) -> Result<Experience, Failed> {
    let mut experience = Experience::default();
    for record in journal.runs()?.into_iter().filter(|run| run.key == *key) {
        let Ok(plan) = session.plan_of(&record) else {
            continue;
        };
        let done = |stamped: Stamped| match stamped.event {
            Event::StepFinished {
                step,
                outcome,
                took,
            } => (outcome.completed == Completed::Done).then_some((step, took)),
            _ => None,
        };
        let events = journal.events(&record.run)?;
        let took = events.into_iter().filter_map(done).collect();
        experience.learn(&record.run, &plan, &took);
    }
    Ok(experience)
}

/// Releases of the templates that runs of a deployment brought, by the digest of their texts: what tells the version of
/// stacks that do not tell it themselves.
pub(crate) fn brought(
    session: &Session<'_>,
    key: &Key,
) -> Result<BTreeMap<Digest, Version>, Failed> {
    let mut brought = BTreeMap::new();
    for record in session.journal()?.runs()? {
        let Ok(plan) = session.plan_of(&record) else {
            continue;
        };
        if record.key != *key || plan.account.is_none() {
            continue;
        }
        for (_, step) in plan.steps() {
            if let Act::Update { update } = &step.act
                && let Some(template) = &update.template
            {
                brought.insert(template.digest.clone(), update.version.clone());
            }
        }
    }
    Ok(brought)
}

/// The newest upgrade of a deployment that was not taken back since.
pub(crate) fn standing_upgrade(
    session: &Session<'_>,
    journal: &Journal,
    key: &Key,
) -> Result<Option<RunRecord>, Failed> {
    let mut standing_upgrades: Vec<RunRecord> = Vec::new();
    for record in journal.runs()?.into_iter().filter(|run| run.key == *key) {
        let Ok(plan) = session.plan_of(&record) else {
            continue;
        };
        match plan.purpose {
            Purpose::Upgrade if changed_something(session, journal, &record)? => {
                standing_upgrades.push(record);
            }
            Purpose::Upgrade
            | Purpose::RollOver(_)
            | Purpose::Rehearsal { .. }
            | Purpose::Recovery { .. } => {}
            Purpose::Rollback { run } => {
                if let Standing::Done { .. } = standing(journal, &record)? {
                    standing_upgrades.retain(|known| known.run != run);
                }
            }
        }
    }
    Ok(standing_upgrades.pop())
}
