//! A product that is installed from packages, on this machine or another.

use std::path::Path;
use std::rc::Rc;

use switchback_engine::ports::{Driver, Reach};
use switchback_engine::process::{Commands, Secret};
use switchback_model::config::{Config, SecretRef};
use switchback_model::observed::{DatastoreLocation, Deployment as Identity, ImagePin, Observed};
use switchback_model::plan::FileEdit;
use switchback_model::product::{Probe, Product};
use switchback_model::{Problem, Version};

use super::driver::PackagesDriver;
use super::place::Place;
use super::set::Set;
use super::{fetch, observe, problems};
use crate::filesystem::Directories;
use crate::local::LocalReach;

/// A packaged product whose configuration could be read.
#[derive(Debug)]
pub struct Deployment {
    place: Rc<Place>,
}

impl Deployment {
    /// Reads the configuration. Nothing is asked of the host yet.
    pub fn open(
        directory: &Path,
        config: &Config,
        product: &Product,
        commands: &Commands,
    ) -> Result<Self, Problem> {
        Ok(Self {
            place: Rc::new(Place::read(directory, config, product, commands)),
        })
    }

    /// Which deployment this is: what its plans are good for.
    pub fn identity(&self) -> Identity {
        Identity {
            name: self.place.name.clone(),
            directory: self.place.directory.to_string_lossy().into_owned(),
            driver: "packages".to_owned(),
            project: match self.place.host.name() {
                Some(host) => format!("{} on {host}", self.place.product.id),
                None => self.place.product.id.as_str().to_owned(),
            },
        }
    }

    /// Looks at everything: packages, repositories, units, conffiles, datastores, filesystems, probes.
    pub fn observe(&self, directories: &Directories) -> Result<Observed, Problem> {
        observe::observe(&self.place, self.identity(), directories)
    }

    /// The packages that references stand for, with their exact versions.
    pub fn resolve(&self, references: &[String]) -> Result<Vec<ImagePin>, Problem> {
        observe::resolve(&self.place, references)
    }

    /// The installations that take the record of packages through `versions`, one for each.
    pub fn edits(&self, _: &Observed, versions: &[Version]) -> Result<Vec<Vec<FileEdit>>, Problem> {
        let record = self.place.record().map_err(problems::refused)?;
        let mut now = record.set.clone();
        let mut lists = Vec::new();
        for version in versions {
            let next = fetch::set_of(&self.place, &record, version).map_err(problems::refused)?;
            lists.push(if next == now {
                Vec::new()
            } else {
                vec![self.edit(&now, &next)]
            });
            now = next;
        }
        Ok(lists)
    }

    /// What changes this deployment when a plan runs.
    pub fn driver(&self) -> Box<dyn Driver> {
        Box::new(PackagesDriver::new(Rc::clone(&self.place)))
    }

    /// The way to a datastore's server.
    pub fn reach(&self, _: &DatastoreLocation) -> Box<dyn Reach> {
        Box::new(LocalReach::foreign_to(&self.place.host))
    }

    /// Reads a secret where it is, and registers it in the redactor.
    pub fn secret(&self, reference: &SecretRef) -> Result<Secret, Problem> {
        self.place.secret(reference)
    }

    /// Asks probes of the datastore at `location`, and nothing else; `None` for each that cannot be asked.
    pub fn ask(&self, probes: &[&Probe], location: &DatastoreLocation) -> Vec<Option<String>> {
        observe::asking(&self.place, |asker| asker.probed(location, probes))
    }

    /// One set takes another's place, as an edit of the line that the record says of the product.
    fn edit(&self, old: &Set, new: &Set) -> FileEdit {
        FileEdit {
            path: self.place.packaging().words().record.to_owned(),
            offset: 0,
            old: old.to_string(),
            new: new.to_string(),
            before: old.digest(),
            after: new.digest(),
        }
    }
}
