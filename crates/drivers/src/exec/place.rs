//! Where the parts of an exec deployment are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use switchback_engine::process::{Commands, Secret};
use switchback_model::config::{Config, ExecConfig, SecretRef};
use switchback_model::observed::ImagePin;
use switchback_model::product::Product;
use switchback_model::{Problem, ServiceName, Version};

use super::problems;
use super::release::{Releases, version_of};
use crate::formats::{dotenv, uri};
use crate::host::Host;
use crate::host::process::{self, Process};
use crate::secret;

/// What the deployment, its driver and its reaches have in common.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) directory: PathBuf,
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) exec: ExecConfig,
    pub(super) releases: Releases,
    pub(super) product: Product,
    pub(super) commands: Commands,
    /// Where its migrations run: here.
    pub(super) host: Host,
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
        let exec = config.exec.clone().ok_or_else(problems::not_configured)?;
        let name = config
            .name
            .clone()
            .or_else(|| Some(directory.file_name()?.to_string_lossy().into_owned()));
        let releases = Releases::new(&directory, &exec, Some(product));
        if releases.commands.services.is_empty() {
            return Err(problems::services_unknown(product));
        }
        let mut place = Self {
            name: name.unwrap_or_default(),
            directory,
            releases,
            config: config.clone(),
            exec,
            product: product.clone(),
            commands: commands.clone(),
            host: Host::Here(commands.clone()),
            environment: BTreeMap::new(),
        };
        if let Some(file) = &place.exec.environment {
            let path = place.directory.join(file);
            let text =
                fs::read_to_string(&path).map_err(|error| problems::unreadable(&path, &error))?;
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
            if self.product.is_secret(name) && !value.expose().contains("://") {
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
        let text =
            fs::read_to_string(&path).map_err(|error| problems::unreadable(&path, &error))?;
        Ok(Version::new(text.trim()))
    }

    /// Where the processes run.
    pub(super) fn inside(&self) -> PathBuf {
        match &self.exec.directory {
            Some(directory) => self.directory.join(directory),
            None => self.directory.clone(),
        }
    }

    /// A release, pinned; `None` where it is not here.
    pub(super) fn pin(&self, reference: &str) -> std::io::Result<Option<ImagePin>> {
        let id = self.releases.id(version_of(reference))?;
        Ok(id.map(|id| ImagePin {
            reference: reference.to_owned(),
            id: Some(id),
            digest: None,
        }))
    }

    /// A command of a release, program first.
    pub(super) fn command(&self, version: &str, words: &[String]) -> Result<Vec<String>, Unset> {
        let value = |name: &str| {
            // What is in a command can be seen by every user of the host.
            if self.product.is_secret(name) {
                return None;
            }
            let found = self.environment.get(name)?;
            Some(found.expose().to_owned())
        };
        self.releases
            .command(version, words, &value)
            .map_err(|name| Unset {
                secret: self.product.is_secret(&name),
                name,
            })
    }

    /// How a service is started in a version.
    pub(super) fn start(&self, service: &ServiceName, version: &str) -> Result<Vec<String>, Unset> {
        let said = self.releases.service(service);
        let words = said.map(|service| service.start.as_slice());
        self.command(version, words.unwrap_or_default())
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

    /// A service's process as its note names it, where it lives.
    pub(super) fn noted(&self, service: &ServiceName) -> Option<Process> {
        Process::noted(&self.note(service))
    }

    /// Everything that runs a service, also what somebody started by hand.
    pub(super) fn processes(&self, service: &ServiceName) -> Vec<Process> {
        let noted = self.noted(service);
        let others = self
            .by_hand(service)
            .into_iter()
            .map(|(process, _)| process);
        let others = others.filter(|process| Some(*process) != noted);
        noted.into_iter().chain(others).collect()
    }

    /// A service's process, where one lives.
    pub(super) fn process(&self, service: &ServiceName) -> Option<Process> {
        self.noted(service)
            .or_else(|| Some(self.by_hand(service).into_iter().next()?.0))
    }

    /// The version that a service runs, by what runs, not by our notes.
    pub(super) fn version_run(&self, service: &ServiceName) -> Option<String> {
        let found = self.by_hand(service).into_iter().next();
        found.map(|(_, version)| version).or_else(|| {
            self.noted(service)?;
            Some(version_of(&self.image(service)?.reference).to_owned())
        })
    }

    /// What looks like the service, with the version that it was started from.
    fn by_hand(&self, service: &ServiceName) -> Vec<(Process, String)> {
        let start = |version: &str| self.start(service, version).ok();
        process::all()
            .into_iter()
            .filter_map(|process| {
                let version = self.releases.version_started(process, &start)?;
                Some((process, version))
            })
            .collect()
    }

    /// What a service runs, or was last started from.
    pub(super) fn image(&self, service: &ServiceName) -> Option<ImagePin> {
        let noted = fs::read_to_string(self.started(service)).ok();
        let noted = noted
            .as_deref()
            .and_then(|text| text.trim().split_once(' '));
        let process = self.noted(service);
        if process.is_none()
            && let Some((_, version)) = self.by_hand(service).into_iter().next()
        {
            return self.pin(&self.releases.reference(&version)).ok()?;
        }
        let (id, reference) = noted?;
        let running = process.and_then(|process| self.releases.id_of_process(process));
        Some(ImagePin {
            reference: reference.to_owned(),
            id: Some(running.unwrap_or_else(|| id.to_owned())),
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

/// A name in braces of a command that cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unset {
    name: String,
    secret: bool,
}

impl Unset {
    /// What is wrong, and what to do about it.
    pub(super) fn told(&self) -> (String, &'static str) {
        let name = &self.name;
        if self.secret {
            return (
                format!(
                    "`{{{name}}}` is a secret, which a command would show to every user of the host"
                ),
                "let the program read it from its environment, and correct the product's definition",
            );
        }
        (
            format!("no variable `{name}` is set, which a command of the product asks for"),
            "set it in the file that [exec] names as environment",
        )
    }
}
