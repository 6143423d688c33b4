//! A deployment made of a Compose project.

use std::cell::OnceCell;
use std::path::Path;
use std::rc::Rc;

use switchback_engine::ports::{Driver, Reach};
use switchback_engine::process::{Argv, CommandError, Commands, Secret};
use switchback_model::config::{Config, SecretRef};
use switchback_model::observed::{Access, DatastoreLocation, ImagePin, Observed};
use switchback_model::plan::FileEdit;
use switchback_model::product::{Probe, Product};
use switchback_model::{Problem, ServiceName, Version};

use super::commands::Compose;
use super::driver::ComposeDriver;
use super::edit::Language;
use super::layout::{self, Layout};
use super::observe;
use super::places::Files;
use super::problems;
use super::project::Project;
use super::reach::ContainerReach;
use super::shared::Shared;
use super::versions;
use crate::filesystem::Directories;
use crate::local::LocalReach;

/// A Compose project whose configuration could be read.
#[derive(Debug)]
pub struct Deployment {
    pub(super) shared: Rc<Shared>,
}

impl Deployment {
    /// Reads the project's configuration and registers its secrets in the runner's redactor.
    pub fn open(
        directory: &Path,
        config: &Config,
        product: &Product,
        commands: &Commands,
    ) -> Result<Self, Problem> {
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let said = config.compose.clone().unwrap_or_default();
        let layout = layout::find(&directory, &said, &layout::environment())?;
        let compose = Compose {
            directory: directory.clone(),
            files: said.files,
            project: said.project,
        };
        let project = read_project(&compose, &layout, commands)?;
        let name = config.name.clone().or_else(|| {
            let name = directory.file_name()?;
            Some(name.to_string_lossy().into_owned())
        });
        let shared = Shared {
            name: name.unwrap_or_else(|| project.name.clone()),
            directory,
            config: config.clone(),
            product: product.clone(),
            commands: commands.clone(),
            compose,
            layout,
            project,
            engine: OnceCell::new(),
        };
        shared.register_secrets();
        Ok(Self {
            shared: Rc::new(shared),
        })
    }

    /// Which deployment this is: what its plans are good for.
    pub fn identity(&self) -> switchback_model::observed::Deployment {
        observe::identity(&self.shared)
    }

    /// Looks at everything: services, images, files, datastores, filesystems, probes.
    pub fn observe(&self, directories: &Directories) -> Result<Observed, Problem> {
        observe::observe(&self.shared, directories)
    }

    /// Pins references: by the local image, else by what the registry says.
    pub fn resolve(&self, references: &[String]) -> Result<Vec<ImagePin>, Problem> {
        references
            .iter()
            .map(|reference| self.shared.pin(reference))
            .collect()
    }

    /// The edits that take the files as `observed` through `versions`, one list per version, in order:
    /// the edits of each version apply to the files as the version before left them.
    ///
    /// Edits of one file come last place first, so that offsets hold in the file before and after;
    /// their digests chain. Reversed in order and direction they are the way back.
    pub fn edits(
        &self,
        observed: &Observed,
        versions: &[Version],
    ) -> Result<Vec<Vec<FileEdit>>, Problem> {
        self.edits_with(observed, &[], versions)
            .map(|edits| edits.1)
    }

    /// As [`Deployment::edits`], after the edits that give `servers` the versions that they shall have.
    pub fn edits_with(
        &self,
        observed: &Observed,
        servers: &[(ServiceName, String)],
        versions: &[Version],
    ) -> Result<(Vec<FileEdit>, Vec<Vec<FileEdit>>), Problem> {
        let files = self.shared.files()?;
        let language = |path: &Path| {
            if files.is_env_file(path) {
                Language::Dotenv
            } else {
                Language::Yaml
            }
        };
        let all: Vec<versions::Named<'_>> = self
            .shared
            .project
            .services
            .iter()
            .map(|service| versions::Named {
                service: &service.name,
                image: &service.image,
                versioned: false,
                labelled: None,
            })
            .collect();
        let tags = servers
            .iter()
            .map(|(service, to)| {
                self.shared.keeps_its_directory(service, to)?;
                versions::ServerTag::find(&files, &all, service, to)
            })
            .collect::<Result<Vec<_>, _>>()?;
        versions::edits(observed, &tags, versions, &language)
    }

    /// What changes this deployment when a plan runs.
    pub fn driver(&self) -> Box<dyn Driver> {
        Box::new(ComposeDriver::new(Rc::clone(&self.shared)))
    }

    /// The way to a datastore's server.
    pub fn reach(&self, location: &DatastoreLocation) -> Box<dyn Reach> {
        match &location.access {
            Access::Container { service } => Box::new(ContainerReach::new(
                Rc::clone(&self.shared),
                service.clone(),
            )),
            Access::Local => Box::new(LocalReach::foreign()),
        }
    }

    /// Reads a secret where it is, and registers it in the redactor.
    pub fn secret(&self, reference: &SecretRef) -> Result<Secret, Problem> {
        self.shared.secret(reference)
    }

    /// Asks probes of the datastore at `location`, and nothing else; `None` for each that cannot be asked.
    pub fn ask(&self, probes: &[&Probe], location: &DatastoreLocation) -> Vec<Option<String>> {
        self.shared.asking(|asker| asker.probed(location, probes))
    }
}

/// Reads the project. Reasons that can be told without Docker are told first.
pub(super) fn read_project(
    compose: &Compose,
    layout: &Layout,
    commands: &Commands,
) -> Result<Project, Problem> {
    Files::read(&layout.compose, &layout.env_files, &layout::environment())?;
    let answer = commands
        .capture(&compose.config())
        .map_err(|error| config_failed(error, commands))?;
    Project::from_json(&answer).map_err(|error| problems::config_refused(&error.to_string()))
}

/// Why `docker compose config` did not answer.
fn config_failed(error: CommandError, commands: &Commands) -> Problem {
    let output = match error {
        CommandError::Exit { output, .. } => output,
        CommandError::Io { source, .. } => return problems::nothing_kept(&source),
        error => return problems::docker_missing().cause(error),
    };
    if commands.capture(&Compose::version()).is_ok() {
        return problems::config_refused(&output);
    }
    // The runner starts children through `setpriv`, which says itself when a program is missing.
    if commands
        .capture(&Argv::new("docker", ["--version"]))
        .is_err()
    {
        return problems::docker_missing();
    }
    let v1 = commands.capture(&Argv::new("docker-compose", ["version", "--short"]));
    problems::compose_missing(v1.is_ok_and(|version| version.trim().starts_with("1.")))
}
