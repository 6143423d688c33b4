//! Templates as releases of the product have them.

use std::fs;
use std::path::Path;

use switchback_model::product::Product;
use switchback_testkit::aws::as_released;

/// A template of `tests/templates/journeys` as a release has it, see its README.
pub(super) fn text(product: &Product, name: &str, version: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates/journeys");
    let own = directory.join(format!("{name}.yml"));
    let path = match own.exists() {
        true => own,
        false if name.starts_with("5-") => directory.join("service.yml"),
        false => directory.join("plain.yml"),
    };
    let marked = fs::read_to_string(path).expect("a template");
    as_released(&marked, product.scheme, name, version)
}
