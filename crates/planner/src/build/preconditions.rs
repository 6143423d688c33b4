//! What keeps a deployment from being upgraded at all, whatever the path. Everything is looked at
//! before anything is planned, and all of it is told at once by `doctor`.

use switchback_model::exit::Exit;
use switchback_model::observed::{
    Access, Datastore, Observed, Pinning, ServiceState, VersionPlace,
};
use switchback_model::problem::Citation;
use switchback_model::product::{DatastoreKind, Product};
use switchback_model::{Config, Problem};

use super::cast::{self, Cast};
use super::reference;

/// Everything that stands in the way, worst first; empty where a plan can be made.
pub fn obstacles(product: &Product, config: &Config, observed: &Observed) -> Vec<Problem> {
    let cast = Cast::of(product, config, observed);
    let mut own = Vec::new();
    own.extend(no_component(product, config, observed, &cast));
    own.extend(versions(observed, &cast));
    own.extend(unsupported_servers(product, observed));
    own.extend(datastores(product, observed));
    own.extend(read_only(config, observed));

    let seen: Vec<Problem> = observed
        .problems
        .iter()
        .filter(|problem| problem.exit == Exit::Refused)
        .cloned()
        .collect();
    // The driver stood nearer: where it speaks of a thing, its word counts and is not said twice.
    own.retain(|problem| {
        !seen
            .iter()
            .any(|said| topic(&said.code) == topic(&problem.code))
    });

    let mut found: Vec<Problem> = path_only(product).into_iter().collect();
    found.extend(edition_missing(product, config));
    found.extend(seen);
    found.extend(own);
    found
}

/// What a problem is about, by its code.
fn topic(code: &str) -> &str {
    match code {
        "moving-tag" | "digest-pinned" | "versions-mixed" | "edit-refused" => "version",
        "cockroachdb" | "files-inside-container" => "datastore",
        _ if code.starts_with("version-") => "version",
        _ if code.starts_with("datastore-") => "datastore",
        other => other,
    }
}

fn path_only(product: &Product) -> Option<Problem> {
    product.path_only.then(|| {
        Problem::new(
            Exit::Refused,
            "path-only-product",
            format!("the definition of {} describes paths only", product.name),
        )
        .state("deployment", "unchanged")
        .why("it says which releases to pass through, not how to back up and migrate")
        .hint(format!(
            "see the path: `switchback path {} --from V --to V`",
            product.id
        ))
    })
}

fn edition_missing(product: &Product, config: &Config) -> Option<Problem> {
    if product.editions.is_empty() || cast::edition(product, config).is_some() {
        return None;
    }
    let known: Vec<&str> = product
        .editions
        .iter()
        .map(|edition| edition.id.as_str())
        .collect();
    let what = match &config.edition {
        Some(edition) => format!("{} has no edition `{edition}`", product.name),
        None => format!("which edition of {} this is was not said", product.name),
    };
    Some(
        Problem::new(Exit::Usage, "edition-unknown", what)
            .state("deployment", "unchanged")
            .hint(format!(
                "set `edition` in switchback.toml to one of: {}",
                known.join(", ")
            )),
    )
}

fn no_component(
    product: &Product,
    config: &Config,
    observed: &Observed,
    cast: &Cast<'_>,
) -> Option<Problem> {
    let edition = cast::edition(product, config);
    if product.path_only || cast.components().next().is_some() {
        return None;
    }
    let mut problem = Problem::new(
        Exit::Refused,
        "unknown-product-image",
        format!(
            "no service of `{}` runs an image of {}",
            observed.deployment.name, product.name
        ),
    )
    .state("deployment", "unchanged");
    for service in &observed.services {
        problem = problem.state(service.name.as_str(), format!("image `{}`", service.image));
    }
    Some(match edition {
        Some(edition) => problem.hint(format!(
            "edition `{}` is recognised by the image {}; is the edition in switchback.toml right?",
            edition.id,
            quoted(&edition.images)
        )),
        None => problem.hint("is the product in switchback.toml right?"),
    })
}

fn versions(observed: &Observed, cast: &Cast<'_>) -> Vec<Problem> {
    let mut found = Vec::new();
    for member in cast.all() {
        let service = member.service;
        if service.state == ServiceState::Restarting {
            found.push(
                Problem::new(
                    Exit::Refused,
                    "service-restarting",
                    format!("service `{}` restarts again and again", service.name),
                )
                .state(service.name.as_str(), "restarting")
                .why("an upgrade would hide what is wrong with it now, and could not tell its own failure from it")
                .hint(with_command(
                    observed,
                    "read its log and repair it first",
                    &format!("docker compose logs {}", service.name),
                )),
            );
        }
        if let Some(running) = &service.running
            && reference::tag(&running.reference) != reference::tag(&service.image)
        {
            found.push(
                Problem::new(
                    Exit::Refused,
                    "running-differs",
                    format!(
                        "service `{}` runs `{}`, its configuration says `{}`",
                        service.name, running.reference, service.image
                    ),
                )
                .state(
                    service.name.as_str(),
                    format!("runs `{}`", running.reference),
                )
                .why("which version its data is at cannot be told")
                .hint(with_command(
                    observed,
                    "put the file back, or let what it says run first",
                    "docker compose up -d",
                )),
            );
        }
    }
    found.extend(mixed(observed, cast));
    for place in relevant(observed, cast) {
        found.extend(place_problem(observed, place));
    }
    for member in cast.active() {
        let name = &member.service.name;
        if !observed
            .version_places
            .iter()
            .any(|place| place.services.contains(name))
        {
            found.push(
                Problem::new(
                    Exit::Refused,
                    "version-not-found",
                    format!("no place was found that decides the version of service `{name}`"),
                )
                .state(name.as_str(), format!("image `{}`", member.service.image))
                .hint("write the image with its tag into the compose file, or into a variable that it uses"),
            );
        }
    }
    found
}

/// Components at different versions: an upgrade that stopped half-way, or a hand that did.
fn mixed(observed: &Observed, cast: &Cast<'_>) -> Option<Problem> {
    let wanted = observed.version.as_str();
    let tags: Vec<(&str, &str)> = cast
        .all()
        .iter()
        .filter_map(|member| {
            let tag = reference::tag(&member.service.image)?;
            Some((member.service.name.as_str(), tag))
        })
        .collect();
    // A moving tag has its own message.
    let exact = |tag: &str| tag.starts_with(|c: char| c.is_ascii_digit()) && !tag.ends_with('x');
    if !tags
        .iter()
        .any(|(_, tag)| exact(tag) && !tag.contains(wanted))
    {
        return None;
    }
    let mut problem = Problem::new(
        Exit::Refused,
        "versions-mixed",
        "services of the product are at different versions",
    );
    for (service, tag) in tags {
        problem = problem.state(service, tag);
    }
    Some(
        problem
            .why("a path begins at one version")
            .hint("set the same tag everywhere and let the product start with it, then plan again"),
    )
}

fn relevant<'o>(
    observed: &'o Observed,
    cast: &'o Cast<'_>,
) -> impl Iterator<Item = &'o VersionPlace> {
    observed.version_places.iter().filter(|place| {
        cast.all()
            .iter()
            .any(|member| place.services.contains(&member.service.name))
    })
}

fn place_problem(observed: &Observed, place: &VersionPlace) -> Option<Problem> {
    let at = format!("{}:{}", place.path, place.line);
    let services: Vec<&str> = place.services.iter().map(|name| name.as_str()).collect();
    let services = services.join(", ");
    let (code, what, why, hint) = match place.pinning {
        Pinning::Exact if place.text.contains(observed.version.as_str()) => return None,
        Pinning::Exact => (
            "version-places-disagree",
            format!("{at} says `{}`, not {}", place.text, observed.version),
            "a path begins at one version",
            format!(
                "set it to {} as elsewhere, then plan again",
                observed.version
            ),
        ),
        Pinning::Moving => (
            "moving-tag",
            format!(
                "the image of {services} has the moving tag `{}` ({at})",
                place.text
            ),
            "a restart may bring another version, and nothing could go back to this one",
            format!("write `{}`, which runs now, in its place", observed.version),
        ),
        Pinning::Digest => (
            "digest-pinned",
            format!("the image of {services} is pinned to a digest ({at})"),
            "a new tag before an old digest changes nothing: the digest decides",
            "remove `@sha256:…` behind the tag; plans pin the digest themselves".to_owned(),
        ),
    };
    Some(
        Problem::new(Exit::Refused, code, what)
            .state("deployment", "unchanged")
            .why(why)
            .hint(hint),
    )
}

fn unsupported_servers(product: &Product, observed: &Observed) -> Vec<Problem> {
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

fn datastores(product: &Product, observed: &Observed) -> Vec<Problem> {
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
fn read_only(config: &Config, observed: &Observed) -> Vec<Problem> {
    let ours = |purpose: &String| {
        matches!(
            purpose.as_str(),
            "backup" | "journal" | "compose" | "exec" | "temporary"
        ) || observed.datastores.iter().any(|datastore| {
            datastore.name.as_str() == purpose
                && datastore.location.kind != DatastoreKind::Postgres
                && !declined(config, datastore)
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

fn declined(config: &Config, datastore: &Datastore) -> bool {
    let configured = config.datastores.get(&datastore.name);
    configured.is_some_and(|configured| configured.backup.as_deref() == Some("none"))
}

/// Advice with the command to type, where the deployment is of the kind that has it.
fn with_command(observed: &Observed, advice: &str, compose: &str) -> String {
    if observed.deployment.driver == "compose" {
        format!("{advice}: `{compose}`")
    } else {
        advice.to_owned()
    }
}

fn quoted(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("`{text}`")).collect();
    quoted.join(" or ")
}
