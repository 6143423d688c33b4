//! One-off ECS tasks: started once, found again, watched to their end.

use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, ContainerOverride, DesiredStatus, LaunchType,
    NetworkConfiguration, Task, TaskOverride,
};

use switchback_model::Digest;
use switchback_model::stack::TaskPlace;

use crate::account::Account;
use crate::fault::Fault;

/// Tasks that one `DescribeTasks` takes.
const AT_ONCE: usize = 100;

/// One task to start.
pub(crate) struct TaskCall<'a> {
    pub(crate) place: &'a TaskPlace,
    pub(crate) container: &'a str,
    pub(crate) command: &'a [String],
    /// Whose it is: these words find it again, and never start a second task.
    pub(crate) name: &'a str,
}

/// How a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TaskState {
    /// Not yet ended; in the words of ECS, e.g. `PENDING`.
    Underway(String),
    /// Its container ended, and what ECS says of that where it says anything, e.g. that it was killed for its memory.
    Exited { code: i64, why: Option<String> },
    /// It ended and its container has no exit code: it never ran, or was taken away.
    Lost(String),
}

/// A task as ECS tells of it.
#[derive(Clone, Debug)]
pub(crate) struct TaskSeen {
    pub(crate) arn: String,
    pub(crate) state: TaskState,
}

impl TaskSeen {
    /// An exit code counts once everything stopped: some emulators show zero while it still runs.
    fn of(task: &Task, container: &str) -> Self {
        let status = task.last_status().unwrap_or_default();
        let own = task
            .containers()
            .iter()
            .find(|found| found.name() == Some(container));
        let state = if status != "STOPPED" {
            TaskState::Underway(status.to_owned())
        } else if let Some(code) = own.and_then(|own| own.exit_code()) {
            TaskState::Exited {
                code: i64::from(code),
                why: own.and_then(|own| own.reason()).map(str::to_owned),
            }
        } else {
            let reasons = [
                task.stopped_reason(),
                own.and_then(|own| own.reason()),
                task.stop_code().map(|code| code.as_str()),
            ];
            let said: Vec<&str> = reasons.into_iter().flatten().collect();
            TaskState::Lost(said.join("; "))
        };
        Self {
            arn: task.task_arn().unwrap_or_default().to_owned(),
            state,
        }
    }
}

/// Starts a task and returns its ARN. ECS may accept the request and not place it: that is an error as well.
pub(crate) fn start(account: &Account, call: &TaskCall<'_>) -> Result<String, Fault> {
    const ACTION: &str = "ecs:RunTask";
    let container = ContainerOverride::builder()
        .name(call.container)
        .set_command(Some(call.command.to_vec()))
        .build();
    let network = AwsVpcConfiguration::builder()
        .set_subnets(Some(call.place.subnets.clone()))
        .security_groups(&call.place.security_group)
        .assign_public_ip(AssignPublicIp::Disabled)
        .build()
        .map_err(|error| Fault::unanswered(ACTION, error))?;
    let request = account
        .ecs
        .run_task()
        .cluster(&call.place.cluster)
        .task_definition(&call.place.definition)
        .launch_type(LaunchType::Fargate)
        .network_configuration(
            NetworkConfiguration::builder()
                .awsvpc_configuration(network)
                .build(),
        )
        .overrides(
            TaskOverride::builder()
                .container_overrides(container)
                .build(),
        )
        .started_by(call.name)
        .client_token(token(call.name));
    let answer = account
        .wait(request.send())
        .map_err(|error| Fault::of(ACTION, error))?;
    if let Some(arn) = answer.tasks().first().and_then(|task| task.task_arn()) {
        return Ok(arn.to_owned());
    }
    let why = answer.failures().first();
    let reason = why.and_then(|why| why.reason()).unwrap_or_default();
    let detail = why.and_then(|why| why.detail()).unwrap_or_default();
    Err(Fault::answered(
        ACTION,
        reason.to_owned(),
        detail.to_owned(),
        200,
    ))
}

/// The tasks that carry these words, running or ended. ECS forgets an ended one after an hour.
pub(crate) fn find(
    account: &Account,
    place: &TaskPlace,
    container: &str,
    name: &str,
) -> Result<Vec<TaskSeen>, Fault> {
    let mut arns = Vec::new();
    for status in [DesiredStatus::Running, DesiredStatus::Stopped] {
        // By family and not by `startedBy`, which cannot be asked for together with the ended ones.
        arns.extend(listed(account, place, status)?);
    }
    let mut found = Vec::new();
    for some in arns.chunks(AT_ONCE) {
        let tasks = describe(account, &place.cluster, some)?;
        let ours = tasks.iter().filter(|task| task.started_by() == Some(name));
        found.extend(ours.map(|task| TaskSeen::of(task, container)));
    }
    Ok(found)
}

fn listed(
    account: &Account,
    place: &TaskPlace,
    status: DesiredStatus,
) -> Result<Vec<String>, Fault> {
    let mut pages = account
        .ecs
        .list_tasks()
        .cluster(&place.cluster)
        .family(place.family())
        .desired_status(status)
        .into_paginator()
        .items()
        .send();
    let mut arns = Vec::new();
    while let Some(arn) = account.wait(pages.next()) {
        arns.push(arn.map_err(|error| Fault::of("ecs:ListTasks", error))?);
    }
    Ok(arns)
}

/// Tasks of a place's family that have not ended, those included that were told to.
pub(crate) fn running(account: &Account, place: &TaskPlace) -> Result<Vec<String>, Fault> {
    let mut arns = listed(account, place, DesiredStatus::Running)?;
    arns.extend(listed(account, place, DesiredStatus::Stopped)?);
    let mut running = Vec::new();
    for some in arns.chunks(AT_ONCE) {
        let tasks = describe(account, &place.cluster, some)?;
        let tasks = tasks
            .iter()
            .filter(|task| task.last_status() != Some("STOPPED"));
        running.extend(tasks.filter_map(|task| task.task_arn().map(str::to_owned)));
    }
    Ok(running)
}

/// Ends every task of a place's family.
pub(crate) fn end_all(account: &Account, place: &TaskPlace, why: &str) -> Result<(), Fault> {
    for arn in listed(account, place, DesiredStatus::Running)? {
        stop(account, &place.cluster, &arn, why)?;
    }
    Ok(())
}

/// One task by its ARN; nothing where ECS has forgotten it.
pub(crate) fn look(
    account: &Account,
    cluster: &str,
    arn: &str,
    container: &str,
) -> Result<Option<TaskSeen>, Fault> {
    let tasks = describe(account, cluster, std::slice::from_ref(&arn.to_owned()))?;
    Ok(tasks.first().map(|task| TaskSeen::of(task, container)))
}

/// Ends a task.
pub(crate) fn stop(account: &Account, cluster: &str, arn: &str, why: &str) -> Result<(), Fault> {
    let request = account
        .ecs
        .stop_task()
        .cluster(cluster)
        .task(arn)
        .reason(why);
    account
        .wait(request.send())
        .map(drop)
        .map_err(|error| Fault::of("ecs:StopTask", error))
}

/// ECS takes 64 letters; a digest is as good as the name itself.
fn token(name: &str) -> String {
    Digest::of(name).as_str().to_owned()
}

fn describe(account: &Account, cluster: &str, arns: &[String]) -> Result<Vec<Task>, Fault> {
    let request = account
        .ecs
        .describe_tasks()
        .cluster(cluster)
        .set_tasks(Some(arns.to_vec()));
    let answer = account
        .wait(request.send())
        .map_err(|error| Fault::of("ecs:DescribeTasks", error))?;
    Ok(answer.tasks.unwrap_or_default())
}
