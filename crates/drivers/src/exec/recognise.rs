//! What `init` finds out about a directory with releases in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use switchback_model::Version;
use switchback_model::config::{Config, ExecConfig};
use switchback_model::product::Product;

use super::release::Releases;
use crate::Recognised;

/// Where things are called what they are usually called.
const RELEASES: &str = "releases";
const CURRENT: &str = "current";
const ENVIRONMENT: &str = "environment";

/// Recognises the products of `products` that can run as plain processes and whose programs are in the release
/// that `current` names.
pub fn recognise(directory: &Path, products: &[Product]) -> Vec<Recognised> {
    let Ok(current) = fs::read_to_string(directory.join(CURRENT)) else {
        return Vec::new();
    };
    products
        .iter()
        .filter(|product| !product.path_only)
        .filter_map(|product| installed(directory, current.trim(), product))
        .collect()
}

fn installed(directory: &Path, version: &str, product: &Product) -> Option<Recognised> {
    let defined = product.exec.as_ref()?;
    product.scheme.parse(&Version::new(version)).ok()?;
    let exec = ExecConfig {
        releases: RELEASES.to_owned(),
        current: CURRENT.to_owned(),
        environment: directory
            .join(ENVIRONMENT)
            .is_file()
            .then(|| ENVIRONMENT.to_owned()),
        directory: None,
        services: BTreeMap::new(),
        binary: None,
    };
    let releases = Releases::new(directory, &exec, Some(product));
    let release = releases.directory(version);
    let mut services = defined.services.values();
    let here = match &defined.binary {
        Some(binary) => release.join(binary).is_file(),
        None => services.all(|service| {
            let program = service.start.first();
            program.is_some_and(|program| release.join(program).is_file())
        }),
    };
    let config = Config {
        exec: Some(exec),
        ..Config::of(product.id.clone())
    };
    here.then(|| Recognised {
        product: product.id.clone(),
        edition: None,
        image: releases.reference(version),
        config,
    })
}
