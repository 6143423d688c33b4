//! Helper containers: second servers that are no service of the project.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, RestartPolicy,
    RestartPolicyNameEnum,
};
use bollard::query_parameters::{CreateContainerOptionsBuilder, KillContainerOptionsBuilder};

use super::{Engine, EngineError};

/// An eighth of what a container gets by default: where processor time is short, the deployment's own
/// containers come first.
const CPU_SHARES: i64 = 128;
/// Where memory runs out, the kernel ends the helper before the original that it stands beside.
const FIRST_TO_GO: i64 = 500;
/// Enough for every real error; a server that complains for hours fills no disk.
const LOG_SIZE: &str = "10m";

/// A second container beside or instead of an original.
pub(in crate::compose) struct SecondServer<'a> {
    pub(in crate::compose) name: &'a str,
    pub(in crate::compose) image: &'a str,
    pub(in crate::compose) user: Option<String>,
    /// Program first: it takes the place of the image's entry point.
    pub(in crate::compose) command: Vec<String>,
    pub(in crate::compose) environment: Vec<String>,
    /// The one directory of this host that it sees.
    pub(in crate::compose) directory: &'a Path,
    /// Where it sees it.
    pub(in crate::compose) inside: &'a str,
    pub(in crate::compose) network: Network<'a>,
    pub(in crate::compose) shared_memory: Option<i64>,
    pub(in crate::compose) labels: HashMap<String, String>,
}

/// What a helper reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::compose) enum Network<'a> {
    /// Nothing.
    None,
    /// What the container with this id reaches, itself included.
    Of(&'a str),
}

impl Engine {
    /// Creates and starts a helper. One that cannot be started is not left behind.
    pub(in crate::compose) fn start_second(
        &self,
        helper: SecondServer<'_>,
    ) -> Result<String, EngineError> {
        let options = CreateContainerOptionsBuilder::default()
            .name(helper.name)
            .build();
        let body = body_of(helper);
        let created = self
            .runtime
            .block_on(self.docker.create_container(Some(options), body))?;
        let started = self
            .runtime
            .block_on(self.docker.start_container(&created.id, None));
        if let Err(error) = started {
            let _ = self.remove(&created.id, true);
            return Err(error.into());
        }
        Ok(created.id)
    }

    /// Sends a signal to a container's first process. One that does not run is fine.
    pub(in crate::compose) fn signal(&self, id: &str, signal: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::default()
            .signal(signal)
            .build();
        match self
            .runtime
            .block_on(self.docker.kill_container(id, Some(options)))
        {
            Ok(())
            | Err(bollard::errors::Error::DockerResponseServerError {
                // Gone, or not running.
                status_code: 404 | 409,
                ..
            }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn body_of(helper: SecondServer<'_>) -> ContainerCreateBody {
    let mut command = helper.command.into_iter();
    let log = HashMap::from([
        ("max-size".to_owned(), LOG_SIZE.to_owned()),
        ("max-file".to_owned(), "2".to_owned()),
    ]);
    let network = match helper.network {
        Network::None => "none".to_owned(),
        Network::Of(container) => format!("container:{container}"),
    };
    ContainerCreateBody {
        image: Some(helper.image.to_owned()),
        user: helper.user,
        entrypoint: command.next().map(|program| vec![program]),
        cmd: Some(command.collect()),
        env: Some(helper.environment),
        labels: Some(helper.labels),
        network_disabled: (helper.network == Network::None).then_some(true),
        host_config: Some(HostConfig {
            network_mode: Some(network),
            mounts: Some(vec![Mount {
                typ: Some(MountType::BIND),
                source: Some(helper.directory.to_string_lossy().into_owned()),
                target: Some(helper.inside.to_owned()),
                ..Mount::default()
            }]),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: None,
            }),
            shm_size: helper.shared_memory,
            cpu_shares: Some(CPU_SHARES),
            oom_score_adj: Some(FIRST_TO_GO),
            // Whatever the engine's default is, this one can be read back.
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(log),
            }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_publishes_nothing_and_is_never_started_again_by_the_engine() {
        let helper = |network| SecondServer {
            name: "h",
            image: "sha256:aa",
            user: Some("999:999".to_owned()),
            command: vec!["postgres".to_owned(), "-D".to_owned()],
            environment: Vec::new(),
            directory: Path::new("/srv/with:colon"),
            inside: "/switchback",
            network,
            shared_memory: Some(1 << 28),
            labels: HashMap::new(),
        };
        let body = body_of(helper(Network::Of("4f5e")));
        assert_eq!(body.entrypoint, Some(vec!["postgres".to_owned()]));
        assert_eq!(body.cmd, Some(vec!["-D".to_owned()]));
        assert_eq!((body.exposed_ports, body.network_disabled), (None, None));
        let host = body.host_config.expect("given");
        assert_eq!(host.network_mode.as_deref(), Some("container:4f5e"));
        assert_eq!((host.port_bindings, host.shm_size), (None, Some(1 << 28)));
        assert_eq!(
            host.restart_policy.and_then(|policy| policy.name),
            Some(RestartPolicyNameEnum::NO)
        );
        let mount = host.mounts.expect("one").remove(0);
        assert_eq!(mount.source.as_deref(), Some("/srv/with:colon"));
        let body = body_of(helper(Network::None));
        assert_eq!(body.network_disabled, Some(true));
        let mode = body.host_config.and_then(|host| host.network_mode);
        assert_eq!(mode.as_deref(), Some("none"));
    }
}
