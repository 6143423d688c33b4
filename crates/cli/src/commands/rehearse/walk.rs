//! From a plan to a report: the copy is made, planned for, and upgraded by the engine that upgrades production.

use switchback_engine::ports::Context;
use switchback_journal::Journal;
use switchback_model::exit::Exit;
use switchback_model::plan::{Check, Plan};
use switchback_model::rehearsal::{FORMAT, Space};
use switchback_model::{Problem, Rehearsal, RunId};

use super::copying::{self, Copy};
use super::findings;
use super::parting::parted;
use super::space::{self, Watch};
use super::stage::Stage;
use super::walked::{self, Ground, Walked};
use crate::commands::plan::{self, Answer, Goal};
use crate::failure::Failed;
use crate::rehearsals::{Marker, Rehearsals, shape};
use crate::session::now;
use crate::site::Place;

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
    let walked = walked::walk(
        stage,
        &Ground {
            state: &copy.session.state,
            place: &copy.place,
            directory: format!("{}/", copy.found.directory.display()),
        },
        &planned,
    )?;
    let most = watch.most().saturating_sub(copied);
    let mut report = report(stage, &copy, &walked);
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
    report.production = production.compare(stage, &original);
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
        Ok(Answer::NothingToDo(_) | Answer::Recovery(_)) => {
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
    let captured = stage.captured();
    let cx = Context::outside_steps(plan, &run, &captured, &commands);
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

fn report(stage: &Stage<'_>, copy: &Copy<'_>, walked: &Walked<'_>) -> Rehearsal {
    let (outcome, downtime) = walked.outcome(stage);
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
        previous: walked::previous(stage),
        copies: copy.copies.clone(),
        steps: walked.measured(),
        by_hand: walked.by_hand(),
        space: Space::default(),
        changes: Vec::new(),
        updates: Vec::new(),
        unrehearsed: Vec::new(),
        notices: Vec::new(),
        production: Default::default(),
        bounds: copy.bounds.clone(),
        left_out: copy.blueprint.left_out.clone(),
        remarks: copy.blueprint.remarks.clone(),
        kept: None,
    }
}
