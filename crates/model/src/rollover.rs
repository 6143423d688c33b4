//! A roll-over: the content of one instance of a product is brought to another one that is new and empty.
//!
//! Only what every part of switchback has to know of it; what content *is*, its product's side knows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::SecretRef;
use crate::digest::Digest;

/// An instance of a product that is reached over its API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Base URL of its API.
    pub api: String,
    /// The key for it, by reference.
    pub key: SecretRef,
    /// Where its file system is seen from here, absolute; `None` where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
}

/// Between whom, and where what is not loaded is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollOver {
    /// The old instance: read, and never changed.
    pub from: Instance,
    /// The new one.
    pub into: Instance,
    /// Directory for what is kept beside the two: repositories and logs.
    pub keep: String,
    /// Address at which the new instance finds the repositories of `keep`; the directory itself where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repositories: Option<String>,
    /// Users whose own content comes along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
}

/// One piece of content that arrives as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// Unique in its plan: kind and name, e.g. `pack/acme`.
    pub id: String,
    /// For people, e.g. `65 keys, 3 of them secret`.
    pub what: String,
    /// Digest of the original as it was when planning. Nothing secret goes into it but what the original's
    /// own encryption hides.
    pub original: Digest,
    /// What it takes to know that it arrived, e.g. the commit of a pack.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

impl Parcel {
    /// The kind: what stands before the slash.
    pub fn kind(&self) -> &str {
        self.id.split_once('/').map_or(&self.id, |(kind, _)| kind)
    }

    /// The name: what stands after the slash.
    pub fn name(&self) -> &str {
        self.id.split_once('/').map_or(&self.id, |(_, name)| name)
    }

    /// A fact; empty where it is not told.
    pub fn fact(&self, name: &str) -> &str {
        self.facts.get(name).map_or("", String::as_str)
    }
}
