//! ECS services and what they run.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types::Service;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use switchback_model::stack::{Stack, Task, TaskContainer};

use crate::account::Account;
use crate::fault::Fault;

/// Services that one `DescribeServices` takes.
const AT_ONCE: usize = 10;
/// Definitions asked for at the same time.
const DEFINITIONS_AT_ONCE: usize = 8;

/// A container service, with what tells whether a new deployment gets anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) task: Task,
    /// Tasks of the newest deployment that were started and ended again.
    pub(crate) failed: i32,
    /// Its newest message.
    pub(crate) said: Option<String>,
    /// How the newest deployment is, in the words of ECS; absent where services of this kind have none.
    pub(crate) rollout: Option<String>,
}

/// The services that these stacks made.
pub(crate) fn of_stacks<'a>(
    account: &Account,
    stacks: impl IntoIterator<Item = &'a Stack>,
) -> Result<Vec<Running>, Fault> {
    // A service is asked for by its cluster; its ARN names that.
    let mut wanted: BTreeMap<String, Vec<(String, String, String)>> = BTreeMap::new();
    for stack in stacks {
        for resource in &stack.resources {
            if resource.kind != "AWS::ECS::Service" {
                continue;
            }
            let Some(arn) = &resource.physical else {
                continue;
            };
            wanted.entry(cluster_of(arn).to_owned()).or_default().push((
                stack.name.clone(),
                resource.logical.clone(),
                arn.clone(),
            ));
        }
    }
    let mut found = Vec::new();
    for (cluster, services) in &wanted {
        for some in services.chunks(AT_ONCE) {
            let arns = some.iter().map(|(_, _, arn)| arn.clone()).collect();
            let request = account
                .ecs
                .describe_services()
                .cluster(cluster)
                .set_services(Some(arns));
            let answer = account
                .wait(request.send())
                .map_err(|error| Fault::of("ecs:DescribeServices", error))?;
            for service in answer.services() {
                let arn = service.service_arn().unwrap_or_default();
                let own = some
                    .iter()
                    .find(|(_, _, asked)| asked == arn || arn.ends_with(&format!("/{asked}")));
                if let Some((stack, logical, _)) = own {
                    found.push(running(service, stack, logical));
                }
            }
        }
    }
    let containers = containers(account, &found)?;
    for service in &mut found {
        if let Some(known) = containers.get(&service.task.definition) {
            service.task.containers = known.clone();
        }
    }
    Ok(found)
}

/// Containers of a task definition.
pub(crate) async fn definition(account: &Account, name: &str) -> Result<Vec<TaskContainer>, Fault> {
    let answer = account
        .ecs
        .describe_task_definition()
        .task_definition(name)
        .send()
        .await
        .map_err(|error| Fault::of("ecs:DescribeTaskDefinition", error))?;
    let definition = answer.task_definition();
    let containers = definition.map_or(&[][..], |found| found.container_definitions());
    Ok(containers
        .iter()
        .map(|container| TaskContainer {
            name: container.name().unwrap_or_default().to_owned(),
            image: container.image().unwrap_or_default().to_owned(),
        })
        .collect())
}

fn containers(
    account: &Account,
    services: &[Running],
) -> Result<BTreeMap<String, Vec<TaskContainer>>, Fault> {
    let names: BTreeSet<&str> = services
        .iter()
        .map(|service| service.task.definition.as_str())
        .collect();
    let asked = stream::iter(names)
        .map(|name| async move { Ok((name.to_owned(), definition(account, name).await?)) })
        .buffered(DEFINITIONS_AT_ONCE)
        .try_collect();
    account.wait(asked)
}

fn running(service: &Service, stack: &str, logical: &str) -> Running {
    let count = |number: i32| u32::try_from(number).unwrap_or_default();
    let newest = service
        .deployments()
        .iter()
        .find(|deployment| deployment.status() == Some("PRIMARY"));
    Running {
        task: Task {
            stack: stack.to_owned(),
            logical: logical.to_owned(),
            service: service.service_arn().unwrap_or_default().to_owned(),
            cluster: service.cluster_arn().unwrap_or_default().to_owned(),
            definition: service.task_definition().unwrap_or_default().to_owned(),
            containers: Vec::new(),
            desired: count(service.desired_count()),
            running: count(service.running_count()),
            deployments: u32::try_from(service.deployments().len()).unwrap_or(u32::MAX),
        },
        failed: newest.map_or(0, |deployment| deployment.failed_tasks()),
        said: service
            .events()
            .first()
            .and_then(|event| event.message())
            .map(str::to_owned),
        rollout: newest
            .and_then(|deployment| deployment.rollout_state())
            .map(|state| state.as_str().to_owned()),
    }
}

/// `arn:aws:ecs:REGION:ACCOUNT:service/CLUSTER/NAME`; older ARNs lack the cluster.
fn cluster_of(arn: &str) -> &str {
    let mut words = arn.rsplit('/');
    words.next();
    match words.next() {
        Some(cluster) if !cluster.contains(':') => cluster,
        _ => "default",
    }
}

#[cfg(test)]
mod tests {
    use super::cluster_of;

    #[test]
    fn a_service_names_its_cluster() {
        let arn = "arn:aws:ecs:eu-west-1:1:service/tts-prod/as";
        assert_eq!(cluster_of(arn), "tts-prod");
        assert_eq!(cluster_of("arn:aws:ecs:eu-west-1:1:service/as"), "default");
    }
}
