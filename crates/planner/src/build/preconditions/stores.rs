//! Every datastore must answer, be of a kind that can be kept, and be within reach.

use switchback_model::exit::Exit;
use switchback_model::observed::{Access, Datastore, Filesystem, Observed, ServiceState};
use switchback_model::problem::Citation;
use switchback_model::product::{DatastoreKind, Engine, Product};
use switchback_model::{Config, Problem};

use super::advice::with_command;
use crate::build::reference;

pub(super) fn unsupported_servers(product: &Product, observed: &Observed) -> Vec<Problem> {
    let mut found = Vec::new();
    for service in &observed.services {
        for datastore in &product.datastores {
            let known = datastore
                .unsupported
                .iter()
                .find(|server| reference::is_of(&service.image, &server.image));
            if let Some(server) = known {
                found.push(
                    Problem::new(
                        Exit::Refused,
                        "datastore-unsupported",
                        format!(
                            "service `{}` keeps `{}` in `{}`",
                            service.name, datastore.name, service.image
                        ),
                    )
                    .state("deployment", "unchanged")
                    .why(server.because.clone())
                    .hint("move the data to a supported server first, at the version that runs now")
                    .fact(Citation {
                        id: format!("{}-unsupported", datastore.name),
                        text: server.because.clone(),
                        source: server.source.clone(),
                    }),
                );
            }
        }
    }
    found
}

pub(super) fn datastores(product: &Product, observed: &Observed) -> Vec<Problem> {
    let mut found = Vec::new();
    for defined in &product.datastores {
        let datastore = observed
            .datastores
            .iter()
            .find(|datastore| datastore.name == defined.name);
        match datastore {
            None if !defined.optional && !product.path_only => found.push(
                Problem::new(
                    Exit::Refused,
                    "datastore-missing",
                    format!("datastore `{}` was not found", defined.name),
                )
                .state("deployment", "unchanged")
                .why("what is not found is not backed up, and could not be brought back")
                .hint(format!(
                    "name its service under [datastores.{}] in switchback.toml",
                    defined.name
                )),
            ),
            Some(datastore) => found.extend(not_answering(observed, datastore)),
            None => {}
        }
    }
    found
}

/// Data in a server that the definition knows how to upgrade and that nothing here can back up.
pub(super) fn unkept(product: &Product) -> Vec<Problem> {
    let is_kept = |engine: &&Engine| product.datastores.iter().any(|it| it.name == engine.id);
    let engines = product.engines.iter().filter(|engine| !is_kept(engine));
    engines
        .map(|engine| {
            let what = format!(
                "{} has data in {}, which switchback does not back up",
                product.name, engine.name
            );
            Problem::new(Exit::Refused, "datastore-unkept", what)
                .state("deployment", "unchanged")
                .why("what is not backed up could not be brought back")
                .hint(format!(
                    "see what an upgrade takes, and do it by hand with a backup of your own: \
                     `switchback path {} --from V --to V`",
                    product.id
                ))
        })
        .collect()
}

fn not_answering(observed: &Observed, datastore: &Datastore) -> Option<Problem> {
    let cockroach = |engine: &String| engine.to_lowercase().contains("cockroach");
    if datastore.engine.as_ref().is_some_and(cockroach) {
        return Some(
            Problem::new(
                Exit::Refused,
                "cockroachdb",
                format!(
                    "`{}` is kept by CockroachDB, not PostgreSQL",
                    datastore.name
                ),
            )
            .state("deployment", "unchanged")
            .why("its dumps cannot be restored into a copy and read, so no backup could be proven")
            .hint("move the data to PostgreSQL first, at the version that runs now"),
        );
    }
    if datastore.location.kind == DatastoreKind::Files || datastore.engine.is_some() {
        return None;
    }
    let Access::Container { service } = &datastore.location.access else {
        return Some(unreachable(datastore, None));
    };
    let state = observed
        .services
        .iter()
        .find(|known| known.name == *service)
        .map(|known| known.state);
    match state {
        Some(ServiceState::Stopped | ServiceState::Absent) => Some(
            Problem::new(
                Exit::Refused,
                "datastore-stopped",
                format!("datastore `{}` does not run", datastore.name),
            )
            .state(service.as_str(), "stopped")
            .why("it must answer, to be measured and backed up")
            .hint(with_command(
                observed,
                "start it",
                &format!("docker compose up -d {service}"),
            )),
        ),
        _ => Some(unreachable(datastore, Some(service.as_str()))),
    }
}

fn unreachable(datastore: &Datastore, service: Option<&str>) -> Problem {
    let problem = Problem::new(
        Exit::Refused,
        "datastore-unreachable",
        format!("datastore `{}` does not answer", datastore.name),
    );
    let problem = match service {
        Some(service) => problem
            .state(format!("service {service}"), "running")
            .unknown(format!("data of {}", datastore.name)),
        None => problem.unknown(format!("data of {}", datastore.name)),
    };
    problem
        .why("it must answer, to be measured and backed up")
        .hint(format!(
            "check address, user and password under [datastores.{}] in switchback.toml: `switchback doctor`",
            datastore.name
        ))
}

/// Directories that switchback itself writes to: its own, that of the configuration, and those of
/// datastores whose files are copied and brought back. A server's files are the server's business.
pub(super) fn read_only(config: &Config, observed: &Observed) -> Vec<Problem> {
    let ours = |purpose: &String| {
        matches!(
            purpose.as_str(),
            "backup" | "journal" | "compose" | "exec" | "packages" | "temporary"
        ) || observed.datastores.iter().any(|datastore| {
            Filesystem::backup_of(&datastore.name) == *purpose
                || datastore.name.as_str() == purpose
                    && matches!(
                        datastore.location.kind,
                        DatastoreKind::Redis | DatastoreKind::Files
                    )
                    && !config.declines(&datastore.name)
        })
    };
    observed
        .filesystems
        .iter()
        .filter(|filesystem| !filesystem.writable && filesystem.uses.iter().any(ours))
        .map(|filesystem| {
            Problem::new(
                Exit::Refused,
                "directory-read-only",
                format!("`{}` cannot be written to", filesystem.path),
            )
            .state("deployment", "unchanged")
            .why(format!("it is needed for: {}", filesystem.uses.join(", ")))
            .hint("give this user the right to write there (or run as root), or mount it writable")
        })
        .collect()
}
