//! Where the parts of a packaged product are, and how the host is asked about them.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use switchback_engine::ports::Failure;
use switchback_engine::process::{Argv, Commands, Finished, Secret};
use switchback_model::config::{Config, PackagesConfig, SecretRef};
use switchback_model::product::Product;
use switchback_model::{Problem, ServiceName, Version};

use super::debian::Debian;
use super::packaging::Packaging;
use super::record::Record;
use super::set::{Set, release_of};
use super::systemd::{self, Unit};
use super::{english, families, problems};
use crate::host::{Far, Host};
use crate::secret;

/// How long processes may take to end, in seconds, where nobody says otherwise.
const PATIENCE: u64 = 30;

/// Where our files are on another machine, a directory for each deployment.
const THERE: &str = "/var/lib/switchback/deployments";

/// What the deployment and its driver have in common.
#[derive(Debug)]
pub(super) struct Place {
    /// Where `switchback.toml` is.
    pub(super) directory: PathBuf,
    /// The machine that the packages are on.
    pub(super) host: Host,
    /// Where our files are on that machine: beside `switchback.toml` where it is this one.
    pub(super) there: PathBuf,
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) packages: PackagesConfig,
    pub(super) product: Product,
    pub(super) commands: Commands,
    /// Found out once, see [`Place::packaging`].
    family: OnceCell<Box<dyn Packaging>>,
}

impl Place {
    /// Reads the configuration.
    pub(super) fn read(
        directory: &Path,
        config: &Config,
        product: &Product,
        commands: &Commands,
    ) -> Self {
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let name = config
            .name
            .clone()
            .or_else(|| Some(directory.file_name()?.to_string_lossy().into_owned()))
            .unwrap_or_default();
        let (host, there) = match &config.host {
            None => (Host::Here(commands.clone()), directory.clone()),
            Some(said) => {
                let settings = said.config.as_ref().map(|path| directory.join(path));
                let far = Far::new(&said.ssh, settings, commands.clone());
                (Host::Far(Rc::new(far)), Path::new(THERE).join(&name))
            }
        };
        Self {
            name,
            directory,
            host,
            there,
            config: config.clone(),
            packages: config.packages.clone().unwrap_or_default(),
            product: product.clone(),
            commands: commands.clone(),
            family: OnceCell::new(),
        }
    }

    /// Where everything is that has to outlive us.
    pub(super) fn notes(&self) -> PathBuf {
        self.there.join(".switchback")
    }

    /// Names of the product's packages, installed or not, the one that tells its version first.
    pub(super) fn names(&self) -> Vec<String> {
        if self.packages.names.is_empty() {
            let all = self.product.packages.iter();
            all.map(|package| package.name.clone()).collect()
        } else {
            self.packages.names.clone()
        }
    }

    /// What the record of packages says now.
    pub(super) fn record(&self) -> Result<Record, Failure> {
        let names = self.names();
        let all = self.packaging().installed(&self.host, &names)?;
        let versions = all
            .iter()
            .filter(|package| names.contains(&package.name))
            .map(|package| (package.name.clone(), package.version.clone()))
            .collect();
        Ok(Record {
            all,
            set: Set(versions),
        })
    }

    /// The product's version in a set: that of its first package.
    pub(super) fn version(&self, set: &Set) -> Option<Version> {
        let names = self.names();
        let first = names.iter().find_map(|name| set.0.get(name))?;
        Some(self.release_of(first))
    }

    /// The product's release that a package's version is of.
    pub(super) fn release_of(&self, version: &str) -> Version {
        release_of(self.product.scheme, version)
    }

    /// The version that a reference of [`Place::reference`] names.
    pub(super) fn referred(&self, reference: &str) -> Version {
        // An epoch has a colon of its own.
        Version::new(reference.split_once(':').map_or("", |(_, version)| version))
    }

    /// How a version is named where containers would have an image.
    pub(super) fn reference(&self, version: &Version) -> String {
        format!("{}:{version}", self.product.id)
    }

    /// The product's services, whether or not the host has them, in the order of their start.
    pub(super) fn services(&self) -> Vec<ServiceName> {
        if self.packages.services.is_empty() {
            let all = self.product.services.iter();
            all.map(|service| ServiceName::new(service.name.as_str()))
                .collect()
        } else {
            self.packages.services.clone()
        }
    }

    /// The product's units that the host has.
    pub(super) fn units(&self) -> Result<Vec<(ServiceName, Unit)>, Failure> {
        let services = self.services();
        let names: Vec<String> = services
            .iter()
            .map(|service| systemd::unit_of(service.as_str()))
            .collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let asked = self.ask(&systemd::ask_units(&names), "cannot ask systemd");
        let answer = asked.map_err(|failure| self.without_systemd(failure))?;
        let found = services.into_iter().zip(systemd::units(&answer));
        Ok(found.filter(|(_, unit)| unit.exists()).collect())
    }

    /// Why systemd did not answer, where it is not there to answer.
    fn without_systemd(&self, failure: Failure) -> Failure {
        match self.host.exists(Path::new(systemd::RUNS)) {
            Ok(false) => problems::no_systemd(self.product.id.as_str()),
            _ => failure,
        }
    }

    /// How long processes may take to end, in seconds.
    pub(super) fn patience(&self) -> u64 {
        self.packages.patience.unwrap_or(PATIENCE)
    }

    /// As [`english::ask`].
    pub(super) fn ask(&self, argv: &Argv, what: &str) -> Result<String, Failure> {
        english::ask(&self.host, argv, what)
    }

    /// As [`english::try_to`].
    pub(super) fn try_to(&self, argv: &Argv, what: &str) -> Result<Finished, Failure> {
        english::try_to(&self.host, argv, what)
    }

    /// The family that the product's packages are of: the one whose record has them.
    pub(super) fn packaging(&self) -> &dyn Packaging {
        if let Some(found) = self.family.get() {
            return found.as_ref();
        }
        match families::of(&self.host, &self.names()) {
            Ok(found) => self.family.get_or_init(|| found).as_ref(),
            // A machine that does not answer is told by whoever asks it next, and asked again then.
            Err(_) => &Debian,
        }
    }

    /// Reads a secret where it is, and registers it.
    pub(super) fn secret(&self, reference: &SecretRef) -> Result<Secret, Problem> {
        let secret = match reference {
            // The product's own file is on the product's machine.
            SecretRef::Setting { file, section, key } => {
                secret::set_in(section, key, file, &self.host.text(Path::new(file)))?
            }
            _ => secret::read(reference, &self.directory, &|_, _| None)?,
        };
        self.commands.redactor().register(secret.expose());
        Ok(secret)
    }
}
