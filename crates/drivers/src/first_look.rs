//! What a first look at a deployment gives, whatever its kind: the products in a directory, and what runs.

use serde::Serialize;
use switchback_model::config::Config;
use switchback_model::observed::ServiceState;
use switchback_model::{ProductId, ServiceName};

/// A service as it looks at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Glance {
    /// Its name.
    pub service: ServiceName,
    /// The image or release that it was started from, as it was named then.
    pub image: String,
    /// Whether it runs.
    pub state: ServiceState,
}

/// A product that was found in a directory.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// Which product.
    pub product: ProductId,
    /// Which of its editions.
    pub edition: Option<String>,
    /// The image or release that it was recognised by, as the deployment names it.
    pub image: String,
    /// The smallest configuration that describes it, to be written to `switchback.toml`.
    pub config: Config,
}
