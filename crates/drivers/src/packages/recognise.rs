//! What `init` finds out about a host: which product's packages are installed.

use std::collections::BTreeMap;
use std::path::Path;

use switchback_engine::process::Commands;
use switchback_model::config::{BackupConfig, Config, PackagesConfig, PolicyConfig, VerifyConfig};
use switchback_model::product::Product;

use super::place::Place;
use crate::compose::Recognised;

/// Recognises the products of `products` whose first package is installed on this host; none where there
/// is no record of packages.
pub fn recognise(directory: &Path, products: &[Product], commands: &Commands) -> Vec<Recognised> {
    products
        .iter()
        .filter(|product| !product.path_only && !product.packages.is_empty())
        .filter_map(|product| installed(directory, product, commands))
        .collect()
}

fn installed(directory: &Path, product: &Product, commands: &Commands) -> Option<Recognised> {
    let config = Config {
        name: None,
        product: product.id.clone(),
        edition: edition(product),
        features: Vec::new(),
        host: None,
        compose: None,
        exec: None,
        packages: Some(PackagesConfig::default()),
        datastores: BTreeMap::new(),
        verify: VerifyConfig::default(),
        policy: PolicyConfig::default(),
        backup: BackupConfig::default(),
    };
    let place = Place::read(directory, &config, product, commands);
    let record = place.record().ok()?;
    // Others may come with it, or with another product; the first is the product.
    let first = place.names().into_iter().next()?;
    let version = record.set.0.get(&first)?;
    Some(Recognised {
        product: product.id.clone(),
        edition: config.edition.clone(),
        image: format!("{first}={version}"),
        config,
    })
}

/// The edition that is meant where none is named: packages of one often come beside those of another.
fn edition(product: &Product) -> Option<String> {
    let mut editions = product.editions.iter();
    let several = product.editions.len() > 1;
    let usual = editions.find(|edition| edition.default);
    usual.filter(|_| several).map(|edition| edition.id.clone())
}
