//! A small definition for tests, of the shape of the real one.

use switchback_model::product::Product;
use switchback_model::product::parse::parse;

const DEFINITION: &str = r#"
[product]
id = "the-things-stack"
name = "The Things Stack"
scheme = "semver"
drivers = ["compose", "exec"]
secrets = ["*PASSWORD*", "*TOKEN*"]

[[edition]]
id = "open-source"
images = ["thethingsnetwork/lorawan-stack"]

[[edition]]
id = "enterprise"
images = ["thethingsindustries/lorawan-stack"]

[[component]]
id = "stack"
http-port = 1885

[[release]]
version = "3.23.2"
source = "test"

[[release]]
version = "3.24.2"
source = "test"

[[release]]
version = "3.32.1"
source = "test"
"#;

/// A product with two editions and a few releases.
pub(crate) fn product() -> Product {
    parse(&[("product.toml", DEFINITION)])
        .expect("the definition is well-formed")
        .product
}
