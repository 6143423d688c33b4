//! A run that a rehearsal walks: by the engine that upgrades production, in a journal of its own, heard to its end.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use switchback_engine::{Ended, Engine, HAND_WORK, Listener, Order};
use switchback_journal::{Outputs, StateDirectory};
use switchback_model::event::{Event, Stamped};
use switchback_model::exit::Exit;
use switchback_model::plan::{Act, Plan};
use switchback_model::rehearsal::{ByHand, Measured, Outcome, Previous};
use switchback_model::{Problem, RunId, StepNumber};

use super::by_hand::{self, Passed};
use super::stage::Stage;
use crate::execution::by;
use crate::failure::Failed;
use crate::rehearsals::Rehearsals;
use crate::render::live::Live;
use crate::render::step as step_text;
use crate::site::Place;

/// Lines of a migration's output that a report keeps from its end.
const LAST_LINES: usize = 8;

/// Where a rehearsal walks.
pub(super) struct Ground<'g> {
    /// A journal, plans and backups of its own.
    pub(super) state: &'g StateDirectory,
    /// What is changed.
    pub(super) place: &'g Place,
    /// What names of files begin with that mean nothing to anybody, with a final slash.
    pub(super) directory: String,
}

/// What a run on the copy came to.
pub(super) struct Walked<'p> {
    plan: &'p Plan,
    pub(super) run: RunId,
    events: Vec<Stamped>,
    passed: Passed,
    outputs: Outputs,
}

/// Walks `plan` to its end, or to where it halts.
pub(super) fn walk<'p>(
    stage: &Stage<'_>,
    ground: &Ground<'_>,
    plan: &'p Plan,
) -> Result<Walked<'p>, Failed> {
    let state = ground.state;
    state.save_plan(plan)?;
    let run = state.new_run(&state.journal()?)?;
    let deployment = ground.place.identity();
    let site = ground.place.site(plan)?;
    let outputs = state.outputs(&run);
    let live = Live::new(
        stage.session.screen,
        plan,
        outputs.clone(),
        stage.stop.clone(),
    );
    let listening = Listening {
        live: &live,
        plan,
        directory: &ground.directory,
        json: stage.session.screen.json(),
        heard: Mutex::default(),
    };
    let engine = Engine::new(
        state.clone(),
        ground.place.redactor().clone(),
        stage.stop.clone(),
    );
    let accepted: Vec<String> = plan
        .notices
        .iter()
        .filter_map(|notice| notice.accept.clone())
        .collect();
    let by = by();
    let go = |done: &[StepNumber]| {
        let order = Order {
            plan,
            run: &run,
            deployment: &deployment,
            accepted: &accepted,
            done,
            by: &by,
            program: env!("CARGO_PKG_VERSION"),
        };
        let ended = live.during(|| engine.run(&order, &site, &listening));
        ended.map_err(Failed::from)
    };
    let passed = by_hand::pass(plan, go, || Ok::<_, Failed>(state.journal()?.state(&run)?))?;
    stage.go_on()?;
    let events = listening
        .heard
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(Walked {
        plan,
        run,
        events,
        passed,
        outputs,
    })
}

/// Shows what happens on the copy as it is shown in production, but for what only production can be told.
struct Listening<'a> {
    live: &'a Live<'a>,
    plan: &'a Plan,
    /// Of the copy, with a final slash.
    directory: &'a str,
    json: bool,
    heard: Mutex<Vec<Stamped>>,
}

impl Listening<'_> {
    /// The copy's files are called as those of the original: by their names.
    fn within(&self, stamped: &Stamped) -> Stamped {
        let mut stamped = stamped.clone();
        if let Event::StepFinished { step, outcome, .. } = &mut stamped.event {
            let told = by_hand::summary(self.plan.step(*step), outcome);
            outcome.summary = told.replace(self.directory, "");
        }
        stamped
    }
}

impl Listener for Listening<'_> {
    fn hear(&self, stamped: &Stamped) {
        let of_production = matches!(
            stamped.event,
            Event::RunStarted { .. } | Event::RunHalted { .. } | Event::RunFinished { .. }
        );
        if self.json {
            self.live.hear(stamped);
        } else if !of_production {
            self.live.hear(&self.within(stamped));
        }
        if !matches!(stamped.event, Event::Progress { .. }) {
            self.heard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(stamped.clone());
        }
    }
}

impl Walked<'_> {
    /// How it ended, and the milliseconds without service where it came to its end.
    pub(super) fn outcome(&self, stage: &Stage<'_>) -> (Outcome, Option<u64>) {
        let by_hand = &self.passed.by_hand;
        let problem = match &self.passed.ended {
            Ended::Finished { downtime } => return (Outcome::Succeeded, Some(*downtime)),
            Ended::Halted(problem) if problem.code == HAND_WORK => {
                return (by_hand::stopped(self.plan, by_hand), None);
            }
            Ended::Halted(problem) => problem,
        };
        let mut events = self.events.iter().rev();
        let step = events.find_map(|stamped| match stamped.event {
            Event::AttemptFailed { step, .. } => Some(step),
            _ => None,
        });
        let problem = failed(stage, self.plan, problem, step);
        let problem = by_hand::suspected(problem, by_hand);
        (Outcome::Failed { step, problem }, None)
    }

    /// Work for people that it came to.
    pub(super) fn by_hand(&self) -> Vec<ByHand> {
        self.passed.by_hand.clone()
    }

    /// What each step took and said.
    pub(super) fn measured(&self) -> Vec<Measured> {
        measured(self.plan, self)
    }
}

/// The last rehearsal of these steps that came to its end.
pub(super) fn previous(stage: &Stage<'_>) -> Option<Previous> {
    let before = Rehearsals::of(&stage.session.state).latest(stage.plan)?;
    Some(Previous {
        downtime: before.downtime?,
        id: before.id,
    })
}

/// The engine's problem as that of a rehearsal: nothing is to be resumed or taken back.
fn failed(stage: &Stage<'_>, plan: &Plan, problem: &Problem, step: Option<StepNumber>) -> Problem {
    let what = match step.and_then(|number| plan.step(number)) {
        Some(step) if !problem.what.contains("step ") => format!(
            "step {} `{}` failed on the copy: {}",
            step.number,
            plan.verb(&step.act),
            problem.what
        ),
        _ => format!("the upgrade halted on the copy: {}", problem.what),
    };
    let mut told =
        Problem::new(Exit::Halted, "rehearsal-failed", what).state("production", "as it was");
    told.causes.clone_from(&problem.causes);
    told.facts.clone_from(&problem.facts);
    told.why.clone_from(&problem.why);
    told.hints = problem
        .hints
        .iter()
        .filter(|hint| {
            !["resume", "rollback", "switchback log"]
                .iter()
                .any(|word| hint.contains(word))
        })
        .cloned()
        .collect();
    told.hint(format!(
        "what every step did and said: `switchback rehearse --show {}`",
        stage.id
    ))
    .hint(format!(
        "keep the copy to look into it: `switchback rehearse {} --keep`",
        stage.plan.id
    ))
}

fn measured(plan: &Plan, walked: &Walked<'_>) -> Vec<Measured> {
    let mut began: BTreeMap<StepNumber, u64> = BTreeMap::new();
    let mut steps = Vec::new();
    for stamped in &walked.events {
        let (number, took, summary, output) = match &stamped.event {
            Event::StepStarted { step, .. } => {
                began.insert(*step, stamped.at);
                continue;
            }
            Event::StepFinished {
                step,
                outcome,
                took,
            } => (
                *step,
                *took,
                by_hand::summary(plan.step(*step), outcome),
                outcome.output.as_ref(),
            ),
            Event::AttemptFailed {
                step,
                problem,
                output,
                ..
            } => {
                let since = began.get(step).copied().unwrap_or(stamped.at);
                let took = stamped.at.saturating_sub(since);
                (*step, took, problem.what.clone(), output.as_ref())
            }
            _ => continue,
        };
        let Some(step) = plan.step(number) else {
            continue;
        };
        let printed = output.and_then(|digest| walked.outputs.read(digest).ok().flatten());
        let lines: Vec<&str> = printed
            .as_deref()
            .unwrap_or_default()
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let is_migration = matches!(step.act, Act::Migrate { .. });
        let log = if is_migration {
            excerpt(&lines)
        } else {
            Vec::new()
        };
        steps.push(Measured {
            step: number,
            act: plan.verb(&step.act).to_owned(),
            what: step_text::brief(plan, &step.act),
            downtime: step.downtime,
            took,
            summary,
            log,
            log_lines: if is_migration { lines.len() } else { 0 },
        });
    }
    steps
}

/// The end of what a migration printed, and every line before that speaks of something wrong.
fn excerpt(lines: &[&str]) -> Vec<String> {
    let end = lines.len().saturating_sub(LAST_LINES);
    let alarming = |line: &str| {
        let line = line.to_lowercase();
        ["error", "warn", "fail", "fatal", "panic"]
            .iter()
            .any(|word| line.contains(word))
    };
    let before = lines[..end]
        .iter()
        .filter(|line| alarming(line))
        .take(LAST_LINES);
    before
        .chain(&lines[end..])
        .map(|line| (*line).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_the_end_and_what_went_wrong_before() {
        let lines: Vec<String> = (0..20)
            .map(|number| match number {
                3 => "WARN slow index".to_owned(),
                other => format!("line {other}"),
            })
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let kept = excerpt(&lines);
        assert_eq!(kept.len(), LAST_LINES + 1);
        assert_eq!(
            (kept[0].as_str(), kept[8].as_str()),
            ("WARN slow index", "line 19")
        );
    }
}
