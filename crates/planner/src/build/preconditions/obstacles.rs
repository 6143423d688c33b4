//! All obstacles together, each said once.

use switchback_model::exit::Exit;
use switchback_model::observed::Observed;
use switchback_model::product::Product;
use switchback_model::{Config, Problem};

use super::engines::other_majors;
use super::locks::locks_held;
use super::stores::{datastores, read_only, unkept, unsupported_servers};
use super::versions::versions;
use crate::build::cast::{self, Cast};

/// Everything that stands in the way, worst first; empty where a plan can be made.
pub fn obstacles(product: &Product, config: &Config, observed: &Observed) -> Vec<Problem> {
    let cast = Cast::of(product, config, observed);
    let mut own = Vec::new();
    own.extend(no_component(product, config, observed, &cast));
    own.extend(versions(observed, &cast));
    own.extend(unsupported_servers(product, observed));
    own.extend(datastores(product, observed));
    own.extend(other_majors(observed));
    own.extend(read_only(config, observed));
    own.extend(locks_held(product, config, observed));

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
    if !product.path_only {
        found.extend(unkept(product));
    }
    found.extend(edition_missing(product, config));
    found.extend(seen);
    found.extend(own);
    found
}

/// The worst of [`obstacles`], with how many more there are.
pub fn first_obstacle(product: &Product, config: &Config, observed: &Observed) -> Option<Problem> {
    let mut all = obstacles(product, config, observed).into_iter();
    let first = all.next()?;
    Some(match all.len() {
        0 => first,
        1 => first.hint("one more thing stands in the way: `switchback doctor` shows it"),
        more => first.hint(format!(
            "{more} more things stand in the way: `switchback doctor` shows them"
        )),
    })
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

fn quoted(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("`{text}`")).collect();
    quoted.join(" or ")
}
