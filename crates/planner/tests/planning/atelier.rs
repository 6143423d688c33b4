//! A product of our own making, whose stops and migrations are what other tests need.

use switchback_model::product::{DatastoreKind, Product, parse};

use super::site::{GB, Site};

const DEFINITION: &str = r#"
[product]
id = "atelier"
name = "Atelier"
scheme = "semver"
drivers = ["compose"]
secrets = ["*PASSWORD*"]

[[edition]]
id = "only"
images = ["atelier/atelier"]

[[component]]
id = "web"
http-port = 8080

[[datastore]]
name = "main"
kind = "postgres"
images = ["postgres"]

[[datastore]]
name = "metrics"
kind = "postgres"
images = ["postgres"]

[[migration]]
id = "schema"
datastore = "main"
run = ["migrate", "schema"]
phase = 1
[[migration.not-repeatable]]
versions = ">=2.0.0"
because = "it notes what it has done before it has done it"
source = "code"

[[migration]]
id = "rollups"
datastore = "metrics"
run = ["migrate", "rollups"]
phase = 2
[[migration.not-repeatable]]
versions = ">=2.0.0"
because = "it is not one transaction"
source = "code"

[[health]]
versions = "<3.0.0"
path = "/live"
source = "code"

[[health]]
versions = ">=3.0.0"
path = "/healthz"
source = "code"

[[release]]
version = "1.0.0"
source = "notes"

[[release]]
version = "2.0.0"
source = "notes"
demands = [
  { migration = "schema", because = "adds tables", source = "notes" },
  { migration = "rollups", because = "adds rollups", source = "notes" },
]

[[release]]
version = "3.0.0"
source = "notes"
demands = [
  { migration = "schema", because = "adds columns", source = "notes" },
  { migration = "rollups", because = "adds rollups", source = "notes" },
]

[[stop]]
id = "work-at-2"
kind = "run"
from = "<2.0.0"
to = ">=3.0.0"
at = ["2.0.0"]
because = "2.0.0 moves data in the background, and 3.0.0 relies on it"
source = "notes"
"#;

/// The definition of Atelier.
pub(crate) fn atelier() -> Product {
    let parsed = parse::parse(&[("product.toml", DEFINITION)]);
    parsed.expect("the definition is well-formed").product
}

/// Atelier with two datastores in one database, or each in its own.
pub(crate) fn atelier_site(version: &str, together: bool) -> Site {
    let mut site = Site::new(atelier(), None, version);
    site.add_component("web", "atelier/atelier");
    site.add_component("worker", "atelier/atelier");
    site.add_server("main", DatastoreKind::Postgres, "postgres", "15.6", GB);
    site.add_server("metrics", DatastoreKind::Postgres, "postgres", "15.6", GB);
    if !together {
        site.datastore("metrics").location.database = Some("metrics".to_owned());
    }
    site.write_files();
    site
}
