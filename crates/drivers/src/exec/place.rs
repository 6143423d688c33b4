//! Where the parts of an exec deployment are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use switchback_engine::process::{Commands, Secret};
use switchback_model::config::{Config, ExecConfig, SecretRef};
use switchback_model::exit::Exit;
use switchback_model::observed::ImagePin;
use switchback_model::product::Product;
use switchback_model::{Digest, Problem, ServiceName, Version};

use crate::compose::dotenv;
use crate::compose::reference::Reference;
use crate::{glob, secret, uri};

use super::process::Process;

/// What the deployment, its driver and its reaches have in common.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) directory: PathBuf,
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) exec: ExecConfig,
    pub(super) product: Product,
    pub(super) commands: Commands,
    /// Variables of the processes. Values may be secrets.
    pub(super) environment: BTreeMap<String, Secret>,
}

impl Place {
    /// Reads the configuration and registers its secrets.
    pub(super) fn read(
        directory: &Path,
        config: &Config,
        product: &Product,
        commands: &Commands,
    ) -> Result<Self, Problem> {
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let exec = config.exec.clone().ok_or_else(|| {
            Problem::new(
                Exit::Usage,
                "exec-not-configured",
                "switchback.toml has no [exec]",
            )
            .hint("name releases, current, binary and services under [exec]")
        })?;
        let name = config
            .name
            .clone()
            .or_else(|| Some(directory.file_name()?.to_string_lossy().into_owned()));
        let mut place = Self {
            name: name.unwrap_or_default(),
            directory,
            config: config.clone(),
            exec,
            product: product.clone(),
            commands: commands.clone(),
            environment: BTreeMap::new(),
        };
        if let Some(file) = &place.exec.environment {
            let path = place.directory.join(file);
            let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
            place.environment = dotenv::parse(&text)
                .into_iter()
                .map(|assignment| (assignment.name, Secret::new(&text[assignment.value])))
                .collect();
        }
        place.register_secrets();
        Ok(place)
    }

    fn register_secrets(&self) {
        let redactor = self.commands.redactor();
        for (name, value) in &self.environment {
            if let Some(password) = uri::password_in(value.expose()) {
                redactor.register(&password);
            }
            let named = self
                .product
                .secrets
                .iter()
                .any(|pattern| glob::matches(pattern, name));
            if named && !value.expose().contains("://") {
                redactor.register(value.expose());
            }
        }
    }

    /// The file whose one line is the version in use.
    pub(super) fn current(&self) -> PathBuf {
        self.directory.join(&self.exec.current)
    }

    /// The version in use.
    pub(super) fn version(&self) -> Result<Version, Problem> {
        let path = self.current();
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        Ok(Version::new(text.trim()))
    }

    /// The executable of a version.
    pub(super) fn binary(&self, version: &str) -> PathBuf {
        self.directory
            .join(&self.exec.releases)
            .join(version)
            .join(&self.exec.binary)
    }

    /// How a version is named where containers would have an image.
    pub(super) fn reference(&self, version: &str) -> String {
        format!("{}:{version}", self.exec.binary)
    }

    /// The executable of a reference, pinned; `None` where it is not here.
    pub(super) fn pin(&self, reference: &str) -> Option<ImagePin> {
        let bytes = fs::read(self.binary(version_of(reference))).ok()?;
        Some(ImagePin {
            reference: reference.to_owned(),
            id: Some(id_of(&bytes)),
            digest: None,
        })
    }

    /// Where notes and logs of processes are.
    pub(super) fn notes(&self) -> PathBuf {
        self.directory.join(".switchback")
    }

    /// The note of a service's process.
    pub(super) fn note(&self, service: &ServiceName) -> PathBuf {
        self.notes().join(format!("{service}.pid"))
    }

    /// The log of a service's process.
    pub(super) fn log(&self, service: &ServiceName) -> PathBuf {
        self.notes().join(format!("{service}.log"))
    }

    /// Where a service's last start noted what it started.
    pub(super) fn started(&self, service: &ServiceName) -> PathBuf {
        self.notes().join(format!("{service}.image"))
    }

    /// A service's process, where it lives.
    pub(super) fn process(&self, service: &ServiceName) -> Option<Process> {
        Process::noted(&self.note(service))
    }

    /// What a service was last started from.
    pub(super) fn image(&self, service: &ServiceName) -> Option<ImagePin> {
        let noted = fs::read_to_string(self.started(service)).ok()?;
        let (id, reference) = noted.trim().split_once(' ')?;
        let running = self
            .process(service)
            .and_then(|process| process.image().ok());
        Some(ImagePin {
            reference: reference.to_owned(),
            id: Some(running.map_or_else(|| id.to_owned(), |bytes| id_of(&bytes))),
            digest: None,
        })
    }

    /// The environment of a process.
    pub(super) fn variables(&self) -> Vec<(String, Secret)> {
        self.environment
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Reads a secret where it is, and registers it.
    pub(super) fn secret(&self, reference: &SecretRef) -> Result<Secret, Problem> {
        let secret = secret::read(reference, &self.directory, &|_, variable| {
            self.environment.get(variable).cloned()
        })?;
        self.commands.redactor().register(secret.expose());
        Ok(secret)
    }
}

/// The version that a reference names.
pub(super) fn version_of(reference: &str) -> &str {
    Reference::parse(reference).tag.map_or("", |(tag, _)| tag)
}

/// What stands for an image's id: the digest of the executable.
pub(super) fn id_of(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(
        Exit::Usage,
        "exec-file-unreadable",
        format!("cannot read `{}`", path.display()),
    )
    .state("deployment", "not touched")
    .cause(error)
    .hint("correct [exec] in switchback.toml, or put the file back")
}
