//! Machines and container services that stacks made.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A container service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The stack that made it.
    pub stack: String,
    /// Its name in the template.
    pub logical: String,
    /// ARN of the service.
    pub service: String,
    /// ARN of the cluster it runs in.
    pub cluster: String,
    /// The task definition that it runs, with its revision.
    pub definition: String,
    /// Containers of that definition.
    pub containers: Vec<TaskContainer>,
    /// How many tasks are wanted.
    pub desired: u32,
    /// How many run.
    pub running: u32,
    /// How many deployments of it are under way; one where it is steady.
    pub deployments: u32,
}

/// A container of a task definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskContainer {
    /// Its name.
    pub name: String,
    /// The image, as the definition names it.
    pub image: String,
}

/// Machines that are made from one description as they are needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineGroup {
    /// The stack that made it.
    pub stack: String,
    /// Its name in the template.
    pub logical: String,
    /// Its name in the account.
    pub name: String,
    /// What the next machine will be made from.
    pub launch: Launch,
    /// Its machines.
    pub machines: Vec<Machine>,
}

impl MachineGroup {
    /// The machines that were made from something else than the next one will be.
    pub fn behind(&self) -> impl Iterator<Item = &Machine> {
        self.machines
            .iter()
            .filter(|machine| !machine.launch.is_like(&self.launch))
    }
}

/// How the machines of a group are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum RenewBy {
    /// Each is ended once the group is whole again.
    #[default]
    OneByOne,
    /// By the group itself, which keeps some of them in service.
    Refresh {
        /// Per cent of the machines that stay in service.
        healthy: u8,
        /// Seconds that a new machine is given before it counts; as the group says where nothing is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        warm_up: Option<u32>,
    },
}

impl RenewBy {
    /// True for what is not written down: one by one.
    pub fn is_one_by_one(&self) -> bool {
        *self == Self::OneByOne
    }
}

/// What a machine is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// Name of the launch configuration, or id and version of the launch template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The machine image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Digest of its user data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Digest>,
    /// The machine type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

impl Launch {
    /// True where both make the same machine. What one of them does not tell counts as different, unless both
    /// come from the same source.
    pub fn is_like(&self, other: &Self) -> bool {
        if self.source.is_some() && self.source == other.source {
            return true;
        }
        self.image.is_some()
            && self.image == other.image
            && self.user_data == other.user_data
            && self.kind == other.kind
    }
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The stack that made it, by itself or by a group.
    pub stack: String,
    /// Its name in the template, or its group's.
    pub logical: String,
    /// Its id.
    pub id: String,
    /// Its state, as the provider writes it, e.g. `running`.
    pub state: String,
    /// What it was made from.
    pub launch: Launch,
    /// Whether commands can be sent to it; `None` where nothing could look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(source: &str, image: &str, user_data: &str) -> Launch {
        Launch {
            source: Some(source.to_owned()),
            image: Some(image.to_owned()),
            user_data: Some(Digest::of(user_data)),
            kind: Some("m5.large".to_owned()),
        }
    }

    #[test]
    fn a_machine_is_behind_where_image_or_user_data_differ() {
        let now = launch("lt-1:2", "ami-2", "a");
        assert!(now.is_like(&launch("lt-1:2", "ami-2", "a")));
        assert!(
            launch("lt-1:1", "ami-2", "a").is_like(&now),
            "a version that changed nothing"
        );
        assert!(!launch("lt-1:1", "ami-1", "a").is_like(&now));
        assert!(!launch("lt-1:1", "ami-2", "b").is_like(&now));
        assert!(
            !Launch::default().is_like(&now),
            "unknown is not like anything"
        );
        assert!(!Launch::default().is_like(&Launch::default()));
    }
}
