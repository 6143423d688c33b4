//! Task definitions as they are.

use std::collections::BTreeMap;

use aws_sdk_ecs::types::ContainerDefinition as Told;
use switchback_engine::ports::Failure;
use switchback_model::stack::{ContainerDefinition, TaskDefinition};

use crate::account::Account;
use crate::calls::Phase;
use crate::fault::Fault;

/// A task definition by ARN or `family:revision`.
pub fn task_definition(account: &Account, name: &str) -> Result<TaskDefinition, Failure> {
    account.calls().enter(Phase::Plan);
    let request = account.ecs.describe_task_definition().task_definition(name);
    let answer = account.wait(request.send()).map_err(|error| {
        Fault::of("ecs:DescribeTaskDefinition", error)
            .failure(format!("cannot look at the task definition `{name}`"))
    })?;
    let Some(told) = answer.task_definition() else {
        return Ok(TaskDefinition::default());
    };
    Ok(TaskDefinition {
        cpu: some(told.cpu()),
        memory: some(told.memory()),
        execution_role: some(told.execution_role_arn()),
        architecture: told
            .runtime_platform()
            .and_then(|platform| platform.cpu_architecture())
            .map(|architecture| architecture.as_str().to_owned()),
        volumes: told
            .volumes()
            .iter()
            .map(|volume| volume.name().unwrap_or_default().to_owned())
            .collect(),
        containers: told.container_definitions().iter().map(container).collect(),
    })
}

fn container(told: &Told) -> ContainerDefinition {
    let environment = told.environment().iter().filter_map(|pair| {
        let value = pair.value().unwrap_or_default();
        Some((pair.name()?.to_owned(), value.to_owned()))
    });
    let log = told.log_configuration().map(|log| {
        let options: BTreeMap<String, String> = log
            .options()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        (log.log_driver().as_str().to_owned(), options)
    });
    ContainerDefinition {
        name: told.name().unwrap_or_default().to_owned(),
        entry_point: told.entry_point().to_vec(),
        user: some(told.user()),
        environment: environment.collect(),
        secrets: told
            .secrets()
            .iter()
            .map(|secret| (secret.name().to_owned(), secret.value_from().to_owned()))
            .collect(),
        environment_files: told
            .environment_files()
            .iter()
            .map(|file| file.value().to_owned())
            .collect(),
        registry: told
            .repository_credentials()
            .map(|from| from.credentials_parameter().to_owned()),
        log,
    }
}

fn some(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}
