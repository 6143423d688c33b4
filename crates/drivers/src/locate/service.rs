//! A service as its deployment describes it, as far as upgrades need it.

use std::collections::BTreeMap;
use std::path::Path;

use switchback_engine::process::Secret;
use switchback_model::ServiceName;

/// One service. Values of its environment may be secrets and show themselves as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceSpec {
    pub(crate) name: ServiceName,
    /// Empty where the service is only built.
    pub(crate) image: String,
    pub(crate) environment: BTreeMap<String, Secret>,
    pub(crate) ports: Vec<Port>,
    pub(crate) mounts: Vec<Mount>,
    /// Entry point and command, where the file gives them.
    pub(crate) words: Vec<String>,
    pub(crate) replicas: u32,
    /// `always`, `unless-stopped`, …
    pub(crate) restart: Option<String>,
    /// Names under which other services reach it.
    pub(crate) names: Vec<String>,
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    /// Inside the container.
    pub(crate) target: u16,
    /// On this host, `host:port`.
    pub(crate) published: Option<String>,
}

/// A directory of the container that outlives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Path in the container.
    pub(crate) target: String,
    /// What is mounted there.
    pub(crate) source: Source,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A directory or file of this host.
    Path(String),
    /// A volume, by the name that the engine knows; `None` for an anonymous one.
    Volume(Option<String>),
    /// Memory, a secret, a config.
    Other,
}

impl ServiceSpec {
    /// A local process with this environment.
    pub(crate) fn of_process(name: ServiceName, environment: BTreeMap<String, Secret>) -> Self {
        Self {
            names: vec![name.as_str().to_owned()],
            name,
            image: String::new(),
            environment,
            ports: Vec::new(),
            mounts: Vec::new(),
            words: Vec::new(),
            replicas: 1,
            restart: None,
        }
    }

    /// The mount that holds `path` of the container, the most specific one.
    pub(crate) fn mount_of(&self, path: &str) -> Option<&Mount> {
        self.mounts
            .iter()
            .filter(|mount| Path::new(path).starts_with(&mount.target))
            .max_by_key(|mount| mount.target.len())
    }
}
