//! Where one-off tasks of a stack run, and what they are made from.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::store::Store;

/// What the name of every stack begins with that a rehearsal makes.
pub const REHEARSAL: &str = "switchback-rehearsal-";

/// Where one-off tasks run: what the output `OpsRunTaskArguments` of the stack with the operations task says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPlace {
    /// Task definition, by ARN or `family:revision`.
    pub definition: String,
    /// Cluster.
    pub cluster: String,
    /// Private subnets.
    pub subnets: Vec<String>,
    /// Security group.
    pub security_group: String,
}

impl TaskPlace {
    /// Reads `DEFINITION CLUSTER SUBNET SUBNET GROUP`; one subnet or several.
    pub fn read(arguments: &str) -> Option<Self> {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let [definition, cluster, subnets @ .., security_group] = words.as_slice() else {
            return None;
        };
        let plausible = security_group.starts_with("sg-")
            && !subnets.is_empty()
            && subnets.iter().all(|subnet| subnet.starts_with("subnet-"));
        plausible.then(|| Self {
            definition: (*definition).to_owned(),
            cluster: (*cluster).to_owned(),
            subnets: subnets.iter().map(|subnet| (*subnet).to_owned()).collect(),
            security_group: (*security_group).to_owned(),
        })
    }

    /// The family of the definition, without its revision.
    pub fn family(&self) -> &str {
        let name = self.definition.rsplit('/').next().unwrap_or_default();
        name.split(':').next().unwrap_or_default()
    }
}

/// A task definition as it is. Of secrets it holds where they are, never what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskDefinition {
    /// Processor units of the whole task.
    pub cpu: Option<String>,
    /// Memory of the whole task, in MiB.
    pub memory: Option<String>,
    /// The role that fetches images and secrets.
    pub execution_role: Option<String>,
    /// Architecture of the processor, where one is said, e.g. `ARM64`.
    pub architecture: Option<String>,
    /// Names of volumes.
    pub volumes: Vec<String>,
    /// Its containers.
    pub containers: Vec<ContainerDefinition>,
}

/// One container of a task definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerDefinition {
    /// Its name.
    pub name: String,
    /// What it runs in place of the image's own program.
    pub entry_point: Vec<String>,
    /// The user that it runs as.
    pub user: Option<String>,
    /// Its environment, by variable.
    pub environment: BTreeMap<String, String>,
    /// Where secrets are that it gets as variables, by variable.
    pub secrets: BTreeMap<String, String>,
    /// Files that more of its environment comes from: nobody here reads them.
    pub environment_files: Vec<String>,
    /// Where a secret is that its image is fetched with.
    pub registry: Option<String>,
    /// How it logs: driver and options.
    pub log: Option<(String, BTreeMap<String, String>)>,
}

/// How a store of the deployment is reached, and what one like it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The store.
    pub store: Store,
    /// Every address that leads to it, one per way in: writer, readers, single servers.
    pub addresses: BTreeSet<String>,
    /// What a database beside it is made of; `None` for what is no database, or cannot be told.
    pub database: Option<Database>,
}

/// What a database beside another one is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Its engine, e.g. `aurora-postgresql`.
    pub engine: String,
    /// The engine's version.
    pub version: String,
    /// The class of its server, of the one that writes where there are several.
    pub class: String,
    /// Its port.
    pub port: u16,
    /// Its group of subnets.
    pub subnets: String,
    /// The network that these are in.
    pub network: String,
    /// Its group of settings, where it is not the engine's own.
    pub settings: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::TaskPlace;

    #[test]
    fn the_arguments_of_the_operations_task_are_read() {
        let arn = "arn:aws:ecs:eu-west-1:1:task-definition/tts-prod-eu1-ops:7";
        let place = TaskPlace::read(&format!("{arn} tts-prod-eu1 subnet-1 subnet-2 sg-3"))
            .expect("five words");
        assert_eq!(place.subnets, ["subnet-1", "subnet-2"]);
        assert_eq!(place.security_group, "sg-3");
        assert_eq!(place.family(), "tts-prod-eu1-ops");
        for wrong in ["", "a b", "a b subnet-1", "a b sg-1 subnet-1", "a b c d e"] {
            assert_eq!(TaskPlace::read(wrong), None, "{wrong}");
        }
    }
}
