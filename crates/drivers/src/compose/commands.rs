//! The commands that this driver starts, as values: what an operator would type.

use std::path::{Path, PathBuf};

use switchback_engine::process::Argv;
use switchback_model::ServiceName;

/// How Compose is called for one project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Compose {
    /// Directory it is called in.
    pub(super) directory: PathBuf,
    /// Files given with `-f`; empty: what Compose itself takes.
    pub(super) files: Vec<String>,
    /// Name given with `-p`; `None`: what Compose itself takes.
    pub(super) project: Option<String>,
}

/// A one-off container of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OneOff<'a> {
    /// All files of the project, then the one that sets the image.
    pub(super) files: &'a [PathBuf],
    /// Name of the project.
    pub(super) project: &'a str,
    /// Name of the container.
    pub(super) name: &'a str,
    /// `key=value`.
    pub(super) labels: &'a [String],
    /// The service.
    pub(super) service: &'a ServiceName,
    /// Arguments to the entry point.
    pub(super) run: &'a [String],
}

impl Compose {
    fn base(&self) -> Argv {
        let mut argv = Argv::new("docker", ["compose"]).directory(&self.directory);
        for file in &self.files {
            argv = argv.args(["--file", file]);
        }
        match &self.project {
            Some(project) => argv.args(["--project-name", project]),
            None => argv,
        }
    }

    /// Version of the plugin: fails where there is none.
    pub(super) fn version() -> Argv {
        Argv::new("docker", ["compose", "version", "--short"])
    }

    /// The project with everything resolved. Its output holds secrets.
    pub(super) fn config(&self) -> Argv {
        self.base().args(["config", "--format", "json"])
    }

    /// Stops services and keeps their containers.
    pub(super) fn stop(&self, services: &[ServiceName]) -> Argv {
        self.base().arg("stop").args(names(services))
    }

    /// Starts containers that exist.
    pub(super) fn start(&self, services: &[ServiceName]) -> Argv {
        self.base().arg("start").args(names(services))
    }

    /// Creates what is missing or different and starts it; never pulls, builds or touches another service.
    pub(super) fn up(&self, services: &[ServiceName]) -> Argv {
        self.base()
            .args(["up", "--detach", "--no-deps", "--no-build"])
            .args(["--pull", "never"])
            .args(names(services))
    }

    /// `docker compose run` without a terminal, without ports, without removing the container afterwards.
    pub(super) fn one_off(&self, one_off: &OneOff<'_>) -> Argv {
        let mut argv = Argv::new("docker", ["compose"]).directory(&self.directory);
        for file in one_off.files {
            argv = argv.arg("--file").arg(shown(file));
        }
        argv = argv
            .args(["--project-name", one_off.project])
            .args(["run", "--detach", "--no-deps", "--no-TTY"])
            .arg("--interactive=false")
            .args(["--name", one_off.name]);
        for label in one_off.labels {
            argv = argv.args(["--label", label]);
        }
        argv.arg(one_off.service.as_str())
            .args(one_off.run.iter().cloned())
    }
}

/// Runs `inner` in a container, without a terminal. Values of its environment stay out of the process list.
pub(super) fn exec(container: &str, inner: Argv) -> Argv {
    let mut argv = Argv::new("docker", ["exec", "--interactive"]);
    for (name, _) in &inner.env {
        argv = argv.args(["--env", name]);
    }
    if let Some(directory) = &inner.directory {
        argv = argv.arg("--workdir").arg(shown(directory));
    }
    argv = argv
        .args([container, inner.program.as_str()])
        .args(inner.args);
    argv.env = inner.env;
    argv
}

/// The file that makes a one-off container run the pinned image and nothing else.
pub(super) fn image_override(service: &ServiceName, image_id: &str) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        "services:\n  {}:\n    image: {}\n    pull_policy: never\n",
        quoted(service.as_str()),
        quoted(image_id)
    )
}

fn names(services: &[ServiceName]) -> impl Iterator<Item = &str> {
    services.iter().map(ServiceName::as_str)
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use switchback_engine::process::Secret;

    use super::*;

    fn compose() -> Compose {
        Compose {
            directory: PathBuf::from("/srv/lorawan"),
            files: vec!["docker-compose.yml".to_owned(), "prod.yml".to_owned()],
            project: None,
        }
    }

    #[test]
    fn commands_are_what_an_operator_would_type() {
        let services = [ServiceName::new("stack")];
        let plain = Compose {
            files: Vec::new(),
            ..compose()
        };
        assert_eq!(
            plain.config().to_string(),
            "docker compose config --format json"
        );
        assert_eq!(
            compose().stop(&services).to_string(),
            "docker compose --file docker-compose.yml --file prod.yml stop stack"
        );
        assert_eq!(
            plain.up(&services).to_string(),
            "docker compose up --detach --no-deps --no-build --pull never stack"
        );
        assert_eq!(
            plain.start(&services).to_string(),
            "docker compose start stack"
        );
        let named = Compose {
            project: Some("tts".to_owned()),
            ..plain
        };
        assert_eq!(
            named.stop(&services).to_string(),
            "docker compose --project-name tts stop stack"
        );
    }

    #[test]
    fn a_one_off_has_no_terminal_no_ports_and_is_kept() {
        let argv = compose().one_off(&OneOff {
            files: &[PathBuf::from("/srv/a.yml"), PathBuf::from("/var/o.yml")],
            project: "lorawan",
            name: "lorawan-switchback-1",
            labels: &["switchback.run=r-1".to_owned()],
            service: &ServiceName::new("stack"),
            run: &["is-db".to_owned(), "migrate".to_owned()],
        });
        assert_eq!(
            argv.to_string(),
            "docker compose --file /srv/a.yml --file /var/o.yml --project-name lorawan run --detach --no-deps --no-TTY --interactive=false --name lorawan-switchback-1 --label switchback.run=r-1 stack is-db migrate"
        );
        assert!(
            !argv
                .args
                .iter()
                .any(|arg| arg == "--rm" || arg == "--service-ports")
        );
    }

    #[test]
    fn secrets_pass_by_name_through_exec() {
        let inner = Argv::new("psql", ["-c", "select 1"]).env("PGPASSWORD", Secret::new("hunter2"));
        let argv = exec("4f5e", inner);
        assert_eq!(
            argv.to_string(),
            "docker exec --interactive --env PGPASSWORD 4f5e psql -c 'select 1'"
        );
        assert_eq!(argv.env.len(), 1);
    }

    #[test]
    fn the_override_survives_odd_names() {
        assert_eq!(
            image_override(&ServiceName::new("my \"stack\""), "sha256:ff"),
            "services:\n  \"my \\\"stack\\\"\":\n    image: \"sha256:ff\"\n    pull_policy: never\n"
        );
    }
}
