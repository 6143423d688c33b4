//! What is written down of a shadow, in its manifest and beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use switchback_engine::ports::Failure;
use switchback_model::plan::BackupState;

use super::super::compare::Place;
use super::super::layout::Layout;
use super::super::server::LAYOUT;
use crate::backup::{self, Backup, Manifest};

/// Key of the manifest's facts: the replica had everything at least once.
pub(super) const FOLLOWED: &str = "followed";
/// Names of keys that were always being written when the shadow was compared, in the backup's directory.
const STILL_MOVING: &str = "moving.json";

impl Backup {
    /// Where the data of a shadow lies.
    pub(in super::super) fn place_of<'m>(
        &self,
        manifest: &'m Manifest,
    ) -> Result<&'m Path, Failure> {
        manifest.place.as_deref().ok_or_else(|| {
            Failure::new(
                "backup-manifest",
                format!(
                    "the manifest of `{}` does not say where its shadow is",
                    manifest.datastore
                ),
            )
        })
    }

    /// The manifest as it is now.
    pub(in super::super) fn sealed_or_begun(&self, earlier: Manifest) -> Result<Manifest, Failure> {
        Ok(self.shadow()?.unwrap_or(earlier))
    }
}

/// What the manifest tells of the server that the shadow was made from.
pub(super) fn described(
    backup: &Backup,
    layout: &Layout,
) -> Result<BTreeMap<String, String>, Failure> {
    let text =
        serde_json::to_string(layout).map_err(|error| backup.io("describe", &error.into()))?;
    Ok([(LAYOUT.to_owned(), text)].into())
}

/// Writes down that the replica had everything: from now on the shadow counts as prepared.
pub(super) fn note_followed(backup: &Backup) -> Result<(), Failure> {
    match backup.shadow()? {
        Some(mut manifest) if manifest.state == BackupState::Prepared => {
            manifest.facts.insert(FOLLOWED.to_owned(), "yes".to_owned());
            backup.write(&manifest)
        }
        _ => Ok(()),
    }
}

/// Keys that were always being written when the shadow was compared, for the seal to look at again.
pub(super) fn write_moving(backup: &Backup, moving: &[Place]) -> Result<(), Failure> {
    serde_json::to_vec(moving)
        .map_err(std::io::Error::from)
        .and_then(|text| backup::write_durably(&backup.path(STILL_MOVING), &text))
        .map_err(|error| backup.io("write", &error))
}

/// The same read again; none where none were written down.
pub(super) fn read_moving(backup: &Backup) -> Result<Vec<Place>, Failure> {
    let text = match fs::read(backup.path(STILL_MOVING)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(|error| backup.io("read", &error))?,
    };
    serde_json::from_slice(&text).map_err(|error| backup.io("read", &error.into()))
}
