//! A container as the engine tells of it.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, PortBinding};

use super::super::project::reachable;

/// A container, as far as upgrades need it.
#[derive(Clone, Debug)]
pub(in super::super) struct Container {
    pub(in super::super) id: String,
    pub(in super::super) name: String,
    pub(in super::super) labels: HashMap<String, String>,
    pub(in super::super) status: Status,
    /// False for one that was created and never ran.
    pub(in super::super) ever_started: bool,
    /// When it was last started, as the engine writes it: another start is another text.
    pub(in super::super) started_at: String,
    /// On the engine's machine, while it runs.
    pub(in super::super) pid: Option<i32>,
    pub(in super::super) exit_code: i64,
    /// Bytes of shared memory that it may use.
    pub(in super::super) shared_memory: Option<i64>,
    pub(in super::super) restarts: i64,
    /// Id of the image that it was made from.
    pub(in super::super) image: String,
    /// How that image was named when the container was made.
    pub(in super::super) reference: String,
    pub(in super::super) restart_policy: Option<String>,
    /// By path in the container: path on this host, where there is one.
    pub(in super::super) mounts: BTreeMap<String, String>,
    /// By port in the container: `host:port`.
    pub(in super::super) published: BTreeMap<u16, String>,
    /// In the container's networks, in the order of their names.
    pub(in super::super) addresses: Vec<String>,
    /// What it was told of networks: `host`, `container:ID`, a network's name.
    pub(in super::super) network_mode: String,
}

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Status {
    /// It runs, or is paused while running.
    Running,
    /// It ended and will be started again by the engine.
    Restarting,
    /// It does not run.
    Stopped,
}

/// What the engine tells of a container, reduced.
pub(super) fn container_from(found: ContainerInspectResponse) -> Container {
    let state = found.state.unwrap_or_default();
    let status = match state.status {
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::PAUSED) => {
            Status::Running
        }
        Some(ContainerStateStatusEnum::RESTARTING) => Status::Restarting,
        _ => Status::Stopped,
    };
    let host = found.host_config.unwrap_or_default();
    let config = found.config.unwrap_or_default();
    let network = found.network_settings.unwrap_or_default();
    let mounts = found
        .mounts
        .unwrap_or_default()
        .into_iter()
        .filter_map(|mount| Some((mount.destination?, mount.source?)))
        .filter(|(_, source)| !source.is_empty())
        .collect();
    Container {
        id: found.id.unwrap_or_default(),
        name: found
            .name
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        labels: config.labels.unwrap_or_default(),
        reference: config.image.unwrap_or_default(),
        status,
        ever_started: state
            .started_at
            .as_deref()
            .is_some_and(|at| !at.starts_with("0001-")),
        started_at: state.started_at.unwrap_or_default(),
        pid: state
            .pid
            .and_then(|pid| i32::try_from(pid).ok())
            .filter(|pid| *pid > 0),
        shared_memory: host.shm_size,
        exit_code: state.exit_code.unwrap_or_default(),
        restarts: found.restart_count.unwrap_or_default(),
        image: found.image.unwrap_or_default(),
        restart_policy: host
            .restart_policy
            .and_then(|policy| policy.name)
            .map(|name| name.to_string()),
        mounts,
        published: published_from(network.ports.unwrap_or_default()),
        addresses: network
            .networks
            .unwrap_or_default()
            .into_iter()
            .collect::<BTreeMap<_, _>>()
            .into_values()
            .flat_map(|endpoint| {
                let six = endpoint.global_ipv6_address.filter(|six| !six.is_empty());
                [endpoint.ip_address, six.map(|six| format!("[{six}]"))]
            })
            .flatten()
            .filter(|address| !address.is_empty())
            .collect(),
        network_mode: host.network_mode.unwrap_or_default(),
    }
}

fn published_from(ports: HashMap<String, Option<Vec<PortBinding>>>) -> BTreeMap<u16, String> {
    ports
        .into_iter()
        .filter_map(|(port, bindings)| {
            let target = port.strip_suffix("/tcp")?.parse().ok()?;
            let binding = bindings?.into_iter().next()?;
            let host = reachable(&binding.host_ip.unwrap_or_default());
            Some((target, format!("{host}:{}", binding.host_port?)))
        })
        .collect()
}
