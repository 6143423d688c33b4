//! A deployment made of a Compose project.

use std::path::{Path, PathBuf};

use switchback_engine::ports::{Driver, Reach};
use switchback_engine::process::{Commands, Secret};
use switchback_model::config::{Config, SecretRef};
use switchback_model::observed::{DatastoreLocation, ImagePin, Observed};
use switchback_model::plan::FileEdit;
use switchback_model::product::Product;
use switchback_model::{Problem, Version};

/// Directories of this host that an upgrade writes to, beside the deployment's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// Where backups go.
    pub backups: PathBuf,
    /// Where the journal is.
    pub journal: PathBuf,
}

/// A Compose project whose configuration could be read.
#[derive(Debug)]
pub struct Deployment {}

impl Deployment {
    /// Reads the project's configuration and registers its secrets in the runner's redactor.
    pub fn open(
        directory: &Path,
        config: &Config,
        product: &Product,
        commands: &Commands,
    ) -> Result<Self, Problem> {
        let _ = (directory, config, product, commands);
        unimplemented!()
    }

    /// Looks at everything: services, images, files, datastores, filesystems, probes.
    pub fn observe(&self, directories: &Directories) -> Result<Observed, Problem> {
        let _ = directories;
        unimplemented!()
    }

    /// The references of the product's images (and companions) at `version`, one per image in use.
    pub fn references(&self, version: &Version) -> Vec<String> {
        let _ = version;
        unimplemented!()
    }

    /// Pins references: by the local image, else by what the registry says.
    pub fn resolve(&self, references: &[String]) -> Result<Vec<ImagePin>, Problem> {
        let _ = references;
        unimplemented!()
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
        let _ = (observed, versions);
        unimplemented!()
    }

    /// What changes this deployment when a plan runs.
    pub fn driver(&self) -> Box<dyn Driver> {
        unimplemented!()
    }

    /// The way to a datastore's server.
    pub fn reach(&self, location: &DatastoreLocation) -> Box<dyn Reach> {
        let _ = location;
        unimplemented!()
    }

    /// Reads a secret where it is, and registers it in the redactor.
    pub fn secret(&self, reference: &SecretRef) -> Result<Secret, Problem> {
        let _ = reference;
        unimplemented!()
    }
}
