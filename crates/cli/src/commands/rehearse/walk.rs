//! From a plan to a report: the copy is made, planned for, and upgraded by the engine that upgrades production.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use switchback_engine::ports::Context;
use switchback_engine::{Ended, Engine, HAND_WORK, Listener, Order};
use switchback_journal::{Journal, Outputs};
use switchback_model::event::{Event, Stamped};
use switchback_model::exit::Exit;
use switchback_model::plan::{Act, Check, Plan};
use switchback_model::rehearsal::{FORMAT, Measured, Outcome, Previous, Space};
use switchback_model::{Problem, Rehearsal, RunId, StepNumber};

use super::by_hand::Passed;
use super::copying::{self, Copy, Silent};
use super::parting::parted;
use super::space::{self, Watch};
use super::stage::Stage;
use super::{by_hand, findings};
use crate::commands::plan::{self, Answer, Goal};
use crate::execution::by;
use crate::failure::Failed;
use crate::rehearsals::{Marker, Rehearsals, shape};
use crate::render::live::Live;
use crate::render::step as step_text;
use crate::session::now;
use crate::site::Place;

/// Lines of a migration's output that a report keeps from its end.
const LAST_LINES: usize = 8;

/// Walks the whole way. The copy is left as it is at the end, for the caller to remove.
pub(super) fn through(
    stage: &Stage<'_>,
    journal: &Journal,
    marker: &mut Marker,
) -> Result<Rehearsal, Failed> {
    let original = Place::open(stage.session, stage.found, Default::default())?;
    let observed = original.observe(stage.session)?;
    let blueprint = original.blueprint(&switchback_drivers::compose::copy::Request {
        rehearsal: stage.id,
        directory: &stage.deployment(),
        plan: stage.plan,
        observed: &observed,
        outbound: stage.outbound,
    })?;
    marker.project = Some(blueprint.project.clone());
    Rehearsals::of(&stage.session.state).mark(marker)?;
    let production = findings::Production::look(stage, &original, &observed)?;
    let took = copying::take(stage, journal, &original, &blueprint)?;
    let copy = copying::start(stage, blueprint, &took)?;
    let planned = plan_again(stage, &copy)?;
    healthy(stage, &copy, &planned)?;
    let before = findings::Shapes::read(stage, &copy, &planned)?;
    let copied = space::used(&stage.place);
    let watch = Watch::begin(&stage.place);
    let walked = walk(stage, &copy, &planned)?;
    let most = watch.most().saturating_sub(copied);
    let mut report = report(stage, &copy, &planned, &walked);
    report.space = Space {
        copy: copied,
        most,
        forecast: space::forecast(stage.plan),
    };
    if report.succeeded() {
        stage.go_on()?;
        report.changes = findings::changes(stage, &copy, &planned, &walked.run, &before)?;
        report.notices = findings::notices(stage.plan, &report.changes, &copy.place.product);
    }
    report.production = production.compare(stage, &original)?;
    Ok(report)
}

/// Plans on the copy: the same steps must come out, or the copy is none.
fn plan_again(stage: &Stage<'_>, copy: &Copy<'_>) -> Result<Plan, Failed> {
    stage.go_on()?;
    let began = std::time::Instant::now();
    let found = copy.found.clone().with_engines_of(stage.plan);
    let goal = Goal::Version(stage.plan.to.as_str());
    let planned = match plan::make(&copy.session, &found, &copy.place, goal) {
        Ok(Answer::Plan(made)) => made.plan,
        Ok(Answer::NothingToDo(_)) => {
            return Err(unlike("the copy is at that version already").into());
        }
        Err(failed) => {
            let mut problem = unlike("no plan can be made for the copy");
            problem.causes.push(failed.problem.what.clone());
            problem.causes.extend(failed.problem.causes.iter().cloned());
            return Err(problem.into());
        }
    };
    let (wanted, found) = (
        switchback_planner::shape(stage.plan),
        switchback_planner::shape(&planned),
    );
    if wanted != found {
        let problem = unlike(&format!(
            "another plan comes out on the copy than `{}`",
            stage.plan.id
        ));
        return Err(parted(problem, &wanted, &found).into());
    }
    let steps = planned.steps().count();
    stage.did(
        "plan",
        "the copy",
        began.elapsed(),
        &format!("the same {steps} steps come out"),
    );
    Ok(planned)
}

fn unlike(what: &str) -> Problem {
    Problem::new(Exit::Halted, "rehearsal-unlike", what)
        .state("production", "as it was")
        .why("what is rehearsed must be what will be done, step by step")
        .hint("look at both: `switchback plan --explain`, and `switchback rehearse --keep` keeps the copy")
}

/// The copy does what production does, before anything is done to it.
fn healthy(stage: &Stage<'_>, copy: &Copy<'_>, plan: &Plan) -> Result<(), Failed> {
    stage.go_on()?;
    let commands = stage.commands(copy.place.redactor());
    let run = RunId::new(stage.id);
    let cx = Context {
        plan,
        run: &run,
        step: StepNumber(0),
        backups: &stage.captured(),
        commands: &commands,
        progress: &Silent,
        stop: stage.stop,
    };
    let health: Vec<&Check> = plan
        .origin
        .checks
        .iter()
        .filter(|check| matches!(check, Check::Health { .. }))
        .collect();
    if health.is_empty() {
        return Ok(());
    }
    let driver = copy.place.driver();
    stage.act("look", "the copy", || {
        for check in &health {
            driver.check(&cx, check).map_err(|failure| {
                let mut problem = Problem::new(
                    Exit::Halted,
                    "rehearsal-start",
                    format!("the copy does not run as production does: {}", failure.what),
                )
                .state("production", "as it was");
                problem.causes = failure.causes;
                if !stage.outbound {
                    problem = problem.hint("where it must reach something outside: `switchback rehearse --allow-outbound`");
                }
                Failed::from(problem.hint("keep the copy to look into it: `switchback rehearse --keep`"))
            })?;
        }
        Ok::<_, Failed>(((), format!("healthy at {}", plan.from)))
    })?;
    Ok(())
}

/// What a run on the copy came to.
pub(super) struct Walked {
    pub(super) run: RunId,
    events: Vec<Stamped>,
    passed: Passed,
    outputs: Outputs,
}

fn walk(stage: &Stage<'_>, copy: &Copy<'_>, plan: &Plan) -> Result<Walked, Failed> {
    let state = &copy.session.state;
    state.save_plan(plan)?;
    let run = state.new_run(&state.journal()?)?;
    let deployment = copy.place.identity();
    let site = copy.place.site(plan)?;
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
        directory: format!("{}/", copy.found.directory.display()),
        json: stage.session.screen.json(),
        heard: Mutex::default(),
    };
    let engine = Engine::new(
        state.clone(),
        copy.place.redactor().clone(),
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
    directory: String,
    json: bool,
    heard: Mutex<Vec<Stamped>>,
}

impl Listening<'_> {
    /// The copy's files are called as those of the original: by their names.
    fn within(&self, stamped: &Stamped) -> Stamped {
        let mut stamped = stamped.clone();
        if let Event::StepFinished { step, outcome, .. } = &mut stamped.event {
            let told = by_hand::summary(self.plan.step(*step), outcome);
            outcome.summary = told.replace(&self.directory, "");
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

fn report(stage: &Stage<'_>, copy: &Copy<'_>, plan: &Plan, walked: &Walked) -> Rehearsal {
    let by_hand = &walked.passed.by_hand;
    let (outcome, downtime) = match &walked.passed.ended {
        Ended::Finished { downtime } => (Outcome::Succeeded, Some(*downtime)),
        Ended::Halted(problem) if problem.code == HAND_WORK => {
            (by_hand::stopped(plan, by_hand), None)
        }
        Ended::Halted(problem) => {
            let step = walked
                .events
                .iter()
                .rev()
                .find_map(|stamped| match stamped.event {
                    Event::AttemptFailed { step, .. } => Some(step),
                    _ => None,
                });
            let problem = failed(stage, problem, step);
            let problem = by_hand::suspected(problem, by_hand);
            (Outcome::Failed { step, problem }, None)
        }
    };
    Rehearsal {
        format: FORMAT,
        id: stage.id.to_owned(),
        plan: stage.plan.id.clone(),
        shape: shape(stage.plan),
        deployment: stage.plan.deployment.clone(),
        from: stage.plan.from.clone(),
        to: stage.plan.to.clone(),
        at: now(),
        took: 0,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        outcome,
        downtime,
        forecast_downtime: stage.plan.forecast.downtime_seconds,
        previous: previous(stage),
        copies: copy.copies.clone(),
        steps: measured(plan, walked),
        by_hand: by_hand.clone(),
        space: Space::default(),
        changes: Vec::new(),
        notices: Vec::new(),
        production: Default::default(),
        bounds: copy.bounds.clone(),
        left_out: copy.blueprint.left_out.clone(),
        remarks: copy.blueprint.remarks.clone(),
        kept: None,
    }
}

/// The last rehearsal of these steps that came to its end.
fn previous(stage: &Stage<'_>) -> Option<Previous> {
    let before = Rehearsals::of(&stage.session.state).latest(stage.plan)?;
    Some(Previous {
        downtime: before.downtime?,
        id: before.id,
    })
}

/// The engine's problem as that of a rehearsal: nothing is to be resumed or taken back.
fn failed(stage: &Stage<'_>, problem: &Problem, step: Option<StepNumber>) -> Problem {
    let what = match step.and_then(|number| stage.plan.step(number)) {
        Some(step) if !problem.what.contains("step ") => format!(
            "step {} `{}` failed on the copy: {}",
            step.number,
            stage.plan.verb(&step.act),
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

fn measured(plan: &Plan, walked: &Walked) -> Vec<Measured> {
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
