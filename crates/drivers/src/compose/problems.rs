//! Everything that goes wrong with a Compose deployment, in the three-part form.
//!
//! Pure: text in, problem out, so that each has a test on its text.

use std::path::Path;

use switchback_model::exit::Exit;
use switchback_model::problem::Citation;
use switchback_model::product::UnsupportedServer;
use switchback_model::{Problem, ServiceName};

/// Nothing but our own looking happened so far.
const UNTOUCHED: &str = "not touched";

/// A deployment of which no copy can be made that is safe to have beside it.
pub(crate) fn rehearsal_refused(code: &str, what: &str) -> Problem {
    Problem::new(Exit::Refused, code, what)
        .state("deployment", "not touched")
        .why("a rehearsal changes data for good: it must not be able to reach those of production")
}

/// There is no compose file.
pub(crate) fn file_missing(directory: &Path) -> Problem {
    Problem::new(
        Exit::Usage,
        "compose-file-missing",
        format!("no compose file in `{}`", directory.display()),
    )
    .state("deployment", UNTOUCHED)
    .hint("run switchback in the directory of docker-compose.yml")
    .hint("or name the files in switchback.toml: [compose] files = [\"…\"]")
}

/// A compose file (or one that it names) cannot be read.
pub(crate) fn file_unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let problem = Problem::new(
        Exit::Usage,
        "compose-file-unreadable",
        format!("cannot read `{}`", path.display()),
    )
    .state("deployment", UNTOUCHED)
    .cause(error);
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            problem.hint("run switchback as the user who owns the deployment, or with sudo")
        }
        _ => problem.hint("name a file that is there, with --file or under [compose] files in switchback.toml, or put it back"),
    }
}

/// A compose file is not YAML.
pub(crate) fn file_malformed(path: &Path, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        Exit::Usage,
        "compose-file-malformed",
        format!("`{}` is not valid YAML", path.display()),
    )
    .state("deployment", UNTOUCHED)
    .cause(error)
    .hint("correct the file; `docker compose config --quiet` checks it")
}

/// `docker compose config` refuses the project.
pub(crate) fn config_refused(output: &str) -> Problem {
    let mut problem = Problem::new(
        Exit::Usage,
        "compose-config-refused",
        "`docker compose config` does not accept the compose file",
    )
    .state("deployment", UNTOUCHED);
    for line in output
        .lines()
        .filter(|line| !line.trim().is_empty())
        .take(3)
    {
        problem = problem.cause(line.trim());
    }
    problem.hint("correct what it names, then `docker compose config --quiet` until it is silent")
}

/// There is no `docker` program.
pub(crate) fn docker_missing() -> Problem {
    Problem::new(
        Exit::Usage,
        "docker-missing",
        "the program `docker` is not installed",
    )
    .state("deployment", UNTOUCHED)
    .hint("install the Docker client and its Compose plugin (docker-ce-cli, docker-compose-plugin)")
}

/// There is no Compose v2. `v1` says whether the old program is here.
pub(crate) fn compose_missing(v1: bool) -> Problem {
    let problem = Problem::new(
        Exit::Usage,
        "compose-plugin-missing",
        "`docker compose` is not available",
    )
    .state("deployment", UNTOUCHED);
    let problem = if v1 {
        problem
            .state("docker-compose", "version 1 is installed, whose support ended in 2023")
            .why("version 1 names containers and networks differently, and its `config` cannot be relied on")
    } else {
        problem
    };
    problem.hint("install the Compose plugin, version 2 or newer (package docker-compose-plugin)")
}

/// The daemon cannot be talked to. Decides between the known reasons.
pub(crate) fn engine_unreachable(host: &str, error: &str) -> Problem {
    let lower = error.to_lowercase();
    if lower.contains("permission denied") {
        return Problem::new(
            Exit::Usage,
            "docker-permission-denied",
            format!("no permission to use the Docker Engine at `{host}`"),
        )
        .state("deployment", UNTOUCHED)
        .cause(error)
        .hint("add this user to the docker group and log in again: sudo usermod -aG docker $USER")
        .hint("or run switchback with sudo");
    }
    Problem::new(
        Exit::Usage,
        "docker-engine-down",
        format!("the Docker Engine at `{host}` does not answer"),
    )
    .unknown("deployment")
    .cause(error)
    .hint("start it: sudo systemctl start docker")
    .hint("if it runs elsewhere, set DOCKER_HOST or choose a context: docker context use NAME")
}

/// What child processes print has nowhere to go.
pub(crate) fn nothing_kept(error: &std::io::Error) -> Problem {
    Problem::new(
        Exit::Usage,
        "state-directory-unusable",
        "what child processes print cannot be kept in the state directory",
    )
    .cause(error)
    .state("deployment", UNTOUCHED)
    .hint("make the state directory writable for this user, and see that its filesystem has room")
    .hint("or choose another one: --state DIR")
}

/// No service runs an image of the product.
pub(crate) fn product_not_found(product: &str, images: &[String]) -> Problem {
    let found = if images.is_empty() {
        "no images at all".to_owned()
    } else {
        images.join(", ")
    };
    Problem::new(
        Exit::Usage,
        "unknown-product-image",
        format!("no service of the compose file runs {product}"),
    )
    .state("images", found)
    .state("deployment", UNTOUCHED)
    .hint("run switchback in the directory of the product's compose file")
    .hint("see which products are known, and by which images: `switchback catalog list`, `switchback catalog show PRODUCT`")
    .hint("or bring the definition of another one: --catalog DIR")
}

/// More than one product of the catalog runs here, by id and image.
pub(crate) fn several_products(found: &[(&str, &str)]) -> Problem {
    let ids: Vec<String> = found.iter().map(|(id, _)| format!("`{id}`")).collect();
    let problem = Problem::new(
        Exit::Usage,
        "several-products",
        format!("the compose file runs {}", ids.join(" and ")),
    )
    .state("deployment", UNTOUCHED)
    .why("a switchback.toml is about one product, whose services are stopped and started together");
    found
        .iter()
        .fold(problem, |problem, (id, image)| {
            problem.state(*id, format!("image {image}")).hint(format!(
                "to go on with {id}: `switchback init --product {id}`"
            ))
        })
        .hint("and the other one from a directory of its own, with --file and --product")
}

/// The tag moves, so that the version in use is not written down.
pub(crate) fn moving_tag(place: &str, image: &str, labelled: Option<&str>) -> Problem {
    let problem = Problem::new(
        Exit::Refused,
        "moving-tag",
        format!("{place} names no exact version: `{image}`"),
    )
    .state("deployment", UNTOUCHED)
    .why("a tag that moves may become another version at any restart, and there is no way back to it");
    match labelled {
        Some(version) => problem
            .state("image", format!("its label says version {version}"))
            .hint(format!(
                "write the version that is in use, {version}, and plan again"
            )),
        None => problem.hint("write the exact version that is in use, e.g. 3.23.2, and plan again"),
    }
}

/// The operator pinned a digest.
pub(crate) fn digest_pinned(place: &str, image: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "digest-pinned",
        format!("{place} pins a digest: `{image}`"),
    )
    .state("deployment", UNTOUCHED)
    .why("with a new tag and the old digest Compose would go on running the old version")
    .hint("remove `@sha256:…` and keep the tag; plans pin every image to its digest themselves")
}

/// The version is set outside of any file.
pub(crate) fn version_from_environment(service: &ServiceName, variable: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "version-from-environment",
        format!("the version of `{service}` comes from the environment variable `{variable}`"),
    )
    .state("deployment", UNTOUCHED)
    .why("an environment variable cannot be changed for the next shell, service or reboot")
    .hint(format!(
        "write {variable}=… into the .env file beside the compose file and unset it in the shell"
    ))
}

/// The version is put together from several texts.
pub(crate) fn version_composed(service: &ServiceName, image: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "version-composed",
        format!("the version of `{service}` is put together from several texts: `{image}`"),
    )
    .state("deployment", UNTOUCHED)
    .hint("write the version in one piece: image: name:3.23.2, or name:${VERSION} with VERSION=3.23.2 in .env")
}

/// The version is written in a way that cannot be edited byte by byte.
pub(crate) fn version_escaped(service: &ServiceName, image: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "version-escaped",
        format!("the version of `{service}` is written with escapes: `{image}`"),
    )
    .state("deployment", UNTOUCHED)
    .hint("write the image without backslashes and without `$$`")
}

/// The same text decides another product's version too.
pub(crate) fn version_shared(place: &str, others: &[String]) -> Problem {
    Problem::new(
        Exit::Refused,
        "version-shared",
        format!("{place} also decides the image of {}", others.join(", ")),
    )
    .state("deployment", UNTOUCHED)
    .hint("give that service a variable or tag of its own")
}

/// Our reading of the files and Compose's differ.
pub(crate) fn image_not_located(service: &ServiceName, image: &str, read: Option<&str>) -> Problem {
    let problem = Problem::new(
        Exit::Refused,
        "version-not-found",
        format!("cannot tell which text decides the image of `{service}`"),
    )
    .state("compose config", format!("`{image}`"))
    .state("deployment", UNTOUCHED);
    match read {
        Some(read) => problem.state("files", format!("`{read}`")),
        None => problem.state("files", "no `image:` found for it"),
    }
    .hint("write `image:` with its tag directly in the service")
}

/// The server of a datastore does not run.
pub(crate) fn datastore_stopped(datastore: &str, service: &ServiceName) -> Problem {
    Problem::new(
        Exit::Refused,
        "datastore-stopped",
        format!("service `{service}`, which keeps `{datastore}`, does not run"),
    )
    .state("deployment", UNTOUCHED)
    .why("its data can be neither counted nor backed up")
    .hint(format!("docker compose up -d {service}"))
}

/// A restart may change a datastore's major version.
pub(crate) fn datastore_moving(service: &ServiceName, image: &str) -> Problem {
    Problem::new(
        Exit::Ok,
        "datastore-tag-moves",
        format!("image `{image}` of `{service}` has a tag that moves: a restart may change its major version"),
    )
    .hint("pin its major version, e.g. redis:7.2 or postgres:14")
}

/// An image is neither here nor in its registry.
pub(crate) fn image_unavailable(reference: &str, error: &str) -> Problem {
    let problem = Problem::new(
        Exit::Refused,
        "image-unavailable",
        format!("image `{reference}` is not on this host and its registry does not serve it"),
    )
    .state("deployment", UNTOUCHED)
    .cause(error);
    let lower = error.to_lowercase();
    if lower.contains("unauthorized") || lower.contains("denied") {
        problem.hint("log in to the registry: docker login")
    } else if lower.contains("manifest unknown") || lower.contains("not found") {
        problem.hint(
            "this edition may not have that release: switchback catalog show tells which exist",
        )
    } else {
        problem
            .hint("check the way to the registry: docker pull IMAGE")
            .hint("on a host without network: docker save on another one, docker load here")
    }
}

/// A file cannot be edited as wanted.
pub(crate) fn edit_refused(path: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        Exit::Refused,
        "edit-refused",
        format!("cannot change the version in `{path}` without changing anything else"),
    )
    .state("deployment", UNTOUCHED)
    .cause(error)
    .hint("write the image in one plain line: image: name:3.23.2")
}

/// A datastore is kept by a server that the product cannot be upgraded on.
pub(crate) fn datastore_unsupported(
    datastore: &str,
    service: &ServiceName,
    server: &UnsupportedServer,
) -> Problem {
    Problem::new(
        Exit::Refused,
        "datastore-unsupported",
        format!(
            "`{datastore}` is kept by `{}` in service `{service}`",
            server.image
        ),
    )
    .state("deployment", UNTOUCHED)
    .fact(Citation {
        id: "datastore-unsupported".to_owned(),
        text: server.because.clone(),
        source: server.source.clone(),
    })
    .hint("move the data to a supported server first; the product's support knows how")
}

/// What runs was not made from what the file says.
pub(crate) fn running_differs(service: &ServiceName, declared: &str, running: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "running-differs",
        format!("`{service}` runs another image than the compose file says"),
    )
    .state("compose file", format!("`{declared}`"))
    .state("container", format!("`{running}`"))
    .why("a plan from one of them would not describe the other")
    .hint(format!(
        "let the container follow the file: docker compose up -d {service}"
    ))
    .hint("or write into the file what runs, then plan again")
}

/// The next server's image looks for its data where nothing is mounted.
pub(crate) fn directory_moves(service: &ServiceName, to: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "engine-directory",
        format!("service `{service}` does not say where PostgreSQL {to} keeps its data"),
    )
    .state("deployment", UNTOUCHED)
    .why("from 18 on the image keeps it in another directory than before, where nothing is mounted: it would begin with an empty one")
    .hint(format!(
        "say it: `PGDATA: /var/lib/postgresql/data` under `environment` of `{service}`, which changes nothing now; restart it at a quiet moment, then plan again"
    ))
}

/// A service restarts again and again.
pub(crate) fn service_restarting(service: &ServiceName) -> Problem {
    Problem::new(
        Exit::Refused,
        "service-restarting",
        format!("service `{service}` restarts again and again"),
    )
    .state("deployment", UNTOUCHED)
    .why("an upgrade that begins with a broken service cannot tell whether it broke it")
    .hint(format!("see why: docker compose logs --tail 50 {service}"))
}

/// A container of this host makes containers of the project anew whenever it likes.
pub(crate) fn updater(name: &str, image: &str, touched: &str, except: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "foreign-updater",
        format!("container `{name}` updates containers of this project by itself"),
    )
    .state(name, format!("runs `{image}`, and would touch {touched}"))
    .state("deployment", UNTOUCHED)
    .why("in the middle of an upgrade it would start what has to be stopped, or a version that nobody planned")
    .hint(format!(
        "stop it for as long as the upgrade takes: docker stop {name}, and afterwards docker start {name}"
    ))
    .hint(format!(
        "or keep it away for good: label the project's services with {except}"
    ))
}

/// A container of this host restarts containers of the project that look unhealthy.
pub(crate) fn restarter(name: &str, image: &str, touched: &str) -> Problem {
    Problem::new(
        Exit::Ok,
        "foreign-restarter",
        format!("container `{name}` (`{image}`) restarts {touched} while they look unhealthy"),
    )
    .why("a new version that takes its time to start may be restarted before it is done")
    .hint(format!(
        "stop it for as long as the upgrade takes: docker stop {name}"
    ))
}

#[cfg(test)]
mod tests;
