//! A quick look at what runs: one question to the engine, no `docker compose`.
//! For `status`, which has to answer at once; planning observes properly.

use std::path::Path;

use bollard::Docker;
use bollard::query_parameters::ListContainersOptionsBuilder;
use switchback_model::config::Config;
use switchback_model::observed::ServiceState;
use switchback_model::{Problem, ServiceName};

use super::labels::{ONE_OFF, PROJECT, SERVICE};
use super::problems;
use crate::Glance;

/// Label with the directory that Compose was run for.
const DIRECTORY: &str = "com.docker.compose.project.working_dir";

/// The containers of the project in `directory`, by service; empty where there are none.
pub(crate) fn glance(directory: &Path, config: &Config) -> Result<Vec<Glance>, Problem> {
    let host = std::env::var("DOCKER_HOST")
        .ok()
        .filter(|host| !host.is_empty())
        .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
    let unreachable =
        |error: &dyn std::fmt::Display| problems::engine_unreachable(&host, &error.to_string());
    let project = config
        .compose
        .as_ref()
        .and_then(|compose| compose.project.clone());
    let of_project = match project {
        Some(project) => format!("{PROJECT}={project}"),
        None => format!("{DIRECTORY}={}", directory.display()),
    };
    let filters = std::collections::HashMap::from([(
        "label".to_owned(),
        vec![of_project, format!("{ONE_OFF}=False")],
    )]);
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| unreachable(&error))?;
    let listed = runtime
        .block_on(async {
            Docker::connect_with_host(&host)?
                .list_containers(Some(options))
                .await
        })
        .map_err(|error| unreachable(&error))?;
    let mut found: Vec<Glance> = listed
        .into_iter()
        .filter_map(|container| {
            let labels = container.labels?;
            Some(Glance {
                service: ServiceName::new(labels.get(SERVICE)?.as_str()),
                image: container.image.unwrap_or_default(),
                state: container
                    .state
                    .map_or(ServiceState::Absent, |state| state_of(state.as_ref())),
            })
        })
        .collect();
    found.sort_by(|left, right| left.service.cmp(&right.service));
    found.dedup();
    Ok(found)
}

fn state_of(word: &str) -> ServiceState {
    match word {
        "running" | "paused" => ServiceState::Running,
        "restarting" => ServiceState::Restarting,
        _ => ServiceState::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paused_container_still_runs_and_a_dead_one_does_not() {
        assert_eq!(state_of("paused"), ServiceState::Running);
        assert_eq!(state_of("restarting"), ServiceState::Restarting);
        assert_eq!(state_of("dead"), ServiceState::Stopped);
    }
}
