//! What the manifest of a PostgreSQL shadow knows beside what every manifest says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use switchback_engine::ports::Failure;
use switchback_model::RunId;
use switchback_model::observed::ImagePin;
use switchback_model::plan::BackupState;

use crate::backup::{Backup, Manifest};

/// Key of the manifest's facts.
const KEY: &str = "shadow";

/// How far the copy itself is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Phase {
    /// It is being made; what is there is of no use yet.
    Copying,
    /// It follows the original, or did and can again.
    Following,
    /// It was read and was not what it must be: it is begun anew.
    Refuted,
    /// It ended at its last position.
    Sealed,
}

/// Facts of one shadow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Facts {
    pub(super) phase: Phase,
    /// Identity of the cluster.
    pub(super) system: u64,
    /// A superuser who may log in: the copy is read as this one, over a socket that nobody else reaches.
    pub(super) superuser: String,
    /// What a copy must be started with to be able to follow.
    pub(super) settings: BTreeMap<String, String>,
    /// What the server was made from: a server of another version cannot read the copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<ImagePin>,
    /// The original's next transaction when both were read.
    #[serde(default)]
    pub(super) compared_at: Option<u64>,
    #[serde(default)]
    pub(super) timeline: u32,
    /// True where the manifest's contents are not those of the sealed position, and are still to be read.
    #[serde(default)]
    pub(super) unread: bool,
    /// True where the manifest's contents were read from the original at the sealed position, not from the shadow:
    /// it may be further in its sequences there, and holds rows that are not logged.
    #[serde(default)]
    pub(super) noted: bool,
    /// The exchange that puts it in the place of the original.
    #[serde(default)]
    pub(super) exchange: Option<Exchange>,
}

/// How far putting it in place is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Exchange {
    /// The run that does it.
    pub(super) by: RunId,
    /// True once the server runs on it.
    pub(super) done: bool,
}

impl Facts {
    /// From a manifest that says it is of a shadow.
    pub(super) fn of(manifest: &Manifest) -> Result<Self, Failure> {
        manifest.fact(KEY)
    }

    /// As a manifest keeps them.
    pub(super) fn kept(&self) -> BTreeMap<String, String> {
        let text = serde_json::to_string(self).unwrap_or_default();
        [(KEY.to_owned(), text)].into()
    }

    /// Writes them down in the manifest; a shadow that does not follow is no longer compared.
    pub(super) fn write_to(&self, backup: &Backup) -> Result<(), Failure> {
        let Some(manifest) = backup.shadow()? else {
            return Ok(());
        };
        let state = match self.phase {
            Phase::Copying | Phase::Refuted => BackupState::Prepared,
            Phase::Following | Phase::Sealed => manifest.state,
        };
        backup.write(&Manifest {
            state,
            facts: self.kept(),
            ..manifest
        })
    }
}
