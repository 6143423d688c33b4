//! A deployment of whichever kind `switchback.toml` describes.

use std::path::Path;

use switchback_engine::ports::{Driver, Reach};
use switchback_engine::process::{Commands, Secret};
use switchback_model::config::{Config, SecretRef};
use switchback_model::exit::Exit;
use switchback_model::observed::{DatastoreLocation, Deployment as Identity, ImagePin, Observed};
use switchback_model::plan::FileEdit;
use switchback_model::product::{Probe, Product};
use switchback_model::{Problem, ServiceName, Version};

use crate::filesystem::Directories;
use crate::{Glance, compose, exec, packages};

/// A deployment that can be looked at and changed.
#[derive(Debug)]
pub enum Deployment {
    /// A Compose project.
    Compose(compose::Deployment),
    /// Local processes.
    Exec(exec::Deployment),
    /// Packages of this host.
    Packages(packages::Deployment),
}

/// A quick look at the services of the deployment in `directory`; empty where none was ever started.
/// Without the product's definition it cannot be told which processes are its own.
pub fn glance(
    directory: &Path,
    config: &Config,
    product: Option<&Product>,
) -> Result<Vec<Glance>, Problem> {
    let of_processes = config.exec.is_some() || config.packages.is_some();
    match (of_processes, product) {
        (true, Some(product)) if config.exec.is_some() => exec::glance(directory, config, product),
        (true, Some(product)) => packages::glance(directory, config, product),
        (true, None) => Err(Problem::new(
            Exit::Usage,
            "product-unknown",
            format!(
                "no definition of `{}` says what its processes are",
                config.product
            ),
        )
        .hint("give the directory of its definition: --catalog DIR")),
        (false, _) => compose::glance(directory, config),
    }
}

/// Calls the method of whichever it is.
macro_rules! either {
    ($deployment:expr, $inner:ident => $call:expr) => {
        match $deployment {
            Deployment::Compose($inner) => $call,
            Deployment::Exec($inner) => $call,
            Deployment::Packages($inner) => $call,
        }
    };
}

impl Deployment {
    /// Reads the deployment's configuration: local processes where `[exec]` is given, packages where
    /// `[packages]` is, else Compose.
    /// Its secrets are registered in the runner's redactor.
    pub fn open(
        directory: &Path,
        config: &Config,
        product: &Product,
        commands: &Commands,
    ) -> Result<Self, Problem> {
        if config.exec.is_some() {
            exec::Deployment::open(directory, config, product, commands).map(Self::Exec)
        } else if config.packages.is_some() {
            packages::Deployment::open(directory, config, product, commands).map(Self::Packages)
        } else {
            compose::Deployment::open(directory, config, product, commands).map(Self::Compose)
        }
    }

    /// Which deployment this is: what its plans are good for.
    pub fn identity(&self) -> Identity {
        either!(self, inner => inner.identity())
    }

    /// Looks at everything.
    pub fn observe(&self, directories: &Directories) -> Result<Observed, Problem> {
        either!(self, inner => inner.observe(directories))
    }

    /// Pins references, or says which is not to be had.
    pub fn resolve(&self, references: &[String]) -> Result<Vec<ImagePin>, Problem> {
        either!(self, inner => inner.resolve(references))
    }

    /// The edits that take the files as `observed` through `versions`, one list per version.
    pub fn edits(
        &self,
        observed: &Observed,
        versions: &[Version],
    ) -> Result<Vec<Vec<FileEdit>>, Problem> {
        either!(self, inner => inner.edits(observed, versions))
    }

    /// As [`Deployment::edits`], after the edits that give `servers` the versions that they shall have. Only Compose
    /// runs servers whose version is written in a file.
    pub fn edits_with(
        &self,
        observed: &Observed,
        servers: &[(ServiceName, String)],
        versions: &[Version],
    ) -> Result<(Vec<FileEdit>, Vec<Vec<FileEdit>>), Problem> {
        match self {
            Self::Compose(inner) => inner.edits_with(observed, servers, versions),
            Self::Exec(inner) => inner
                .edits(observed, versions)
                .map(|edits| (Vec::new(), edits)),
            Self::Packages(inner) => inner
                .edits(observed, versions)
                .map(|edits| (Vec::new(), edits)),
        }
    }

    /// What changes this deployment when a plan runs.
    pub fn driver(&self) -> Box<dyn Driver> {
        either!(self, inner => inner.driver())
    }

    /// The way to a datastore's server.
    pub fn reach(&self, location: &DatastoreLocation) -> Box<dyn Reach> {
        either!(self, inner => inner.reach(location))
    }

    /// Reads a secret where it is, and registers it in the redactor.
    pub fn secret(&self, reference: &SecretRef) -> Result<Secret, Problem> {
        either!(self, inner => inner.secret(reference))
    }

    /// Asks probes of the datastore at `location`, and nothing else; `None` for each that cannot be asked.
    pub fn ask(&self, probes: &[&Probe], location: &DatastoreLocation) -> Vec<Option<String>> {
        either!(self, inner => inner.ask(probes, location))
    }
}
