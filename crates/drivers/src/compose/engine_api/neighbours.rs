//! Other containers of the same engine.

use std::collections::{BTreeMap, HashMap};

use bollard::errors::Error as ApiError;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::{Engine, EngineError};
use crate::compose::neighbour::{Neighbour, SETTINGS, SETTINGS_BEGIN};

impl Engine {
    /// Running containers that `suspect` finds worth a look by image and labels.
    pub(in crate::compose) fn neighbours(
        &self,
        suspect: &dyn Fn(&str, &HashMap<String, String>) -> bool,
    ) -> Result<Vec<Neighbour>, EngineError> {
        let options = ListContainersOptionsBuilder::default().build();
        self.runtime.block_on(async {
            let listed = self.docker.list_containers(Some(options)).await?;
            let mut neighbours = Vec::new();
            for container in listed {
                let image = container.image.unwrap_or_default();
                let labels = container.labels.unwrap_or_default();
                let Some(id) = container.id.filter(|_| suspect(&image, &labels)) else {
                    continue;
                };
                match self.docker.inspect_container(&id, None).await {
                    Ok(container) => neighbours.push(neighbour_from(container)),
                    // It vanished in between.
                    Err(ApiError::DockerResponseServerError {
                        status_code: 404, ..
                    }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            neighbours.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(neighbours)
        })
    }
}

fn neighbour_from(found: ContainerInspectResponse) -> Neighbour {
    let config = found.config.unwrap_or_default();
    Neighbour {
        name: found
            .name
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        image: config.image.unwrap_or_default(),
        labels: config.labels.unwrap_or_default(),
        arguments: config.cmd.unwrap_or_default(),
        settings: settings_of(config.env.unwrap_or_default()),
        sees: found
            .mounts
            .unwrap_or_default()
            .into_iter()
            .filter_map(|mount| mount.source)
            .collect(),
    }
}

/// What tells whom a program touches; other people's secrets are not taken.
fn settings_of(environment: Vec<String>) -> BTreeMap<String, String> {
    environment
        .iter()
        .filter_map(|variable| variable.split_once('='))
        .filter(|(name, _)| {
            SETTINGS.contains(name) || SETTINGS_BEGIN.iter().any(|begin| name.starts_with(begin))
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_tells_whom_it_touches_is_taken() {
        let environment = [
            "WATCHTOWER_SCOPE=tts",
            "WATCHTOWER_NOTIFICATION_URL=smtp://user:secret@mail",
            "WUD_TRIGGER_DOCKER_LOCAL_AUTO=false",
            "PATH=/bin",
        ];
        let settings = settings_of(environment.map(str::to_owned).into());
        let names: Vec<&str> = settings.keys().map(String::as_str).collect();
        assert_eq!(names, ["WATCHTOWER_SCOPE", "WUD_TRIGGER_DOCKER_LOCAL_AUTO"]);
    }
}
