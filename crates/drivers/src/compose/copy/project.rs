//! The copy's project while it exists: started, looked at, removed with everything of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use switchback_engine::process::{Argv, CommandError, Commands};
use switchback_model::ServiceName;

use crate::compose::labels;
use crate::compose::labels::{PROJECT, SERVICE};

/// A Compose project that is a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedProject {
    /// Its name.
    pub name: String,
    /// Its directory.
    pub directory: PathBuf,
}

/// What tells whether a container is still the one that it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Its id.
    pub id: String,
    /// When it was started, as the engine says it.
    pub started: String,
    /// What it does: `running`, `exited`.
    pub status: String,
}

impl CopiedProject {
    /// Creates and starts services, and returns when their containers run.
    pub fn start(&self, commands: &Commands, services: &[ServiceName]) -> Result<(), CommandError> {
        if services.is_empty() {
            return Ok(());
        }
        let argv = Argv::new("docker", ["compose", "--file", "compose.yaml"])
            .args(["--project-name", &self.name])
            .args([
                "up",
                "--detach",
                "--no-deps",
                "--no-build",
                "--pull",
                "never",
            ])
            .args(services.iter().map(ServiceName::as_str))
            .directory(&self.directory);
        commands.capture(&argv).map(drop)
    }

    /// Whether the kernel weighs this service's use of the disk: the engine forgets a weight that it cannot give.
    pub fn disk_is_weighed(&self, commands: &Commands, service: &ServiceName) -> bool {
        let filters = [
            format!("label={PROJECT}={}", self.name),
            format!("label={SERVICE}={service}"),
        ];
        let words = [
            "ps",
            "--quiet",
            "--filter",
            &filters[0],
            "--filter",
            &filters[1],
        ];
        let Some(id) = list(commands, &words)
            .ok()
            .and_then(|ids| ids.into_iter().next())
        else {
            return false;
        };
        let format = "{{.HostConfig.BlkioWeight}}";
        let argv = Argv::new("docker", ["inspect", "--format", format, &id]);
        commands
            .capture(&argv)
            .is_ok_and(|weight| weight.trim().parse::<u64>().is_ok_and(|weight| weight > 0))
    }

    /// Runs a program in a service's container; an error where it does not end well.
    pub fn exec(
        &self,
        commands: &Commands,
        service: &ServiceName,
        words: &[&str],
    ) -> Result<String, CommandError> {
        let argv = Argv::new("docker", ["compose", "--file", "compose.yaml"])
            .args(["--project-name", &self.name])
            .args(["exec", "-T", service.as_str()])
            .args(words.iter().copied())
            .directory(&self.directory);
        commands.capture(&argv)
    }

    /// Ends and removes every container, network and volume of the project, its helpers' among them. Needs
    /// no file of it, and may be repeated.
    pub fn remove(&self, commands: &Commands) -> Result<(), CommandError> {
        for label in [PROJECT, labels::OF_PROJECT] {
            let filter = format!("label={label}={}", self.name);
            let listed = list(commands, &["ps", "--all", "--quiet", "--filter", &filter])?;
            remove_all(commands, &["rm", "--force", "--volumes"], &listed)?;
        }
        // One-off containers and networks are found by the project's label; a daemon that was killed in
        // between may have left one that only its name tells.
        let named = format!("name=^/?{}-", self.name);
        let listed = list(commands, &["ps", "--all", "--quiet", "--filter", &named])?;
        remove_all(commands, &["rm", "--force", "--volumes"], &listed)?;
        for kind in ["network", "volume"] {
            let filter = format!("label={PROJECT}={}", self.name);
            let listed = list(commands, &[kind, "ls", "--quiet", "--filter", &filter])?;
            remove_all(commands, &[kind, "rm"], &listed)?;
        }
        Ok(())
    }
}

impl crate::compose::Deployment {
    /// Every container of the project and when it was started: equal twice where nothing was touched.
    pub fn traces(&self, commands: &Commands) -> Result<BTreeMap<String, Trace>, CommandError> {
        let filter = format!("label={PROJECT}={}", self.shared.project.name);
        let ids = list(commands, &["ps", "--all", "--quiet", "--filter", &filter])?;
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let format = "{{.Name}}\t{{.Id}}\t{{.State.StartedAt}}\t{{.State.Status}}";
        let argv = Argv::new("docker", ["inspect", "--format", format]).args(ids);
        let answer = commands.capture(&argv)?;
        Ok(answer.lines().filter_map(trace).collect())
    }
}

fn trace(line: &str) -> Option<(String, Trace)> {
    let mut fields = line.split('\t');
    let name = fields.next()?.trim_start_matches('/').to_owned();
    let trace = Trace {
        id: fields.next()?.to_owned(),
        started: fields.next()?.to_owned(),
        status: fields.next()?.to_owned(),
    };
    Some((name, trace))
}

fn list(commands: &Commands, words: &[&str]) -> Result<Vec<String>, CommandError> {
    let answer = commands.capture(&Argv::new("docker", words.iter().copied()))?;
    Ok(answer.split_whitespace().map(str::to_owned).collect())
}

/// Removes what is there; what vanished meanwhile is removed already.
fn remove_all(commands: &Commands, words: &[&str], names: &[String]) -> Result<(), CommandError> {
    if names.is_empty() {
        return Ok(());
    }
    let argv = Argv::new("docker", words.iter().copied()).args(names.iter().cloned());
    match commands.capture(&argv) {
        Err(CommandError::Exit { output, .. })
            if output.lines().all(|line| {
                line.contains("No such") || line.contains("not found") || !line.contains("rror")
            }) =>
        {
            Ok(())
        }
        removed => removed.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_known_by_its_start() {
        let (name, found) = trace("/lab-redis-1\tab12\t2026-11-21T08:00:00Z\trunning")
            .expect("all fields are there");
        assert_eq!(name, "lab-redis-1");
        assert_eq!(found.id, "ab12");
        assert_eq!(found.started, "2026-11-21T08:00:00Z");
        assert_eq!(found.status, "running");
    }
}
