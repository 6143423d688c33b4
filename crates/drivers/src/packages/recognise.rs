//! What `init` finds out about a host: which product's packages are installed.

use std::path::Path;

use switchback_engine::process::Commands;
use switchback_model::Problem;
use switchback_model::config::{Config, HostConfig, PackagesConfig};
use switchback_model::product::Product;

use super::place::Place;
use super::problems;
use crate::Recognised;

/// Recognises the products of `products` whose first package is installed on `host`, which is this machine where
/// none is given; then there are none where there is no record of packages.
pub fn recognise(
    directory: &Path,
    products: &[Product],
    host: Option<&HostConfig>,
    commands: &Commands,
) -> Result<Vec<Recognised>, Problem> {
    let packaged = products
        .iter()
        .filter(|product| !product.path_only && !product.packages.is_empty());
    let mut found = Vec::new();
    for product in packaged {
        found.extend(installed(directory, product, host, commands)?);
    }
    Ok(found)
}

fn installed(
    directory: &Path,
    product: &Product,
    host: Option<&HostConfig>,
    commands: &Commands,
) -> Result<Option<Recognised>, Problem> {
    let config = Config {
        edition: edition(product),
        host: host.cloned(),
        packages: Some(PackagesConfig::default()),
        ..Config::of(product.id.clone())
    };
    let place = Place::read(directory, &config, product, commands);
    let record = match place.record() {
        Ok(record) => record,
        Err(_) if host.is_none() => return Ok(None),
        Err(failure) => return Err(problems::refused(failure)),
    };
    // Others may come with it, or with another product; the first is the product.
    let first = place.names().into_iter().next();
    let installed = first.and_then(|first| Some((record.set.0.get(&first)?.clone(), first)));
    Ok(installed.map(|(version, first)| Recognised {
        product: product.id.clone(),
        edition: config.edition.clone(),
        image: format!("{first}={version}"),
        config,
    }))
}

/// The edition that is meant where none is named: packages of one often come beside those of another.
fn edition(product: &Product) -> Option<String> {
    let mut editions = product.editions.iter();
    let several = product.editions.len() > 1;
    let usual = editions.find(|edition| edition.default);
    usual.filter(|_| several).map(|edition| edition.id.clone())
}
