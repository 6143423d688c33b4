//! What the product is told: environment variables of its service, and the
//! configuration files mounted into it.
//!
//! A product that reads `TTN_LW_IS_DATABASE_URI` reads `is.database-uri` of its
//! file as well: prefix dropped, upper case, `.` and `-` as `_`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use switchback_engine::process::Secret;
use switchback_model::product::Product;

use super::service::{Mount, ServiceSpec, Source};
use crate::formats::yaml::{self, Node};

/// A service's settings by the name of their environment variable.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    environment: BTreeMap<String, Secret>,
    /// Values of configuration files, by normalised path (`IS_DATABASE_URI`).
    files: BTreeMap<String, Secret>,
    /// What variables of this product begin with, e.g. `TTN_LW_`.
    prefix: String,
}

impl Settings {
    /// Reads them. `mountpoint` tells where a volume's data is on this host.
    pub(crate) fn read(
        service: &ServiceSpec,
        product: &Product,
        mountpoint: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let mut files = BTreeMap::new();
        for path in configuration_files(service) {
            let Some(host_path) = on_host(service, &path, mountpoint) else {
                continue;
            };
            let Ok(text) = fs::read_to_string(host_path) else {
                continue;
            };
            for document in yaml::parse(&text).unwrap_or_default() {
                flatten(&document, "", &mut files);
            }
        }
        Self {
            environment: service.environment.clone(),
            files,
            prefix: prefix_of(product),
        }
    }

    /// The value that the product gets for this variable; an empty one counts as none.
    pub(crate) fn get(&self, variable: &str) -> Option<&Secret> {
        let from_file = || {
            variable
                .strip_prefix(&self.prefix)
                .filter(|_| !self.prefix.is_empty())
                .and_then(|name| self.files.get(name))
        };
        self.environment
            .get(variable)
            .filter(|value| !value.expose().is_empty())
            .or_else(from_file)
            .filter(|value| !value.expose().is_empty())
    }

    /// Every value with the name of its variable.
    pub(crate) fn all(&self) -> impl Iterator<Item = (String, &Secret)> {
        let of_files = self
            .files
            .iter()
            .map(|(name, value)| (format!("{}{name}", self.prefix), value));
        self.environment
            .iter()
            .map(|(name, value)| (name.clone(), value))
            .chain(of_files)
    }
}

/// Where `path` of the container is on this host.
pub(crate) fn on_host(
    service: &ServiceSpec,
    path: &str,
    mountpoint: &dyn Fn(&str) -> Option<String>,
) -> Option<String> {
    let Mount { target, source } = service.mount_of(path)?;
    let base = match source {
        Source::Path(path) => path.clone(),
        Source::Volume(Some(name)) => mountpoint(name)?,
        Source::Volume(None) | Source::Other => return None,
    };
    let inner = Path::new(path).strip_prefix(target).ok()?;
    let joined = if inner.as_os_str().is_empty() {
        base
    } else {
        Path::new(&base).join(inner).to_string_lossy().into_owned()
    };
    Some(joined)
}

/// Absolute paths of configuration files that the service is started with.
fn configuration_files(service: &ServiceSpec) -> Vec<String> {
    let mut paths: Vec<String> = service
        .environment
        .iter()
        .filter(|(name, _)| name.ends_with("_CONFIG"))
        .flat_map(|(_, value)| {
            value
                .expose()
                .split([',', ' '])
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let words: Vec<&str> = service
        .words
        .iter()
        .flat_map(|word| word.split_whitespace())
        .collect();
    for (position, word) in words.iter().enumerate() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (*word, words.get(position + 1).copied()),
        };
        if matches!(flag, "-c" | "--config") {
            paths.extend(value.map(str::to_owned));
        }
    }
    paths.retain(|path| path.starts_with('/'));
    paths
}

fn flatten(node: &Node, path: &str, into: &mut BTreeMap<String, Secret>) {
    match node {
        Node::Scalar(scalar) if !path.is_empty() => {
            into.insert(path.to_owned(), Secret::new(scalar.value.clone()));
        }
        Node::Mapping(_) => {
            let keys: Vec<String> = node.keys().map(str::to_owned).collect();
            for key in keys {
                let name = key.to_uppercase().replace(['.', '-'], "_");
                let inner = if path.is_empty() {
                    name
                } else {
                    format!("{path}_{name}")
                };
                if let Some(child) = node.get(&key) {
                    flatten(child, &inner, into);
                }
            }
        }
        _ => {}
    }
}

/// What all variables of the product's datastores begin with, up to an underscore.
fn prefix_of(product: &Product) -> String {
    let mut variables = product
        .datastores
        .iter()
        .flat_map(|datastore| &datastore.configured_by);
    let Some(first) = variables.next() else {
        return String::new();
    };
    let common = variables.fold(first.as_str(), |common, variable| {
        let length = common
            .bytes()
            .zip(variable.bytes())
            .take_while(|(one, other)| one == other)
            .count();
        &common[..length]
    });
    common
        .rfind('_')
        .map_or("", |end| &common[..=end])
        .to_owned()
}
