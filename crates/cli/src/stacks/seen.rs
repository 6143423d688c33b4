//! An account as every other kind of deployment is told of: version, services, what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::config::AwsKind;
use switchback_model::exit::Exit;
use switchback_model::observed::{Observed, Service, ServiceState};
use switchback_model::product::Product;
use switchback_model::stack::{Cloud, Machine, Stack, Task};
use switchback_model::{Problem, ServiceName, Version};
use switchback_planner::stack::{obstacles, recognise};

use super::opened::Stacks;

/// What was found, in the words of every deployment. What is in the way of a plan is among its problems.
pub(super) fn observed(stacks: &Stacks, product: &Product, cloud: &Cloud) -> Observed {
    let mut problems = obstacles(product, &stacks.aws, cloud);
    let version = match version(stacks, product, cloud) {
        Ok(version) => version,
        Err(problem) => {
            problems.push(problem);
            Version::new("unknown")
        }
    };
    problems.extend(unmanaged(stacks, cloud));
    Observed {
        deployment: stacks.identity(),
        version,
        services: cloud
            .tasks
            .iter()
            .map(|task| service(product, task))
            .collect(),
        files: Vec::new(),
        version_places: Vec::new(),
        datastores: Vec::new(),
        filesystems: Vec::new(),
        probes: BTreeMap::new(),
        problems,
    }
}

/// The version in use: what services run, else what a stack tells of its template, else what this deployment's own
/// runs brought, else what the operator says.
pub(super) fn version(
    stacks: &Stacks,
    product: &Product,
    cloud: &Cloud,
) -> Result<Version, Problem> {
    let run: BTreeSet<Version> = cloud
        .tasks
        .iter()
        .filter_map(|task| own(product, task))
        .map(|image| of_tag(product, tag(image)))
        .collect();
    let said = stacks.aws.version.clone();
    match (run.len(), said) {
        (1, _) => run.into_iter().next().ok_or_else(unknown),
        (0, said) => told(stacks, product, cloud).or(said).ok_or_else(unknown),
        (_, Some(said)) => Ok(said),
        (_, None) => Err(several(product, cloud, &run)),
    }
}

/// What stacks tell themselves, first of all the one that migrations are run from.
fn told(stacks: &Stacks, product: &Product, cloud: &Cloud) -> Option<Version> {
    let of = |stack: &&Stack| recognise(product, &stacks.aws, stack);
    let runs_migrations =
        |stack: &&Stack| of(stack).is_some_and(|template| template.migrations.is_some());
    let mut known: Vec<&Stack> = cloud
        .stacks
        .values()
        .filter(|stack| of(stack).is_some())
        .collect();
    known.sort_by_key(|stack| !runs_migrations(stack));
    let output = product.version_output.as_ref();
    let tag = output.and_then(|output| {
        let mut told = known.iter().filter_map(|stack| stack.outputs.get(output));
        told.next().map(|output| output.value.as_str())
    });
    let brought = || {
        known
            .iter()
            .find_map(|stack| stacks.brought.get(&stack.body))
    };
    tag.map(|tag| of_tag(product, tag))
        .or_else(|| brought().cloned())
}

fn unknown() -> Problem {
    Problem::new(
        Exit::Refused,
        "version-unknown",
        "nothing tells which version these stacks run",
    )
    .state("stacks", "unchanged")
    .hint("say it: version = \"V\" under [aws] in switchback.toml")
}

fn several(product: &Product, cloud: &Cloud, run: &BTreeSet<Version>) -> Problem {
    let named: Vec<&str> = run.iter().map(Version::as_str).collect();
    let mut problem = Problem::new(
        Exit::Refused,
        "versions-differ",
        format!("the services run several versions: {}", named.join(", ")),
    );
    for task in &cloud.tasks {
        if let Some(image) = own(product, task) {
            problem = problem.state(name(task), image);
        }
    }
    problem
        .why("from where an upgrade begins decides which migrations are run")
        .hint("finish the earlier upgrade, or say where it began: version = \"V\" under [aws] in switchback.toml")
}

/// A single machine that no command reaches: migrations could not be run there.
pub(super) fn unmanaged(stacks: &Stacks, cloud: &Cloud) -> Vec<Problem> {
    if stacks.aws.kind != AwsKind::Ami {
        return Vec::new();
    }
    cloud
        .machines
        .iter()
        .filter(|machine| machine.managed == Some(false))
        .map(unreached)
        .collect()
}

fn unreached(machine: &Machine) -> Problem {
    Problem::new(
        Exit::Refused,
        "machine-unmanaged",
        format!(
            "Systems Manager does not reach `{}`, the machine of stack `{}`",
            machine.id, machine.stack
        ),
    )
    .state(machine.id.as_str(), machine.state.as_str())
    .why("migrations are run there, with the program that is on it")
    .hint("give the machine a role with AmazonSSMManagedInstanceCore, and see that its agent runs")
}

fn service(product: &Product, task: &Task) -> Service {
    let image = own(product, task).or_else(|| Some(task.containers.first()?.image.as_str()));
    Service {
        name: ServiceName::new(name(task)),
        component: own(product, task).is_some(),
        image: image.unwrap_or_default().to_owned(),
        running: None,
        state: match (task.desired, task.running) {
            (0, _) => ServiceState::Stopped,
            (_, 0) => ServiceState::Restarting,
            _ => ServiceState::Running,
        },
        replicas: task.running,
        published: BTreeMap::new(),
    }
}

/// `prod-5-4-ecs-services/ASService`
fn name(task: &Task) -> String {
    format!("{}/{}", task.stack, task.logical)
}

/// The product's own image among a service's containers.
pub(super) fn own<'t>(product: &Product, task: &'t Task) -> Option<&'t str> {
    let mut images = task.containers.iter().map(|it| it.image.as_str());
    images.find(|image| edition(product, image).is_some())
}

/// The edition that an image belongs to.
pub(super) fn edition<'p>(product: &'p Product, image: &str) -> Option<&'p str> {
    let bare = image.split('@').next().unwrap_or(image);
    let repository = match bare.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => bare,
    };
    let is_it = |known: &String| repository == known || repository.ends_with(&format!("/{known}"));
    let mut editions = product.editions.iter();
    editions
        .find(|edition| edition.images.iter().any(is_it))
        .map(|edition| edition.id.as_str())
}

fn tag(image: &str) -> &str {
    let bare = image.split('@').next().unwrap_or(image);
    bare.rsplit_once(':').map_or("", |(_, tag)| tag)
}

/// The release that a tag names: `v3.30.0` and `3.30.0-aws` are 3.30.0, unless there is a release of that very name.
fn of_tag(product: &Product, tag: &str) -> Version {
    let bare = tag.strip_prefix('v').unwrap_or(tag);
    let is_release = |text: &str| {
        let mut releases = product.releases.iter();
        releases.any(|release| release.version.as_str() == text)
    };
    let short = bare.split('-').next().unwrap_or(bare);
    match is_release(bare) {
        true => Version::new(bare),
        false => Version::new(short),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::definitions;

    #[test]
    fn a_tag_is_a_release_with_or_without_ornament() {
        let product = definitions::find(None, "the-things-stack")
            .and_then(|definition| definition.load())
            .expect("it is in the catalog");
        for tag in ["3.30.0", "v3.30.0", "3.30.0-aws"] {
            assert_eq!(of_tag(&product, tag).as_str(), "3.30.0", "{tag}");
        }
        let image = "registry:5000/thethingsindustries/lorawan-stack:3.30.0";
        assert_eq!(edition(&product, image), Some("enterprise"));
        assert_eq!(edition(&product, "amazon/aws-for-fluent-bit:2"), None);
        assert_eq!(tag(image), "3.30.0");
    }

    #[test]
    fn a_machine_that_no_command_reaches_is_told_with_what_makes_it_reachable() {
        let problem = unreached(&Machine {
            stack: "tts".to_owned(),
            logical: "Instance".to_owned(),
            id: "i-0a1b".to_owned(),
            state: "running".to_owned(),
            launch: switchback_model::stack::Launch::default(),
            managed: Some(false),
        });
        assert_eq!(
            problem.what,
            "Systems Manager does not reach `i-0a1b`, the machine of stack `tts`"
        );
        assert_eq!(problem.state[0].seen.as_deref(), Some("running"));
        assert!(problem.hints[0].contains("AmazonSSMManagedInstanceCore"));
    }
}
