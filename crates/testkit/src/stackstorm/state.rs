//! What an instance holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) value: String,
    pub(super) secret: bool,
    /// The datastore key that sealed it.
    pub(super) sealed_by: u8,
    pub(super) expires: Option<String>,
}

/// What a stand-in holds, and its flaws.
pub struct State {
    /// What it says it is.
    pub version: String,
    pub(super) root: PathBuf,
    /// API keys as their owners hold them.
    pub accepted: Vec<String>,
    /// API keys as they are stored.
    pub api_keys: Vec<Value>,
    /// Which datastore key it has: what another one sealed it cannot read.
    pub datastore_key: u8,
    pub(super) keys: BTreeMap<(String, String, String), Stored>,
    /// Packs by name.
    pub packs: BTreeMap<String, Value>,
    /// Rules, those of packs included.
    pub rules: Vec<Value>,
    /// Configurations by pack.
    pub configs: BTreeMap<String, Value>,
    /// Executions of `packs.install`.
    pub executions: Vec<Value>,
    /// Executions that were asked about by their id, in order.
    pub asked_about: Vec<String>,
    /// Installations begin and go on until [`State::end_installations`], as those of a large pack do.
    pub holds_installations: bool,
    /// Every request that was no question, e.g. `PUT /v1/keys/a`.
    pub writes: Vec<String>,
    /// A flaw: stores secrets as plain text, as if it did not know the word.
    pub forgets_secrets: bool,
    /// A flaw: does not say its version.
    pub hides_version: bool,
    /// A flaw: lists fewer keys than it counts.
    pub loses_pages: bool,
}

impl State {
    pub(super) fn new(version: &str, root: &Path, key: &str) -> Self {
        let own = json!({
            "id": "own", "user": "st2admin", "key_hash": hash(key), "enabled": true, "metadata": {},
        });
        Self {
            version: version.to_owned(),
            root: root.to_owned(),
            accepted: vec![key.to_owned()],
            api_keys: vec![own],
            datastore_key: 1,
            keys: BTreeMap::new(),
            packs: BTreeMap::new(),
            rules: Vec::new(),
            configs: BTreeMap::new(),
            executions: Vec::new(),
            asked_about: Vec::new(),
            holds_installations: false,
            writes: Vec::new(),
            forgets_secrets: false,
            hides_version: false,
            loses_pages: false,
        }
    }

    /// Whether this release is `(major, minor)` or later.
    pub(super) fn is_from(&self, release: (u32, u32)) -> bool {
        let mut numbers = self
            .version
            .split('.')
            .map(|part| part.parse().unwrap_or(0));
        let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        (major, minor) >= release
    }
}

/// Stands for the hash of an API key.
pub(super) fn hash(key: &str) -> String {
    key.bytes()
        .rev()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
