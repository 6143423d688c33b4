//! What a copy is: a compose file, the files that it needs, and where the data go.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use switchback_model::config::{ComposeConfig, Config, SecretRef};
use switchback_model::observed::{Access, DatastoreLocation, ServiceState};
use switchback_model::plan::{Act, BackupMethod};
use switchback_model::product::DatastoreKind;
use switchback_model::{DatastoreName, Problem, ServiceName};

use super::drawing::Drawing;
use super::mounts::Places;
use super::needed::needed;
use super::original::{Original, Request, Sources, copied_project};
use super::transfer::Transfer;
use super::{emit, service};
use crate::compose::deployment::Deployment;
use crate::compose::problems;

/// Name of the copy's compose file.
const COMPOSE_FILE: &str = "compose.yaml";

/// A copy that is decided and not made yet.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// Name of its Compose project.
    pub project: String,
    /// Where it lives.
    pub directory: PathBuf,
    /// Its `switchback.toml`.
    pub config: Config,
    /// The files that it needs.
    pub transfers: Vec<Transfer>,
    /// Where the data of each datastore go: directories of the copy. Files are brought by `transfers`.
    pub data: BTreeMap<DatastoreName, PathBuf>,
    /// Servers of datastores, started first.
    pub servers: Vec<ServiceName>,
    /// The other services that run.
    pub services: Vec<ServiceName>,
    /// Services that the plan does not need.
    pub left_out: Vec<ServiceName>,
    /// What is different in the copy, one line each.
    pub remarks: Vec<String>,
    outbound: bool,
    compose: String,
    environment: String,
}

impl Deployment {
    /// Decides what a copy of this deployment is. Nothing is made or copied.
    pub fn blueprint(&self, request: &Request<'_>) -> Result<Blueprint, Problem> {
        let shared = &self.shared;
        let answer = shared
            .commands
            .capture(&shared.compose.config())
            .map_err(|error| problems::config_refused(&error.to_string()))?;
        let config: Value = serde_json::from_str(&answer)
            .map_err(|error| problems::config_refused(&error.to_string()))?;
        let volume = |key: &str| {
            let name = config["volumes"][key]["name"].as_str().unwrap_or(key);
            shared.mountpoint(name)
        };
        let settled = Original {
            config: &config,
            volume: &volume,
            said: &shared.config,
            directory: &shared.directory,
            env_file_elsewhere: std::env::var_os("COMPOSE_ENV_FILES")
                .is_some_and(|value| !value.is_empty()),
        };
        draw(&settled, &shared.name, &shared.project.name, request)
    }
}

/// Draws the copy of the project `project`, deployed under `name`.
pub(super) fn draw(
    original: &Original<'_>,
    name: &str,
    project: &str,
    request: &Request<'_>,
) -> Result<Blueprint, Problem> {
    let servers = servers(request);
    let wanted = needed(original.config, wanted(request, &servers));
    copyable(original, request, &wanted)?;
    let data_directory = request.directory.join("data");
    let sources = Sources::of(original, request, &wanted);
    let places = Places::new(sources.all.iter().map(PathBuf::as_path), &data_directory);
    let mut drawing = Drawing::new(original, request, &places);
    let compose = drawing.document(project, &wanted);
    let mut transfers = places.transfers(&of_servers(request));
    transfers.extend(sources.files);
    let all = original.config["services"].as_object();
    let all = all.into_iter().flatten().map(|(name, _)| name);
    Ok(Blueprint {
        project: copied_project(project, request.rehearsal),
        directory: request.directory.to_owned(),
        config: config(original, name, project, request, &places),
        transfers,
        data: data(request, &places),
        services: wanted
            .iter()
            .filter(|service| runs(request, service) && !servers.contains(*service))
            .map(ServiceName::new)
            .collect(),
        servers: servers
            .iter()
            .filter(|service| runs(request, service))
            .map(ServiceName::new)
            .collect(),
        left_out: all
            .filter(|service| !wanted.contains(*service))
            .map(ServiceName::new)
            .collect(),
        remarks: wanted
            .iter()
            .flat_map(|name| service::remarks(name, &original.config["services"][name]))
            .collect(),
        outbound: request.outbound,
        environment: drawing.environment(),
        compose: emit::yaml(&compose),
    })
}

/// Refuses what a copy could not be told apart from, or could not be kept away from.
fn copyable(
    original: &Original<'_>,
    request: &Request<'_>,
    wanted: &BTreeSet<String>,
) -> Result<(), Problem> {
    for service in wanted {
        if let Some(because) = service::not_isolated(&original.config["services"][service]) {
            return Err(not_isolated(service, &because));
        }
    }
    for (datastore, found) in &request.plan.datastores {
        if is_outside(&found.location) {
            return Err(outside(datastore));
        }
    }
    Ok(())
}

/// Directories that servers keep: their data comes by a backup, never file by file.
fn of_servers(request: &Request<'_>) -> Vec<PathBuf> {
    let datastores = request.plan.datastores.values();
    datastores
        .filter(|datastore| datastore.location.kind != DatastoreKind::Files)
        .filter_map(|datastore| datastore.location.directory.as_ref().map(PathBuf::from))
        .collect()
}

/// Where the copy keeps each datastore's data.
fn data(request: &Request<'_>, places: &Places) -> BTreeMap<DatastoreName, PathBuf> {
    let datastores = request.plan.datastores.iter();
    datastores
        .filter_map(|(name, datastore)| {
            let directory = datastore.location.directory.as_ref()?;
            Some((name.clone(), places.of(Path::new(directory))?))
        })
        .collect()
}

/// True where the service runs in production.
fn runs(request: &Request<'_>, service: &str) -> bool {
    let up = |state| matches!(state, ServiceState::Running | ServiceState::Restarting);
    let mut services = request.observed.services.iter();
    services.any(|found| found.name.as_str() == service && up(found.state))
}

/// The services of datastores' servers.
fn servers(request: &Request<'_>) -> BTreeSet<String> {
    let datastores = request.plan.datastores.values();
    datastores
        .filter_map(|datastore| match &datastore.location.access {
            Access::Container { service } => Some(service.as_str().to_owned()),
            Access::Local => None,
        })
        .collect()
}

/// Every service that the plan names, and the servers.
fn wanted(request: &Request<'_>, servers: &BTreeSet<String>) -> BTreeSet<String> {
    let mut wanted: BTreeSet<String> = servers.clone();
    let mut add = |names: &[ServiceName]| {
        wanted.extend(names.iter().map(|name| name.as_str().to_owned()));
    };
    add(&request.plan.origin.services);
    for (_, step) in request.plan.steps() {
        match &step.act {
            Act::Stop { services } | Act::Start { services, .. } => add(services),
            Act::Migrate { service, .. } => add(std::slice::from_ref(service)),
            _ => {}
        }
    }
    wanted
}

/// The copy's own `switchback.toml`: what cannot be observed, pointed at the copy.
fn config(
    original: &Original<'_>,
    name: &str,
    project: &str,
    request: &Request<'_>,
    places: &Places,
) -> Config {
    let mut config = original.said.clone();
    config.name = Some(format!("{name}-rehearsal"));
    config.compose = Some(ComposeConfig {
        files: vec![COMPOSE_FILE.to_owned()],
        project: Some(copied_project(project, request.rehearsal)),
    });
    let absolute = |reference: &mut SecretRef| {
        if let SecretRef::File(path) = reference {
            *path = original
                .directory
                .join(&*path)
                .to_string_lossy()
                .into_owned();
        }
    };
    for datastore in config.datastores.values_mut() {
        datastore.password.iter_mut().for_each(absolute);
        let said = datastore.directory.as_ref();
        datastore.directory = said
            .and_then(|said| places.of(&original.directory.join(said)))
            .map(|place| place.to_string_lossy().into_owned());
    }
    // What was possible for the original is decided: a copy is not asked again.
    for (name, datastore) in &request.plan.datastores {
        if datastore.kept_with.is_none() {
            let said = config.datastores.entry(name.clone()).or_default();
            said.backup = Some(word(datastore.method).to_owned());
        }
    }
    config.verify.api_key.iter_mut().for_each(absolute);
    // That is where users reach the original.
    config.verify.url = None;
    config.policy.require_rehearsal = None;
    config
}

/// A method as `switchback.toml` says it.
fn word(method: BackupMethod) -> &'static str {
    match method {
        BackupMethod::Shadow => "shadow",
        BackupMethod::Dump => "dump",
        BackupMethod::None => "none",
    }
}

/// A server that no service of the project runs.
fn is_outside(location: &DatastoreLocation) -> bool {
    location.access == Access::Local && location.kind != DatastoreKind::Files
}

fn not_isolated(service: &str, because: &str) -> Problem {
    problems::rehearsal_refused(
        "rehearsal-not-isolated",
        &format!("a copy of service `{service}` could touch the original: {because}"),
    )
    .hint("give the service what it needs through the project's own networks and volumes")
    .hint("or go without a rehearsal: `switchback apply` makes proven backups all the same")
}

fn outside(datastore: &DatastoreName) -> Problem {
    problems::rehearsal_refused(
        "rehearsal-outside",
        &format!("the data of `{datastore}` are outside this Compose project, and a copy of the product would write to them"),
    )
    .hint("rehearse where its server is a service of the project")
    .hint("or go without a rehearsal: `switchback apply` makes proven backups all the same")
}

impl Blueprint {
    /// Writes the deployment's own files, readable for this user alone: they hold what the original's
    /// services are given, secrets among it.
    pub fn write(&self, switchback_toml: &str) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        fs::set_permissions(&self.directory, fs::Permissions::from_mode(0o700))?;
        for (name, text) in [
            (COMPOSE_FILE, self.compose.as_str()),
            (".env", self.environment.as_str()),
            ("switchback.toml", switchback_toml),
        ] {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(self.directory.join(name))?;
            io::Write::write_all(&mut file, text.as_bytes())?;
        }
        Ok(())
    }

    /// How production is kept from being reached and from going short, one line each. Not every kernel can
    /// weigh who gets the disk; `disk_weighed` says whether this one does.
    pub fn bounds(&self, disk_weighed: bool) -> Vec<String> {
        let way_out = if self.outbound {
            "networks of its own, with a way out as you asked"
        } else {
            "networks of its own without a way out, no published port"
        };
        let (shares, weight) = (service::PROCESSOR_SHARES, service::DISK_WEIGHT);
        let weights = if disk_weighed {
            format!(
                "processor shares {shares} of 1024, disk weight {weight} of 500: production goes first"
            )
        } else {
            format!(
                "processor shares {shares} of 1024: production goes first; this kernel cannot weigh the disk"
            )
        };
        vec![way_out.to_owned(), weights]
    }

    /// The compose file of the copy.
    pub fn compose(&self) -> &str {
        &self.compose
    }
}

#[cfg(test)]
mod tests;
