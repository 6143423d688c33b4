//! What `init` finds out about a directory with a compose file.

use std::path::Path;

use switchback_engine::process::Commands;
use switchback_model::config::Config;
use switchback_model::product::Product;
use switchback_model::{Problem, ProductId};

/// A product found in a compose file.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// Which product.
    pub product: ProductId,
    /// Which of its editions.
    pub edition: Option<String>,
    /// The image that it was recognised by, as the file resolves it.
    pub image: String,
    /// The smallest configuration that describes it, to be written to `switchback.toml`.
    pub config: Config,
}

/// Recognises the one product of `products` that the compose project in `directory` runs.
pub fn recognise(
    directory: &Path,
    products: &[Product],
    commands: &Commands,
) -> Result<Recognised, Problem> {
    let _ = (directory, products, commands);
    unimplemented!()
}
