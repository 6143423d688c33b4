//! The way back of a run that changed stacks: planned from what is there now and from what was kept with the run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use switchback_aws::{Wanted, kept_snapshots, kept_templates};
use switchback_engine::ports::{Context, MigrationTrace, Progress};
use switchback_engine::signal::StopSignal;
use switchback_model::exit::Exit;
use switchback_model::plan::{Act, Stage, Step};
use switchback_model::product::Product;
use switchback_model::stack::TemplatePlace;
use switchback_model::{Digest, MigrationId, Problem, RunId};
use switchback_planner::stack::BackInput;
use switchback_planner::{Note, Place, Planned, Weight};

use super::answer::TakenBack;
use super::change_sets::computed;
use super::offered::{deployed, read};
use super::opened::Stacks;
use crate::failure::{Failed, told};

/// Looks and plans.
pub(super) fn way_back(
    stacks: &Stacks,
    product: &Product,
    taken: &TakenBack<'_>,
    progress: &dyn Progress,
) -> Result<Planned, Failed> {
    let run = &taken.proven.run;
    stacks.must_be_of(taken.plan)?;
    let unknown = refuse_over_migrations(stacks, taken, progress)?;
    let wanted = Wanted {
        imports: true,
        ..Wanted::of(&stacks.aws)
    };
    let observation = stacks.observe(&wanted, progress)?;
    let cloud = &observation.cloud;
    let snapshots = kept_snapshots(&stacks.account, taken.plan, run, taken.backups)
        .map_err(|failure| told(&failure))?;
    let backups: Vec<PathBuf> = taken.backups.values().cloned().collect();
    let texts = kept_templates(&backups, run).map_err(|error| unreadable(run, &error))?;
    let mut templates = deployed(stacks, product, cloud, &observation.texts)?;
    let mut kept: BTreeMap<Digest, TemplatePlace> = BTreeMap::new();
    for (digest, (place, text)) in texts {
        templates.insert(digest.clone(), read(&place.place, &text)?);
        kept.insert(digest, place);
    }
    let nothing = BTreeMap::new();
    let input = BackInput {
        product,
        config: &stacks.aws,
        url: stacks.config.verify.url.as_deref(),
        plan: taken.plan,
        proven: taken.proven,
        cloud,
        templates: &templates,
        kept: &kept,
        snapshots: &snapshots,
        change_sets: &nothing,
    };
    let first = switchback_planner::stack::way_back(&input)?;
    let computed = computed(stacks, &first.plan, progress)?;
    let mut planned = switchback_planner::stack::way_back(&BackInput {
        change_sets: &computed.sets,
        ..input
    })?;
    planned.notes.extend(unknown);
    planned.notes.extend(computed.notes);
    Ok(planned)
}

/// A migration outlives the process that started it. While one runs there is no way back: it would go on changing data
/// under the version of before. Told are those of which nothing can be seen.
fn refuse_over_migrations(
    stacks: &Stacks,
    taken: &TakenBack<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Note>, Problem> {
    let mut unknown = Vec::new();
    for (stage, step) in taken.plan.steps() {
        let Act::Migrate { migration, .. } = &step.act else {
            continue;
        };
        let proven = taken.proven;
        if !proven.begun.contains(&step.number) || proven.finished.contains(&step.number) {
            continue;
        }
        match traced(stacks, taken, progress, stage, step, migration) {
            Some(Ok(MigrationTrace::Running)) => return Err(running(&proven.run, migration)),
            Some(Err(why)) => unknown.push(Note {
                place: Place::Plan,
                text: format!(
                    "whether the migration `{migration}` still runs could not be seen: {why}; see that it has ended before you go on"
                ),
                weight: Weight::Warning,
            }),
            Some(Ok(_)) | None => {}
        }
    }
    Ok(unknown)
}

/// What became of a step's migration; nothing where its round kept nothing.
fn traced(
    stacks: &Stacks,
    taken: &TakenBack<'_>,
    progress: &dyn Progress,
    stage: &Stage,
    step: &Step,
    migration: &MigrationId,
) -> Option<Result<MigrationTrace, String>> {
    let cx = Context {
        plan: taken.plan,
        run: &taken.proven.run,
        step: step.number,
        backups: taken.backups.get(&stage.round)?,
        commands: taken.commands,
        progress,
        stop: &StopSignal::default(),
    };
    let trace = stacks.driver().trace(&cx, migration);
    Some(trace.map_err(|failure| failure.what))
}

fn running(run: &RunId, migration: &MigrationId) -> Problem {
    Problem::new(
        Exit::Refused,
        "migration-running",
        format!("the migration `{migration}` of `{run}` still runs"),
    )
    .state("stacks", "unchanged by this command")
    .why("it would go on changing data while the version before comes back")
    .hint(format!("let it end and go on: `switchback resume {run}`"))
    .hint(format!(
        "or end it (`aws ecs stop-task`, `aws ssm cancel-command`), then `switchback rollback {run}`"
    ))
}

fn unreadable(run: &RunId, error: &std::io::Error) -> Problem {
    Problem::new(
        Exit::Refused,
        "templates-unreadable",
        format!("the templates that `{run}` kept cannot be read"),
    )
    .caused_by(error)
    .state("stacks", "unchanged")
    .hint(format!(
        "correct the permissions, then `switchback rollback {run}`"
    ))
}
