//! What is copied: the project as Compose resolves it, and everything that it has from the host.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use switchback_model::config::Config;
use switchback_model::observed::Observed;
use switchback_model::plan::Plan;

use super::transfer::Transfer;

/// Directories of the host that programs are given to look at, never to keep data in.
const OF_THE_SYSTEM: [&str; 5] = ["/dev", "/proc", "/run", "/sys", "/var/run"];

/// What is wanted of a copy.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Id of the rehearsal, e.g. `e-1f3a90bc`.
    pub rehearsal: &'a str,
    /// Where the copy will live; nothing else is there.
    pub directory: &'a Path,
    /// The plan that will be walked on it.
    pub plan: &'a Plan,
    /// The original, as it was found.
    pub observed: &'a Observed,
    /// True where the copy may talk to the outside.
    pub outbound: bool,
}

/// The original as Compose resolves it.
pub(super) struct Original<'a> {
    /// The answer of `docker compose config`, with every `$` doubled, as it is written back.
    pub(super) config: &'a Value,
    /// Where a volume's data is on this host, by its key.
    pub(super) volume: &'a dyn Fn(&str) -> Option<String>,
    /// Its `switchback.toml`.
    pub(super) said: &'a Config,
    /// Directory of that.
    pub(super) directory: &'a Path,
    /// True where Compose does not read the `.env` of the copy.
    pub(super) env_file_elsewhere: bool,
}

/// Everything that has to be brought from the host.
pub(super) struct Sources {
    /// Mounted in services, or data of datastores.
    pub(super) all: Vec<PathBuf>,
    /// Secrets and configurations, which are single files.
    pub(super) files: Vec<Transfer>,
}

impl Sources {
    pub(super) fn of(
        original: &Original<'_>,
        request: &Request<'_>,
        wanted: &BTreeSet<String>,
    ) -> Self {
        let mut all = Vec::new();
        for service in wanted {
            let volumes = original.config["services"][service]["volumes"].as_array();
            for volume in volumes.into_iter().flatten() {
                all.extend(
                    original
                        .source(volume)
                        .filter(|path| !is_of_the_system(path)),
                );
            }
        }
        for datastore in request.plan.datastores.values() {
            all.extend(datastore.location.directory.as_ref().map(PathBuf::from));
        }
        let mut files = Vec::new();
        for kind in ["configs", "secrets"] {
            for (key, value) in entries(&original.config[kind]) {
                files.extend(value["file"].as_str().map(|file| Transfer {
                    from: PathBuf::from(undoubled(file)),
                    to: request.directory.join(kind).join(key),
                    except: Vec::new(),
                }));
            }
        }
        Self { all, files }
    }
}

impl Original<'_> {
    /// What a mount shows of the host; `None` where it shows nothing that is there.
    pub(super) fn source(&self, mount: &Value) -> Option<PathBuf> {
        let source = mount["source"].as_str();
        match mount["type"].as_str()? {
            "bind" => Some(PathBuf::from(undoubled(source?))),
            "volume" => (self.volume)(source?).map(PathBuf::from),
            _ => None,
        }
    }
}

fn is_of_the_system(path: &Path) -> bool {
    OF_THE_SYSTEM.iter().any(|system| path.starts_with(system))
}

/// Compose writes every `$` of its answer twice.
pub(super) fn undoubled(text: &str) -> String {
    text.replace("$$", "$")
}

pub(super) fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Name of the copy's project, which no other has.
pub(super) fn copied_project(project: &str, rehearsal: &str) -> String {
    format!("{project}-rehearsal-{}", rehearsal.trim_start_matches("e-"))
}
