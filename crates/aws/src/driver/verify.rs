//! Looking from outside at what stacks made.

use std::collections::BTreeMap;
use std::time::Duration;

use switchback_engine::ports::{Context, Failure};
use switchback_model::ServiceName;
use switchback_model::event::{Completed, Outcome};
use switchback_model::observed::ImagePin;
use switchback_model::plan::Check;
use switchback_model::stack::Stack;
use ureq::Agent;

use super::not_here;
use crate::account::Account;
use crate::fault::Fault;
use crate::machines;
use crate::services::{self, Running};
use crate::stacks::{drift, read};
use crate::waiting::Pace;

/// Tasks of a new deployment that may end before it counts as failed: one may lose its host.
const FAILED_TASKS: i32 = 3;
/// Looks without any movement after which a service will not become steady any more: ten minutes at the slowest pace.
const STANDSTILL: u32 = 120;
/// Looks at an address before it counts as not answering: five minutes at the slowest pace.
const UNHEALTHY: u32 = 60;

pub(super) fn check(
    cx: &Context<'_>,
    account: &Account,
    check: &Check,
) -> Result<Outcome, Failure> {
    match check {
        Check::Stable { images } => stable(cx, account, images),
        Check::AsTemplate { stack, logical } => as_template(cx, account, stack, logical),
        Check::Machine {
            stack,
            logical,
            meanwhile,
        } => machine(cx, account, stack, logical, meanwhile.as_deref()),
        Check::Health {
            url: Some(url),
            path,
            ..
        } => healthy(cx, account, &format!("{}{path}", url.trim_end_matches('/'))),
        Check::Health { service, .. } => Err(Failure::new(
            "no-address",
            format!("nobody says where `{service}` is reached"),
        )
        .state("services", "were not looked at")
        .hint("set the address of the deployment, then plan again")),
        _ => Err(not_here("this check")),
    }
}

/// Waits, by progress, until every service of the stacks is steady and runs the image.
fn stable(
    cx: &Context<'_>,
    account: &Account,
    images: &BTreeMap<ServiceName, ImagePin>,
) -> Result<Outcome, Failure> {
    let failed = |fault: Fault| fault.failure("cannot look at the services");
    let mut stacks = Vec::new();
    for name in images.keys() {
        let stack = read::one(account, name.as_str())
            .map_err(failed)?
            .ok_or_else(|| {
                Failure::new("stack-missing", format!("there is no stack `{name}`"))
                    .state(name.as_str(), "is gone")
                    .hint("plan again")
            })?;
        stacks.push(stack);
    }
    let stacks = read::resources(account, stacks).map_err(failed)?;
    let mut pace = Pace::new(cx.stop);
    let (mut last, mut still) = (String::new(), 0);
    loop {
        let running = services::of_stacks(account, &stacks).map_err(failed)?;
        for (stack, image) in images {
            run_image(&running, stack.as_str(), image)?;
        }
        let waiting: Vec<&Running> = running.iter().filter(|one| !is_steady(one)).collect();
        if waiting.is_empty() {
            let summary = format!("{} services are steady", running.len());
            return Ok(Outcome::told(Completed::Done, summary));
        }
        waiting.iter().try_for_each(|one| gets_anywhere(one))?;
        let seen: Vec<String> = waiting.iter().map(|one| words(one)).collect();
        let seen = seen.join(", ");
        if seen == last {
            still += 1;
            if still == STANDSTILL {
                return Err(standstill(&waiting));
            }
        } else {
            still = 0;
            pace.quicken();
        }
        cx.progress.report(&seen, None, None, None);
        last = seen;
        pace.pause("the services")?;
    }
}

/// Compares resources that were left out with what their stack's template says. What CloudFormation cannot compare is told.
fn as_template(
    cx: &Context<'_>,
    account: &Account,
    stack: &str,
    logical: &[String],
) -> Result<Outcome, Failure> {
    let found = drift::of_resources(account, stack, logical, cx.stop)?;
    let unlike: Vec<&drift::Compared> = found.iter().filter(|it| it.unlike.is_some()).collect();
    if unlike.is_empty() {
        let blind: Vec<&str> = found
            .iter()
            .filter(|it| !it.compared)
            .map(|it| it.logical.as_str())
            .collect();
        let summary = match blind.as_slice() {
            [] => format!("{} of `{stack}`: as the template says", logical.join(", ")),
            blind => format!(
                "`{stack}`: CloudFormation cannot compare {}; see for yourself that it is as the template says",
                blind.join(", ")
            ),
        };
        return Ok(Outcome::told(Completed::Done, summary));
    }
    let names: Vec<&str> = unlike.iter().map(|it| it.logical.as_str()).collect();
    let failure = Failure::new(
        "not-as-template",
        format!(
            "what was left out of the way back of `{stack}` is not as its template says: {}",
            names.join(", ")
        ),
    )
    .state(
        stack,
        "the update is taken back; nothing was changed by this step",
    );
    let failure = unlike.iter().fold(failure, |failure, it| {
        failure.state(&it.logical, it.unlike.as_deref().unwrap_or_default())
    });
    Err(failure
        .hint("bring it by hand to what the template says, then resume: it is compared once more")
        .hint(format!(
            "the template and its parameters: aws cloudformation get-template --stack-name {stack}, describe-stacks --stack-name {stack}"
        )))
}

fn is_steady(running: &Running) -> bool {
    let task = &running.task;
    let rolled_out = running
        .rollout
        .as_deref()
        .is_none_or(|state| state == "COMPLETED");
    task.deployments == 1 && task.running == task.desired && rolled_out
}

fn words(running: &Running) -> String {
    let task = &running.task;
    format!(
        "{} {}/{} in {} deployments",
        task.logical, task.running, task.desired, task.deployments
    )
}

/// The definitions that a stack's services run must name the image, and no other one of the same repository.
fn run_image(running: &[Running], stack: &str, image: &ImagePin) -> Result<(), Failure> {
    let own = repository(&image.reference);
    let mut found = 0;
    for running in running.iter().filter(|one| one.task.stack == stack) {
        let task = &running.task;
        for container in &task.containers {
            if container.image == image.reference {
                found += 1;
            } else if repository(&container.image) == own {
                return Err(Failure::new(
                    "image-differs",
                    format!("`{}` of `{stack}` runs another image", task.logical),
                )
                .cause(format!("{}, not {}", container.image, image.reference))
                .state(
                    task.logical.as_str(),
                    format!("{}/{} run", task.running, task.desired),
                )
                .hint("plan again: the stack was updated with other parameters"));
            }
        }
    }
    if found > 0 {
        return Ok(());
    }
    Err(Failure::new(
        "image-differs",
        format!("no service of `{stack}` runs {}", image.reference),
    )
    .state(stack, "was looked at")
    .hint("plan again: the stack was updated with other parameters"))
}

fn gets_anywhere(running: &Running) -> Result<(), Failure> {
    let gave_up = running.rollout.as_deref() == Some("FAILED");
    if running.failed < FAILED_TASKS && !gave_up {
        return Ok(());
    }
    let task = &running.task;
    let failure = Failure::new(
        "service-failed",
        format!("`{}` of `{}` does not stay up", task.logical, task.stack),
    )
    .state(
        task.logical.as_str(),
        format!(
            "{} tasks ended again, {}/{} run",
            running.failed, task.running, task.desired
        ),
    )
    .hint("look at the log of the task that ended; correct it, then resume");
    Err(match &running.said {
        Some(said) => failure.cause(said),
        None => failure,
    })
}

fn standstill(waiting: &[&Running]) -> Failure {
    waiting.iter().fold(
        Failure::new("service-stuck", "services do not become steady")
            .hint("look at their events; correct what they name, then resume"),
        |failure, running| {
            let failure = failure.state(running.task.logical.as_str(), words(running));
            match &running.said {
                Some(said) => failure.cause(said),
                None => failure,
            }
        },
    )
}

/// An image's name without its tag or digest.
fn repository(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or_default();
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

/// Waits until the machine that a stack made runs, passes EC2's own looks and has its volumes.
fn machine(
    cx: &Context<'_>,
    account: &Account,
    stack: &str,
    logical: &str,
    meanwhile: Option<&str>,
) -> Result<Outcome, Failure> {
    let failed = |fault: Fault| fault.failure(format!("cannot look at `{logical}` of `{stack}`"));
    let now = read::one(account, stack).map_err(failed)?;
    let stacks = read::resources(account, now.into_iter().collect()).map_err(failed)?;
    let id = stacks
        .first()
        .and_then(|stack: &Stack| stack.resource(logical))
        .and_then(|resource| resource.physical.clone())
        .ok_or_else(|| {
            Failure::new(
                "machine-missing",
                format!("`{stack}` has no machine `{logical}`"),
            )
            .state(stack, "was looked at")
            .hint("plan again")
        })?;
    let mut pace = Pace::new(cx.stop);
    loop {
        let seen = machines::look(account, std::slice::from_ref(&id)).map_err(failed)?;
        let state = seen.get(&id).map_or("gone", |seen| seen.state.as_str());
        if !matches!(state, "pending" | "running") {
            return Err(
                Failure::new("machine-ended", format!("`{id}` does not run"))
                    .state(id.as_str(), state)
                    .hint("look at its system log in the console; then resume"),
            );
        }
        let checks = machines::checks(account, &id).map_err(failed)?;
        let said = match &checks {
            Some((system, own)) if system == "ok" && own == "ok" => {
                let volumes = seen.get(&id).map_or(0, |seen| seen.volumes.len());
                let summary = format!("`{id}` runs with {volumes} volumes, EC2's checks pass");
                return Ok(Outcome::told(Completed::Done, summary));
            }
            Some((system, own)) if system == "impaired" || own == "impaired" => {
                return Err(Failure::new(
                    "machine-impaired",
                    format!("`{id}` does not pass EC2's checks"),
                )
                .state(id.as_str(), format!("system {system}, machine {own}"))
                .hint("look at its system log in the console; then resume"));
            }
            Some((system, own)) => format!("`{id}` {state}: system {system}, machine {own}"),
            None => format!("`{id}` {state}"),
        };
        let doing = match meanwhile {
            Some(meanwhile) => format!("{said}; meanwhile {meanwhile}"),
            None => said,
        };
        cx.progress.report(&doing, None, None, None);
        pace.pause(&format!("the machine `{id}`"))?;
    }
}

/// Waits until an address answers 200, or 401, which is the operator's business.
fn healthy(cx: &Context<'_>, account: &Account, url: &str) -> Result<Outcome, Failure> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .into();
    let unhealthy = |why: String| {
        Failure::new("unhealthy", format!("{url} does not answer well"))
            .cause(why)
            .state("services", "are steady as far as ECS tells")
            .hint("look at the service's log and at the load balancer, then resume")
    };
    if let Some(why) = account.reachable.refuses(url) {
        return Err(unhealthy(why));
    }
    let mut pace = Pace::new(cx.stop);
    let mut looks = 0;
    loop {
        let said = match agent.get(url).call().map(|answer| answer.status().as_u16()) {
            Ok(status @ (200 | 401)) => {
                let summary = format!("GET {url} answers {status}");
                return Ok(Outcome::told(Completed::Done, summary));
            }
            Ok(status) => format!("it answers {status}"),
            Err(error) => error.to_string(),
        };
        looks += 1;
        if looks == UNHEALTHY {
            return Err(unhealthy(said));
        }
        cx.progress
            .report(&format!("{url}: {said}"), None, None, None);
        pace.pause(url)?;
    }
}

#[cfg(test)]
mod tests {
    use super::repository;

    #[test]
    fn an_image_s_repository_is_told_without_tag_and_digest() {
        assert_eq!(repository("docker.io/a/b:3.1-aws"), "docker.io/a/b");
        assert_eq!(repository("r:5000/a/b"), "r:5000/a/b");
        assert_eq!(repository("a/b:1@sha256:00"), "a/b");
    }
}
