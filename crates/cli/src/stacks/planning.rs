//! From an account to a plan: looked at once, templates got once, change sets computed once, built with all of it.

use std::collections::BTreeMap;

use switchback_aws::Wanted;
use switchback_engine::ports::Progress;
use switchback_model::config::AwsKind;
use switchback_model::exit::Exit;
use switchback_model::plan::{Act, Plan};
use switchback_model::product::Product;
use switchback_model::stack::Cloud;
use switchback_model::{Problem, Version};
use switchback_planner::Planned;
use switchback_planner::path::{self, Policy, Query};
use switchback_planner::stack::{
    Input, RecoveryInput, build_reviewed, obstacles, recovery, templates_wanted,
};

use super::answer::{Answer, Asked, Made};
use super::change_sets::computed;
use super::offered::{Got, Places, deployed};
use super::opened::Stacks;
use super::seen;
use crate::failure::Failed;

/// Looks and plans.
pub(super) fn plan(
    stacks: &Stacks,
    product: &Product,
    asked: &Asked<'_>,
    progress: &dyn Progress,
) -> Result<Answer, Failed> {
    let aws = &stacks.aws;
    let wanted = Wanted {
        imports: true,
        // One stack is looked at in a moment; of thirty it is `doctor` that asks.
        drift: aws.kind == AwsKind::Ami,
        ..Wanted::of(aws)
    };
    let observation = stacks.observe(&wanted, progress)?;
    let cloud = &observation.cloud;
    if let Some(plan) = recovery_of(stacks, product, cloud, asked)? {
        let notes = Vec::new();
        return Ok(Answer::Recovery(Box::new(Planned { plan, notes })));
    }
    if let Some((_, problem)) = asked.open {
        return Err(problem.clone().into());
    }
    if let Some(problem) = obstacles(product, aws, cloud).into_iter().next() {
        return Err(problem.into());
    }
    let query = query(stacks, product, cloud, asked)?;
    let path = path::find(product, &query).map_err(|refusal| refusal.to_problem())?;
    if path.is_nothing() {
        return Ok(Answer::NothingToDo(path));
    }
    let wanted = templates_wanted(product, aws, &query, cloud)?;
    let places = Places {
        pattern: aws.templates.as_deref(),
        directory: &stacks.directory,
    };
    let mut got = Got::fetch(&stacks.account, &places, &wanted, progress)?;
    let mut templates = std::mem::take(&mut got.templates);
    templates.extend(deployed(stacks, product, cloud, &observation.texts)?);
    let nothing = BTreeMap::new();
    let input = Input {
        product,
        config: aws,
        url: stacks.config.verify.url.as_deref(),
        query: &query,
        deployment: &stacks.identity(),
        cloud,
        templates: &templates,
        offered: &got.offered,
        change_sets: &nothing,
        parent: asked.parent,
    };
    let (first, _) = build_reviewed(&input).map_err(|problem| got.explained(problem))?;
    let computed = computed(stacks, &first.plan, progress)?;
    let (mut planned, reviews) = build_reviewed(&Input {
        change_sets: &computed.sets,
        ..input
    })?;
    planned.notes.extend(computed.notes);
    refuse_to_migrate(stacks, cloud, &planned.plan)?;
    Ok(Answer::Plan(Box::new(Made {
        planned,
        reviews,
        path,
    })))
}

/// The plan that brings stacks to rest, where one of them is half way back from an update.
fn recovery_of(
    stacks: &Stacks,
    product: &Product,
    cloud: &Cloud,
    asked: &Asked<'_>,
) -> Result<Option<Plan>, Problem> {
    let version = seen::version(stacks, product, cloud);
    recovery(&RecoveryInput {
        product,
        config: &stacks.aws,
        deployment: &stacks.identity(),
        cloud,
        // It stays what it is, whatever that be.
        version: &version.unwrap_or_else(|_| Version::new("unknown")),
        skip: asked.skip,
        run: asked.open.and_then(|(run, _)| run.as_ref()),
        parent: asked.parent,
    })
}

/// Migrations need a machine that is reached, and a database of which there is a snapshot.
fn refuse_to_migrate(stacks: &Stacks, cloud: &Cloud, plan: &Plan) -> Result<(), Problem> {
    let has = |wanted: fn(&Act) -> bool| plan.steps().any(|(_, step)| wanted(&step.act));
    if !has(|act| matches!(act, Act::Migrate { .. })) {
        return Ok(());
    }
    if let Some(problem) = seen::unmanaged(stacks, cloud).into_iter().next() {
        return Err(problem);
    }
    if has(|act| matches!(act, Act::Snapshot { .. })) {
        return Ok(());
    }
    Err(Problem::new(
        Exit::Refused,
        "nothing-to-snapshot",
        "migrations change a database, and no stack here holds one",
    )
    .state("stacks", "unchanged")
    .why("what is migrated is kept by a snapshot first: without one nothing brings the data back")
    .hint("name the database's stack with its template: [aws.stacks] in switchback.toml"))
}

fn query(
    stacks: &Stacks,
    product: &Product,
    cloud: &Cloud,
    asked: &Asked<'_>,
) -> Result<Query, Problem> {
    let from = seen::version(stacks, product, cloud)?;
    let config = &stacks.config;
    let mut images = cloud
        .tasks
        .iter()
        .filter_map(|task| seen::own(product, task));
    let found = images.find_map(|image| seen::edition(product, image));
    let edition = config.edition.as_deref().or(found);
    let to = match asked.to {
        Some(to) => Version::typed(to),
        None => path::next_goal(product, edition, &from),
    };
    let mut query = Query::new(from.as_str(), to.as_str())
        .driver(stacks.aws.kind.driver())
        .policy(Policy::from(&config.policy));
    if let Some(edition) = edition {
        query = query.edition(edition);
    }
    for feature in &config.features {
        query = query.feature(feature);
    }
    Ok(query)
}
