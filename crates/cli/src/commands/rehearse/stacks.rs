//! A rehearsal of stacks: what every update would change, and the migrations on copies of databases beside production.
//!
//! ```text
//! plan ─► change sets, computed for it and removed ──────────────────────────────┐
//!      └► copies: what would be made ─► shown, asked for ─► made, migrated ──────┴─► report ─► copies removed
//!                                                           └ the engine, its own journal
//! ```

use std::io::Write as _;
use std::path::Path;

use switchback_engine::ports::Context;
use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::exit::Exit;
use switchback_model::plan::{Act, BackupMethod, Plan};
use switchback_model::rehearsal::{
    Copied, FORMAT, Outcome, Production, Space, Unrehearsed, UpdateSeen,
};
use switchback_model::stack::{ChangeAction, Cloud, REHEARSAL, Replacement};
use switchback_model::{DatastoreName, Problem, Rehearsal, StepNumber};
use switchback_planner::stack::{Copies, Review, bill};

use super::stage::Stage;
use super::walked::{self, Ground, Walked};
use crate::failure::Failed;
use crate::place::deployment;
use crate::question;
use crate::rehearsals::{Marker, Rehearsals, shape};
use crate::render::{rehearsed_stacks as render, waiting};
use crate::session::{Session, now};
use crate::site::Place;
use crate::stacks::{Stacks, reviews};

/// Bytes of a gibibyte.
const GIBIBYTE: u64 = 1 << 30;
/// Milliseconds of a minute.
const MINUTE: u64 = 60_000;

/// Walks the whole way. The copies are left as they are at the end, for the caller to remove.
pub(super) fn through(stage: &Stage<'_>, marker: &mut Marker) -> Result<Rehearsal, Failed> {
    let place = Place::open(stage.session, stage.found, stage.stop.clone())?;
    let Some(stacks) = place.stacks() else {
        return Err(Problem::new(Exit::Bug, "internal", "no stacks were opened").into());
    };
    let before = look(stage, &place, stacks)?;
    let copies = planned(stage, &place, stacks)?;
    let state = stage.state()?;
    let walked = match &copies.plan {
        Some(plan) => {
            ask(stage, stacks, &copies)?;
            stage.go_on()?;
            // On disk before anything is made: enough to remove all of it, whoever comes to do so.
            marker.stack = Some(copies.stack.clone());
            Rehearsals::of(&stage.session.state).mark(marker)?;
            write(&copies)?;
            let ground = Ground {
                state: &state,
                place: &place,
                directory: format!("{}/", stage.deployment().display()),
            };
            Some(walked::walk(stage, &ground, plan)?)
        }
        None => None,
    };
    let mut report = report(stage, &copies, walked.as_ref());
    report.production = compare(&before, &look(stage, &place, stacks)?);
    Ok(report)
}

fn look(stage: &Stage<'_>, place: &Place, stacks: &Stacks) -> Result<Cloud, Failed> {
    let seen = waiting::telling(stage.session.screen, "looking at the stacks", |told| {
        stacks.look(&place.product, told)
    })?;
    Ok(seen.cloud)
}

fn planned(stage: &Stage<'_>, place: &Place, stacks: &Stacks) -> Result<Copies, Failed> {
    let id = stage.id.split('-').next_back().unwrap_or(stage.id);
    let directory = stage.deployment().display().to_string();
    let screen = stage.session.screen;
    let planned = waiting::telling(screen, "looking at what can be copied", |told| {
        stacks.copies(&place.product, stage.plan, id, &directory, told)
    });
    Ok(planned?)
}

/// What it makes costs money: that is shown, and asked for.
fn ask(stage: &Stage<'_>, stacks: &Stacks, copies: &Copies) -> Result<(), Failed> {
    let screen = stage.session.screen;
    if !screen.json() {
        let before = Rehearsals::of(&stage.session.state).latest(stage.plan);
        let lasts = before.map_or(render::Lasts::Hour, |before| {
            render::Lasts::Measured(before.took.div_ceil(MINUTE))
        });
        let bill = bill(&copies.billed, stacks.prices(), lasts.minutes());
        screen.answer(&render::made(copies, &bill, lasts, screen.width));
    }
    let question = format!(
        "Make these beside {}, rehearse, and remove them",
        stage.plan.deployment.name
    );
    let command = format!("switchback rehearse {}", stage.plan.id);
    question::go_ahead(
        stage.session,
        "a rehearsal that makes databases",
        &question,
        &command,
    )
}

/// What the plan reads: nobody else may, for some of it is secret.
fn write(copies: &Copies) -> Result<(), Failed> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    for (path, text) in &copies.files {
        let path = Path::new(path);
        let written = || -> std::io::Result<()> {
            if let Some(directory) = path.parent() {
                let mut builder = std::fs::DirBuilder::new();
                builder.recursive(true).mode(0o700).create(directory)?;
            }
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            options.open(path)?.write_all(text.as_bytes())
        };
        written().map_err(|error| {
            let what = format!("`{}` cannot be written", path.display());
            Problem::new(Exit::Usage, "rehearsal-unwritable", what)
                .cause(error)
                .state("AWS", "nothing was made")
                .hint("make it writable, free space there, or choose another place: --state DIR")
        })?;
    }
    Ok(())
}

fn report(stage: &Stage<'_>, copies: &Copies, walked: Option<&Walked<'_>>) -> Rehearsal {
    let plan = stage.plan;
    let outcome = walked.map_or(Outcome::Succeeded, |walked| walked.outcome(stage).0);
    let copied = copied(copies);
    Rehearsal {
        format: FORMAT,
        id: stage.id.to_owned(),
        plan: plan.id.clone(),
        shape: shape(plan),
        deployment: plan.deployment.clone(),
        from: plan.from.clone(),
        to: plan.to.clone(),
        at: now(),
        took: 0,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        outcome,
        // What users notice of updates of stacks is no sum of steps.
        downtime: None,
        forecast_downtime: plan.forecast.downtime_seconds,
        previous: walked::previous(stage),
        space: Space {
            copy: copied.iter().map(|copied| copied.bytes).sum(),
            ..Space::default()
        },
        copies: copied,
        steps: walked.map_or_else(Vec::new, Walked::measured),
        by_hand: Vec::new(),
        changes: Vec::new(),
        notices: Vec::new(),
        production: Production::default(),
        updates: updates(stage),
        unrehearsed: copies
            .left
            .iter()
            .map(|left| Unrehearsed {
                migration: left.migration.clone(),
                version: left.version.clone(),
                why: left.why.clone(),
            })
            .collect(),
        bounds: Vec::new(),
        left_out: Vec::new(),
        remarks: remarks(copies),
        kept: None,
    }
}

fn copied(copies: &Copies) -> Vec<Copied> {
    let steps = copies.plan.iter().flat_map(Plan::steps);
    steps
        .filter_map(|(_, step)| match &step.act {
            Act::Snapshot { store, .. } => Some(Copied {
                datastore: DatastoreName::new(&store.physical),
                how: "snapshot, restored beside it".to_owned(),
                bytes: store.gibibytes.unwrap_or(0) * GIBIBYTE,
                took: 0,
                method: BackupMethod::Dump,
            }),
            _ => None,
        })
        .collect()
}

fn remarks(copies: &Copies) -> Vec<String> {
    let mut remarks = Vec::new();
    if copies.plan.is_some() {
        remarks.push(
            "the task was told of the copies alone, had no role of its own, and its network let it reach them and port 443"
                .to_owned(),
        );
    }
    if !copies.withheld.is_empty() {
        let names = copies.withheld.join(", ");
        remarks.push(format!(
            "not given to the task, because it leads to production: {names}"
        ));
    }
    remarks
}

/// What the updates of the plan would change, as it was computed for it just now.
fn updates(stage: &Stage<'_>) -> Vec<UpdateSeen> {
    let seen = reviews::of(&stage.session.state, &stage.plan.id);
    seen.iter()
        .map(|(step, review)| update(*step, review))
        .collect()
}

fn update(step: StepNumber, review: &Review) -> UpdateSeen {
    let mut seen = UpdateSeen {
        step,
        stack: review.stack.clone(),
        replaced: Vec::new(),
        removed: Vec::new(),
        others: 0,
        computed: review.provided.is_some(),
        disputed: review
            .disagreements
            .iter()
            .map(|it| it.logical.clone())
            .collect(),
    };
    let mut sort = |logical: &str, action: ChangeAction, replacement: Replacement| match action {
        ChangeAction::Remove => seen.removed.push(logical.to_owned()),
        _ if replacement > Replacement::Never => seen.replaced.push(logical.to_owned()),
        _ => seen.others += 1,
    };
    match &review.provided {
        Some(set) => {
            for change in &set.changes {
                sort(&change.logical, change.action, change.replacement);
            }
        }
        None => {
            for it in &review.predicted {
                sort(&it.change.logical, it.change.action, it.change.replacement);
            }
        }
    }
    seen
}

/// What is different of production, whoever made it so.
fn compare(before: &Cloud, now: &Cloud) -> Production {
    let mut differences = Vec::new();
    // Copies of another rehearsal come and go.
    let of_production = |name: &str| !name.starts_with(REHEARSAL);
    let stacks = || before.stacks.iter().filter(|(name, _)| of_production(name));
    for (name, was) in stacks() {
        match now.stacks.get(name) {
            None => differences.push(format!("stack {name} is gone")),
            Some(is) if is.id != was.id => differences.push(format!("stack {name} was made anew")),
            Some(is)
                if (&is.status, &is.parameters, &is.body, &is.resources)
                    != (&was.status, &was.parameters, &was.body, &was.resources) =>
            {
                differences.push(format!("stack {name} was changed"));
            }
            Some(_) => {}
        }
    }
    for was in &before.tasks {
        let is = now.tasks.iter().find(|is| is.service == was.service);
        if is.is_none_or(|is| is.definition != was.definition) {
            differences.push(format!("service {} was changed", was.service));
        }
    }
    for was in &before.stores {
        if of_production(&was.stack) && !now.stores.contains(was) {
            differences.push(format!("the {} {was} was changed", was.kind.word()));
        }
    }
    Production {
        untouched: differences.is_empty(),
        stacks: stacks().count(),
        differences,
        ..Production::default()
    }
}

/// Removes what rehearsals made of a stack of copies, however far they came.
pub(super) fn remove(session: &Session<'_>, marker: &Marker) -> Result<(), Failed> {
    let unseen = |failed: Failed| -> Failed {
        let mut problem = marker.left("AWS cannot be asked");
        problem.causes.push(failed.problem.what.clone());
        problem.causes.extend(failed.problem.causes.iter().cloned());
        problem
            .hints
            .splice(0..0, failed.problem.hints.iter().cloned());
        problem.into()
    };
    let directory = Rehearsals::of(&session.state).place(&marker.id);
    let state = switchback_journal::StateDirectory::open(directory.join("state"))
        .map_err(|error| error.problem())?;
    let runs = state.journal()?.runs()?;
    if runs.is_empty() {
        return Ok(());
    }
    let found = deployment::find(Some(&marker.directory), &session.state).map_err(unseen)?;
    let stop = StopSignal::default();
    let place = Place::open_quietly(session, &found, stop.clone()).map_err(unseen)?;
    let Some(stacks) = place.stacks() else {
        return Err(marker
            .left("the deployment is no longer one of stacks")
            .into());
    };
    for record in runs {
        let plan = state.plan(&record.plan)?;
        let commands = Commands::new(
            directory.join("children"),
            Redactor::default(),
            stop.clone(),
        );
        let captured = directory.join("captured");
        let cx = Context::outside_steps(&plan, &record.run, &captured, &commands);
        stacks
            .remove_copies(&cx)
            .map_err(|problem| unseen(problem.into()))?;
    }
    Ok(())
}
