//! From an account to a plan: looked at once, templates got once, change sets computed once, built with all of it.

use std::collections::{BTreeMap, BTreeSet};

use switchback_aws::{Wanted, preview};
use switchback_engine::ports::{Failure, Progress};
use switchback_engine::signal::StopSignal;
use switchback_model::config::AwsKind;
use switchback_model::exit::Exit;
use switchback_model::plan::{Act, Plan};
use switchback_model::product::Product;
use switchback_model::stack::{
    ChangeSet, ChangeSetState, Cloud, ParameterWish, StackUpdate, Template,
};
use switchback_model::{Digest, Problem, Version};
use switchback_planner::path::{self, Policy, Query};
use switchback_planner::stack::{Input, build_reviewed, obstacles, recognise, templates_wanted};
use switchback_planner::{Note, Place, Weight};

use super::answer::{Answer, Asked, Made};
use super::offered::{Got, Places, read};
use super::seen;
use super::served::Stacks;
use crate::failure::{Failed, told};

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

/// The templates that stacks of the product have.
fn deployed(
    stacks: &Stacks,
    product: &Product,
    cloud: &Cloud,
    texts: &BTreeMap<Digest, String>,
) -> Result<BTreeMap<Digest, Template>, Failed> {
    let mut templates = BTreeMap::new();
    for stack in cloud.stacks.values() {
        let ours = recognise(product, &stacks.aws, stack).is_some();
        if !ours || stacks.aws.leave.contains(&stack.name) {
            continue;
        }
        if let Some(text) = texts.get(&stack.body) {
            let name = format!("template of stack {}", stack.name);
            templates.insert(stack.body.clone(), read(&name, text)?);
        }
    }
    Ok(templates)
}

/// What the provider says of the first update of each stack.
#[derive(Debug, Default)]
struct Computed {
    sets: BTreeMap<String, ChangeSet>,
    /// What could not be computed yet.
    notes: Vec<Note>,
}

/// Has change sets computed, and removed again. What only an earlier step makes possible is computed when its turn
/// comes; what fails without such a step is refused now.
fn computed(stacks: &Stacks, plan: &Plan, progress: &dyn Progress) -> Result<Computed, Problem> {
    let mut computed = Computed::default();
    let updates: Vec<&StackUpdate> = first_updates(plan);
    let of = u64::try_from(updates.len()).ok();
    let stop = StopSignal::default();
    for (done, update) in (0_u64..).zip(updates) {
        progress.report("change sets", Some(done), of, None);
        let set = preview(&stacks.account, &stacks.conduct, update, &stop);
        let later = done > 0;
        match set {
            Ok(set) => match &set.state {
                ChangeSetState::Failed { reason } if later && is_about_exports(reason) => {
                    computed.notes.push(not_yet(update, reason));
                }
                ChangeSetState::Failed { reason } => return Err(failed(update, reason)),
                ChangeSetState::Ready | ChangeSetState::Empty => {
                    computed.sets.insert(update.stack.clone(), set);
                }
            },
            Err(failure) => {
                let reason = reason(&failure);
                if !(later && is_about_exports(&reason)) {
                    return Err(told(&failure));
                }
                computed.notes.push(not_yet(update, &reason));
            }
        }
    }
    Ok(computed)
}

/// The first update of each stack, without those that wait for a snapshot of the same run.
fn first_updates(plan: &Plan) -> Vec<&StackUpdate> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut updates = Vec::new();
    for (_, step) in plan.steps() {
        let Act::Update { update } = &step.act else {
            continue;
        };
        let mut wishes = update.parameters.values();
        let waits = wishes.any(|wish| matches!(wish, ParameterWish::Snapshot { .. }));
        if known.insert(&update.stack) && !waits {
            updates.push(update);
        }
    }
    updates
}

/// Exports that do not exist yet, or are in use still: an earlier update changes that.
fn is_about_exports(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    reason.contains("export") || reason.contains("importvalue")
}

fn reason(failure: &Failure) -> String {
    match failure.causes.first() {
        Some(cause) => cause.clone(),
        None => failure.what.clone(),
    }
}

fn not_yet(update: &StackUpdate, reason: &str) -> Note {
    Note {
        place: Place::Plan,
        text: format!(
            "what the update of stack `{}` changes is computed when its turn comes, and held against our prediction then: {reason}",
            update.stack
        ),
        weight: Weight::Warning,
    }
}

fn failed(update: &StackUpdate, reason: &str) -> Problem {
    let stack = &update.stack;
    Problem::new(
        Exit::Refused,
        "change-set-failed",
        format!("CloudFormation refuses the update of stack `{stack}` to {}", update.version),
    )
    .cause(reason)
    .state(format!("stack {stack}"), "unchanged; the change set was removed")
    .hint("correct what it names, in the template or under [aws.parameters] in switchback.toml, then plan again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exports_can_wait_for_an_earlier_step() {
        assert!(is_about_exports("No export named tts-prod-eu1-vpc found"));
        assert!(is_about_exports(
            "Export x cannot be deleted as it is in use by y"
        ));
        assert!(!is_about_exports("Parameters: [X] must have values"));
    }
}
