//! The Docker Engine, asked through its API. Synchronous outside, a private
//! single-threaded runtime inside; every value is reduced to what upgrades need.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::time::Duration;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::errors::Error as ApiError;
use bollard::models::{ContainerUpdateBody, CreateImageInfo, RestartPolicy, RestartPolicyNameEnum};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, StatsOptionsBuilder, TagImageOptionsBuilder,
};
use futures_util::StreamExt;
use switchback_engine::ports::Failure;
use switchback_model::Problem;
use switchback_model::problem::State;
use tokio::runtime::Runtime;

use super::problems;

mod container;
mod neighbours;
mod second;

use container::container_from;
pub(super) use container::{Container, Status};
pub(super) use second::{Network, SecondServer};

/// How often a wait gives its caller a chance to report and to stop.
const TICK: Duration = Duration::from_secs(1);

/// The engine could not be asked, or said no.
#[derive(Debug, thiserror::Error)]
pub(super) enum EngineError {
    /// What was asked for is not there.
    #[error("{0}")]
    Absent(String),
    /// It said no.
    #[error("{0}")]
    Refused(String),
    /// It could not be talked to.
    #[error("{0}")]
    Unreachable(String),
}

impl From<ApiError> for EngineError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::DockerResponseServerError {
                status_code: 404,
                message,
            } => Self::Absent(message),
            ApiError::DockerResponseServerError { message, .. } => Self::Refused(message),
            ApiError::DockerStreamError { error } => Self::Refused(error),
            other => Self::Unreachable(chain(&other)),
        }
    }
}

impl EngineError {
    /// As a step's failure. What was not seen is not claimed.
    pub(super) fn into_failure(self, what: impl Into<String>) -> Failure {
        match self {
            Self::Unreachable(cause) => unknown(Failure::new("docker-engine-down", what))
                .cause(cause)
                .hint("start the Docker Engine (sudo systemctl start docker), then resume: what was begun is found again"),
            Self::Absent(cause) | Self::Refused(cause) => {
                Failure::new("docker-engine-refused", what).cause(cause)
            }
        }
    }
}

/// Nobody can tell what containers do while their engine does not answer: with it down they may run on.
pub(super) fn unknown(mut failure: Failure) -> Failure {
    failure.state.push(State {
        subject: "containers".to_owned(),
        seen: None,
    });
    failure
}

/// An image that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// Digest of its configuration.
    pub(super) id: String,
    /// `repository@sha256:…` for every registry that served it.
    pub(super) repo_digests: Vec<String>,
    pub(super) labels: HashMap<String, String>,
}

/// A connection to the engine.
#[derive(Debug)]
pub(super) struct Engine {
    runtime: Runtime,
    docker: Docker,
}

impl Engine {
    /// Connects and agrees on a version of the API.
    pub(super) fn connect(host: &str) -> Result<Self, Problem> {
        let unreachable =
            |error: &dyn std::fmt::Display| problems::engine_unreachable(host, &error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| unreachable(&error))?;
        let docker = runtime
            .block_on(async { Docker::connect_with_host(host)?.negotiate_version().await })
            .map_err(|error| unreachable(&chain(&error)))?;
        Ok(Self { runtime, docker })
    }

    /// Containers that carry all of these labels (`key` or `key=value`), running or not.
    pub(super) fn containers(&self, labels: &[String]) -> Result<Vec<Container>, EngineError> {
        let filters = HashMap::from([("label".to_owned(), labels.to_vec())]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        self.runtime.block_on(async {
            let listed = self.docker.list_containers(Some(options)).await?;
            let mut containers = Vec::new();
            for id in listed.into_iter().filter_map(|container| container.id) {
                match self.docker.inspect_container(&id, None).await {
                    Ok(container) => containers.push(container_from(container)),
                    // It vanished in between.
                    Err(ApiError::DockerResponseServerError {
                        status_code: 404, ..
                    }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            containers.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(containers)
        })
    }

    /// The container with this id or name.
    pub(super) fn container(&self, id: &str) -> Result<Container, EngineError> {
        let found = self
            .runtime
            .block_on(self.docker.inspect_container(id, None))?;
        Ok(container_from(found))
    }

    /// The image with this reference or id, where it is here.
    pub(super) fn image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        let found = self.runtime.block_on(self.docker.inspect_image(reference));
        match found.map_err(EngineError::from) {
            Ok(image) => Ok(Some(Image {
                id: image.id.unwrap_or_default(),
                repo_digests: image.repo_digests.unwrap_or_default(),
                labels: image
                    .config
                    .and_then(|config| config.labels)
                    .unwrap_or_default(),
            })),
            Err(EngineError::Absent(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The digest under which the registry serves `reference` now.
    pub(super) fn registry_digest(
        &self,
        reference: &str,
        credentials: Option<DockerCredentials>,
    ) -> Result<String, EngineError> {
        let answer = self
            .runtime
            .block_on(self.docker.inspect_registry_image(reference, credentials))?;
        answer
            .descriptor
            .digest
            .ok_or_else(|| EngineError::Refused("the registry names no digest".to_owned()))
    }

    /// Pulls `repository` at a tag or digest. `tick` hears bytes done and of how many, and may end it.
    pub(super) fn pull(
        &self,
        repository: &str,
        tag_or_digest: &str,
        credentials: Option<DockerCredentials>,
        tick: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, EngineError> {
        let options = CreateImageOptionsBuilder::default()
            .from_image(repository)
            .tag(tag_or_digest)
            .build();
        self.runtime.block_on(async {
            let mut stream =
                std::pin::pin!(self.docker.create_image(Some(options), None, credentials));
            let mut layers = Layers::default();
            loop {
                match tokio::time::timeout(TICK, stream.next()).await {
                    Ok(None) => return Ok(ControlFlow::Continue(())),
                    Ok(Some(message)) => layers.take(message?),
                    Err(_) => {}
                }
                let (done, of) = layers.sum();
                if tick(done, of).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        })
    }

    /// Gives the image `id` a name.
    pub(super) fn tag(&self, id: &str, repository: &str, tag: &str) -> Result<(), EngineError> {
        let options = TagImageOptionsBuilder::default()
            .repo(repository)
            .tag(tag)
            .build();
        Ok(self
            .runtime
            .block_on(self.docker.tag_image(id, Some(options)))?)
    }

    /// Where a volume's data is on this host.
    pub(super) fn mountpoint(&self, volume: &str) -> Result<String, EngineError> {
        Ok(self
            .runtime
            .block_on(self.docker.inspect_volume(volume))?
            .mountpoint)
    }

    /// Where the engine keeps images, containers and volumes.
    pub(super) fn root(&self) -> Result<Option<String>, EngineError> {
        Ok(self.runtime.block_on(self.docker.info())?.docker_root_dir)
    }

    /// Removes a container; one that is gone is fine. A running one is killed only with `force`.
    pub(super) fn remove(&self, id: &str, force: bool) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::default()
            .force(force)
            .v(true)
            .build();
        match self
            .runtime
            .block_on(self.docker.remove_container(id, Some(options)))
            .map_err(EngineError::from)
        {
            Ok(()) | Err(EngineError::Absent(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sets what the engine does when the container ends or the machine boots.
    pub(super) fn set_restart(&self, id: &str, policy: &str) -> Result<(), EngineError> {
        let (name, retries) = policy.split_once(':').unwrap_or((policy, ""));
        let name = match name {
            "always" => RestartPolicyNameEnum::ALWAYS,
            "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
            "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
            _ => RestartPolicyNameEnum::NO,
        };
        let body = ContainerUpdateBody {
            restart_policy: Some(RestartPolicy {
                name: Some(name),
                maximum_retry_count: retries.parse().ok(),
            }),
            ..ContainerUpdateBody::default()
        };
        Ok(self
            .runtime
            .block_on(self.docker.update_container(id, body))?)
    }

    /// Passes on every line that the container writes until it ends. `tick` comes at least every second
    /// and may end the following (not the container).
    pub(super) fn follow(
        &self,
        id: &str,
        line: &mut dyn FnMut(&str),
        tick: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, EngineError> {
        let options = LogsOptionsBuilder::default()
            .follow(true)
            .stdout(true)
            .stderr(true)
            .build();
        self.runtime.block_on(async {
            let mut stream = std::pin::pin!(self.docker.logs(id, Some(options)));
            let mut rest = Vec::new();
            loop {
                match tokio::time::timeout(TICK, stream.next()).await {
                    Ok(None) => break,
                    Ok(Some(chunk)) => {
                        rest.extend_from_slice(&chunk?.into_bytes());
                        pass_lines(&mut rest, line);
                    }
                    Err(_) => {
                        if tick().is_break() {
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                }
            }
            if !rest.is_empty() {
                line(&String::from_utf8_lossy(&rest));
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The last lines that a container wrote.
    pub(super) fn last_lines(&self, id: &str, count: usize) -> Result<Vec<String>, EngineError> {
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .tail(&count.to_string())
            .build();
        self.runtime.block_on(async {
            let mut stream = std::pin::pin!(self.docker.logs(id, Some(options)));
            let mut text = Vec::new();
            while let Some(chunk) = stream.next().await {
                text.extend_from_slice(&chunk?.into_bytes());
            }
            let text = String::from_utf8_lossy(&text);
            Ok(text.lines().map(str::to_owned).collect())
        })
    }

    /// Nanoseconds of processor time that the container has used; `None` where it does not run.
    pub(super) fn processor_time(&self, id: &str) -> Option<u64> {
        let options = StatsOptionsBuilder::default()
            .stream(false)
            .one_shot(true)
            .build();
        self.runtime.block_on(async {
            let mut stream = std::pin::pin!(self.docker.stats(id, Some(options)));
            let stats = stream.next().await?.ok()?;
            stats.cpu_stats?.cpu_usage?.total_usage
        })
    }
}

/// Bytes per layer of a pull.
#[derive(Default)]
struct Layers {
    layers: BTreeMap<String, (u64, u64)>,
}

impl Layers {
    fn take(&mut self, message: CreateImageInfo) {
        let (Some(id), Some(status)) = (message.id, message.status) else {
            return;
        };
        let layer = self.layers.entry(id).or_default();
        match status.as_str() {
            "Downloading" => {
                let detail = message.progress_detail.unwrap_or_default();
                let bytes = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
                layer.0 = bytes(detail.current).unwrap_or(layer.0);
                layer.1 = bytes(detail.total).unwrap_or(layer.1);
            }
            "Download complete" | "Pull complete" | "Already exists" => layer.0 = layer.1,
            _ => {}
        }
    }

    fn sum(&self) -> (u64, u64) {
        self.layers
            .values()
            .fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1))
    }
}

/// Takes complete lines off `rest`.
fn pass_lines(rest: &mut Vec<u8>, line: &mut dyn FnMut(&str)) {
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let complete: Vec<u8> = rest.drain(..=end).collect();
        line(String::from_utf8_lossy(&complete).trim_end_matches(['\r', '\n']));
    }
}

/// An error and everything below it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    fn layer(id: &str, status: &str, current: i64, total: i64) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn bytes_of_layers_add_up_and_unpacking_does_not_count_again() {
        let mut layers = Layers::default();
        layers.take(layer("a", "Downloading", 10, 100));
        layers.take(layer("b", "Downloading", 5, 50));
        assert_eq!(layers.sum(), (15, 150));
        layers.take(layer("a", "Extracting", 3, 100));
        layers.take(layer("b", "Download complete", 0, 0));
        assert_eq!(layers.sum(), (60, 150));
    }

    #[test]
    fn lines_are_passed_whole() {
        let mut seen = Vec::new();
        let mut rest = b"one\r\ntwo\nthr".to_vec();
        pass_lines(&mut rest, &mut |line| seen.push(line.to_owned()));
        assert_eq!((seen.len(), rest.as_slice()), (2, b"thr".as_slice()));
        assert_eq!(seen, ["one", "two"]);
    }
}
