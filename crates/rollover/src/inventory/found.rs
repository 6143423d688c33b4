//! What a look at both instances found.

use switchback_model::Version;
use switchback_model::rollover::RollOver;

use super::files::AuditLog;
use crate::adapt::KeyPair;
use crate::api::{ApiKey, Config, Rule};
use crate::git::PackState;

/// What an operator wants rolled over.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Between whom, and where what is kept goes.
    pub content: RollOver,
    /// Version of the old instance, where it does not say.
    pub from: Option<Version>,
    /// Version of the new instance, where it does not say.
    pub to: Option<Version>,
}

/// Everything found. Nothing of it shows a secret.
#[derive(Debug)]
pub struct Inventory {
    pub(crate) content: RollOver,
    pub(crate) from: Version,
    pub(crate) to: Version,
    pub(crate) packs: Vec<FoundPack>,
    /// As the instance tells them without decrypting.
    pub(crate) keys: Vec<KeyPair>,
    /// Secrets that the instance itself can no longer read.
    pub(crate) undecipherable: Vec<String>,
    pub(crate) configs: Vec<Config>,
    /// Packs whose configuration the instance shows only masked.
    pub(crate) masked_configs: Vec<String>,
    pub(crate) api_keys: Vec<ApiKey>,
    /// How many API keys the instance shows only masked.
    pub(crate) masked_api_keys: usize,
    /// Rules that are in no pack's files.
    pub(crate) rules: Vec<Rule>,
    /// How many rules come with packs.
    pub(crate) pack_rules: usize,
    pub(crate) logs: Vec<AuditLog>,
    /// Files that are brought by hand, and what each is.
    pub(crate) by_hand: Vec<(String, &'static str)>,
    /// What outside points at the old instance.
    pub(crate) pointing_here: Vec<String>,
    /// What the new instance holds already.
    pub(crate) occupied: Vec<String>,
}

/// A pack of the old instance.
#[derive(Clone, Debug)]
pub(crate) struct FoundPack {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) state: PackState,
    /// What is brought: what is checked out, or what its files become.
    pub(crate) commit: String,
}

/// The id of the parcel that puts a pack under version control.
pub(crate) fn source_id(pack: &str) -> String {
    format!("repository/{pack}")
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Config({})", self.pack)
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKey({})", self.user)
    }
}
