//! Where the parts of a packaged product are, and how the host is asked about them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use switchback_engine::ports::Failure;
use switchback_engine::process::{Argv, Commands, Finished, Input, Output, Secret};
use switchback_model::config::{Config, PackagesConfig, SecretRef};
use switchback_model::product::Product;
use switchback_model::{Problem, ServiceName, Version};

use super::dpkg::{self, Package};
use super::set::{Set, release_of};
use super::systemd::{self, Unit};
use crate::secret;

/// How long processes may take to end, in seconds, where nobody says otherwise.
const PATIENCE: u64 = 30;

/// What the deployment and its driver have in common.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) directory: PathBuf,
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) packages: PackagesConfig,
    pub(super) product: Product,
    pub(super) commands: Commands,
}

/// What dpkg's record says of the product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Every package of the host.
    pub(super) all: Vec<Package>,
    /// The product's, with their versions.
    pub(super) set: Set,
}

impl Record {
    /// Packages of the product.
    pub(super) fn ours(&self) -> impl Iterator<Item = &Package> {
        self.all
            .iter()
            .filter(|package| package.is_there() && self.set.0.contains_key(&package.name))
    }

    /// The architecture of a package of the product.
    pub(super) fn architecture(&self, name: &str) -> &str {
        self.ours()
            .find(|package| package.name == name)
            .map_or("", |package| package.architecture.as_str())
    }

    /// Whether one of the product's packages was begun and not finished.
    pub(super) fn is_half(&self) -> bool {
        self.ours().any(Package::is_half)
    }
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
            .or_else(|| Some(directory.file_name()?.to_string_lossy().into_owned()));
        Self {
            name: name.unwrap_or_default(),
            directory,
            config: config.clone(),
            packages: config.packages.clone().unwrap_or_default(),
            product: product.clone(),
            commands: commands.clone(),
        }
    }

    /// Where everything is that has to outlive us.
    pub(super) fn notes(&self) -> PathBuf {
        self.directory.join(".switchback")
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

    /// What dpkg's record says now.
    pub(super) fn record(&self) -> Result<Record, Failure> {
        let answer = self.ask(&dpkg::ask_packages(), "cannot read dpkg's record")?;
        let all = dpkg::packages(&answer);
        let names = self.names();
        let versions = all
            .iter()
            .filter(|package| package.is_there() && names.contains(&package.name))
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
        Some(release_of(first))
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
        let answer = self.ask(&systemd::ask_units(&names), "cannot ask systemd")?;
        let found = services.into_iter().zip(systemd::units(&answer));
        Ok(found.filter(|(_, unit)| unit.exists()).collect())
    }

    /// How long processes may take to end, in seconds.
    pub(super) fn patience(&self) -> u64 {
        self.packages.patience.unwrap_or(PATIENCE)
    }

    /// Runs a command to its end and returns what it answers.
    pub(super) fn ask(&self, argv: &Argv, what: &str) -> Result<String, Failure> {
        self.commands
            .capture(&in_english(argv))
            .map_err(|error| error.into_failure("host-silent", what))
    }

    /// Runs a command to its end, whatever its exit code.
    pub(super) fn try_to(&self, argv: &Argv, what: &str) -> Result<Finished, Failure> {
        self.commands
            .run_any(&in_english(argv), Input::Empty, Output::Capture)
            .map_err(|error| error.into_failure("host-silent", what))
    }

    /// Reads a secret where it is, and registers it.
    pub(super) fn secret(&self, reference: &SecretRef) -> Result<Secret, Problem> {
        let secret = secret::read(reference, &self.directory, &|_, _| None)?;
        self.commands.redactor().register(secret.expose());
        Ok(secret)
    }
}

/// The command with messages that can be read: apt and systemd speak their operator's language.
pub(super) fn in_english(argv: &Argv) -> Argv {
    let mut english = Argv::new("env", ["LC_ALL=C.UTF-8", &argv.program]);
    english.args.extend(argv.args.iter().cloned());
    english.env.clone_from(&argv.env);
    english.directory.clone_from(&argv.directory);
    english
}

/// Writes a file beside its place and puts it there, on disk when this returns.
pub(super) fn write_durably(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let new = path.with_extension("new");
    let mut file = fs::File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// A file that cannot be written, as a failure.
pub(super) fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        "file-unwritable",
        format!("cannot write `{}`", path.display()),
    )
    .cause(error)
    .hint("make room, or make it writable, then switchback resume")
}
