//! Other containers of the same engine, as far as they matter to a deployment.

use std::collections::{BTreeMap, HashMap};

/// Variables that programs which update or restart others read and that tell whom they touch. No other value is ever taken.
pub(super) const SETTINGS: [&str; 14] = [
    "WATCHTOWER_LABEL_ENABLE",
    "WATCHTOWER_MONITOR_ONLY",
    "WATCHTOWER_DISABLE_CONTAINERS",
    "WATCHTOWER_SCOPE",
    "LABEL_ENABLE",
    "LABELS_ONLY",
    "MONITOR_ONLY",
    "MONITOR",
    "IGNORE",
    "AUTOHEAL_CONTAINER_LABEL",
    "DOCKER_HOST",
    "DOCKER_SOCK",
    "DOCKER_SOCKETS",
    "DIUN_NOTIF_SCRIPT_CMD",
];
/// The same, for names that end in a name of the operator's.
pub(super) const SETTINGS_BEGIN: [&str; 3] = [
    "WUD_TRIGGER_DOCKER_",
    "WUD_TRIGGER_DOCKERCOMPOSE_",
    "WUD_WATCHER_",
];

/// A container that runs on the same engine, as far as it matters here.
pub(super) struct Neighbour {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) labels: HashMap<String, String>,
    /// Arguments of its program.
    pub(super) arguments: Vec<String>,
    /// Those of [`SETTINGS`].
    pub(super) settings: BTreeMap<String, String>,
    /// Paths of this host that it sees.
    pub(super) sees: Vec<String>,
}
