//! What holds a product's state, and what is known of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::DatastoreKind;
use crate::id::DatastoreName;
use crate::version::Version;

/// A datastore of the product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Datastore {
    /// Name, e.g. `identity`.
    pub name: DatastoreName,
    /// What keeps it.
    pub kind: DatastoreKind,
    /// Image repositories that are recognised as this datastore's server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Environment variables of the component that point at it (URI, address or directory).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configured_by: Vec<String>,
    /// The product's own file of settings that says where it is, where the product has one on its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured_in: Option<SettingsFile>,
    /// Directory inside the component's container where nothing configures one (files only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_directory: Option<String>,
    /// True where a deployment may do without it.
    #[serde(default)]
    pub optional: bool,
    /// Servers that are recognised and refused, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<UnsupportedServer>,
    /// Collections whose counts change while the product merely runs (sessions, caches): `*` matches any run of characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volatile: Vec<String>,
}

/// A file of settings in sections (`[section]`, `key = value`), by which the product finds a datastore. Each field is
/// the name of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SettingsFile {
    /// Absolute path on the product's host.
    pub file: String,
    /// The section.
    pub section: String,
    /// All in one, e.g. `postgresql://user:password@host/database`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Host, or all in one where it has `://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// User.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Options of the connection, by name: keys that say them, the first that is set counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, Vec<String>>,
    /// The database where the file names none: what the product takes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_database: Option<String>,
    /// Where it was read.
    pub source: String,
}

/// A server that a datastore may be found on and that cannot be upgraded from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UnsupportedServer {
    /// Image repository.
    pub image: String,
    /// Why it is refused.
    pub because: String,
    /// Where it was read.
    pub source: String,
}

/// Data that migrations delete on purpose, so that a smaller count is no loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Deletion {
    /// Which datastore.
    pub datastore: DatastoreName,
    /// Collection names; `*` matches any run of characters.
    pub collections: Vec<String>,
    /// The release whose migration deletes: applies where `from < version <= to`.
    pub version: Version,
    /// Why.
    pub because: String,
    /// Where it was read.
    pub source: String,
}
