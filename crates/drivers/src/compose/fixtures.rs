//! A small definition for tests, of the shape of the real one.

use std::collections::BTreeMap;

use switchback_model::product::{Component, Edition, Product, Release};
use switchback_model::{Digest, ProductId, Scheme, Version};

/// A product with two editions and a few releases.
pub(super) fn product() -> Product {
    let edition = |id: &str, image: &str| Edition {
        id: id.to_owned(),
        images: vec![image.to_owned()],
        companions: Vec::new(),
    };
    let release = |version: &str| Release {
        version: Version::new(version),
        date: None,
        editions: Vec::new(),
        demands: Vec::new(),
        changes: Vec::new(),
        source: "test".to_owned(),
    };
    Product {
        id: ProductId::new("the-things-stack"),
        name: "The Things Stack".to_owned(),
        scheme: Scheme::Semver,
        digest: Digest::of("test"),
        path_only: false,
        covers: None,
        editions: vec![
            edition("open-source", "thethingsnetwork/lorawan-stack"),
            edition("enterprise", "thethingsindustries/lorawan-stack"),
        ],
        drivers: vec!["compose".to_owned()],
        components: vec![Component {
            id: "stack".to_owned(),
            http_port: 1885,
        }],
        datastores: Vec::new(),
        migrations: Vec::new(),
        releases: ["3.23.2", "3.24.2", "3.32.1"].map(release).into(),
        stops: Vec::new(),
        poisoned: Vec::new(),
        notices: Vec::new(),
        procedures: Vec::new(),
        health: Vec::new(),
        write_path: None,
        probes: BTreeMap::new(),
        deletions: Vec::new(),
        advice: Vec::new(),
        secrets: vec!["*PASSWORD*".to_owned(), "*TOKEN*".to_owned()],
    }
}
