//! The shadow's side of a backup: which method a plan asks for, where a shadow
//! lies, and how its manifest comes from *prepared* to *proven*.
//!
//! ```text
//! <backups>/<run>/<datastore>/manifest.json      method, place, how far
//!                            /shadow/            the data, where it can be renamed from here to the datastore
//! <directory>/../.switchback-shadow-<run>-<datastore>/    else, where that can
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use switchback_engine::ports::{Context, Failure, UNCOUNTED};
use switchback_model::observed::Access;
use switchback_model::plan::{BackupMethod, BackupState};
use switchback_model::{DatastoreName, RunId};

use crate::backup::{self, Backup, Manifest, Seal};

/// The data in a backup's directory.
const SHADOW: &str = "shadow";
/// Begins the names of directories beside a datastore's.
const BESIDE: &str = ".switchback-shadow-";

/// How the plan has the datastore kept; the documented way where it does not speak of it.
pub(crate) fn method(cx: &Context<'_>, datastore: &DatastoreName) -> BackupMethod {
    cx.plan
        .datastores
        .get(datastore)
        .map_or(BackupMethod::Dump, |plan| plan.method)
}

/// A shadow that took the place of the data before anybody counted what it holds.
pub(crate) fn uncounted(datastore: &DatastoreName, run: &RunId) -> Failure {
    Failure::new(
        UNCOUNTED,
        format!("what the shadow of `{datastore}` by {run} held was never counted"),
    )
    .cause("it took the place of the data, which goes on from there")
}

/// Where the shadow of what lies in `directory` goes: into the backup's directory where a rename leads
/// from there to `directory` and the server's user gets there, else beside `directory`, else (a filesystem
/// of its own for `directory` alone) into the backup's directory all the same, and the way back copies.
pub(crate) fn place(backup: &Backup, directory: &Path, access: &Access) -> PathBuf {
    let kept = backup.path(SHADOW);
    let (Some(device), Some(parent)) = (device(directory), directory.parent()) else {
        return kept;
    };
    if (enters(directory, access) && device_of_nearest(&kept) == Some(device))
        || self::device(parent) != Some(device)
    {
        return kept;
    }
    // Backups of later rounds lie one directory deeper, which is called after the round.
    let round = backup
        .directory()
        .ancestors()
        .nth(2)
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with(backup::ROUND))
        .map_or(String::new(), |round| format!("-{round}"));
    parent.join(format!(
        "{BESIDE}{}{round}-{}",
        backup.run(),
        backup.datastore()
    ))
}

/// True where the server's user could reach no place of [`place`]: the data is a filesystem of its own, and
/// the backups are somebody else's.
pub(crate) fn is_out_of_reach(directory: &Path, access: &Access) -> bool {
    !enters(directory, access)
        && directory
            .parent()
            .is_some_and(|parent| device(parent) != device(directory))
}

/// Backups are closed to everybody else: only a mount leads another user there.
fn enters(directory: &Path, access: &Access) -> bool {
    matches!(access, Access::Container { .. })
        || fs::metadata(directory)
            .is_ok_and(|found| found.uid() == rustix::process::geteuid().as_raw())
}

/// True for names that only shadows have.
pub(crate) fn is_beside(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(BESIDE.as_bytes())
}

/// The filesystem that something lies on.
pub(crate) fn device(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|found| found.dev())
}

/// The filesystem that something will lie on once it is made.
fn device_of_nearest(path: &Path) -> Option<u64> {
    path.ancestors().find_map(device)
}

impl Backup {
    /// The manifest where this backup is a shadow, however far it is.
    pub(crate) fn shadow(&self) -> Result<Option<Manifest>, Failure> {
        let manifest = self.manifest()?;
        Ok(manifest.filter(|manifest| manifest.method == BackupMethod::Shadow))
    }

    /// The same where it is not sealed yet.
    pub(crate) fn unsealed_shadow(&self) -> Result<Option<Manifest>, Failure> {
        let manifest = self.shadow()?;
        Ok(manifest.filter(|manifest| manifest.state < BackupState::Sealed))
    }

    /// Writes down that a shadow is begun at `place`, or begun anew: nothing of it counts yet.
    pub(crate) fn begin_shadow(
        &self,
        place: &Path,
        engine: Option<String>,
        facts: BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        backup::create_private(self.directory()).map_err(|error| self.io("prepare", &error))?;
        self.write(&Manifest {
            place: Some(place.to_owned()),
            facts,
            ..self.begun(BackupMethod::Shadow, engine)
        })
    }

    /// Writes down that the shadow was read and held what the original held at `seal`'s position.
    pub(crate) fn compared(&self, seal: Seal) -> Result<Manifest, Failure> {
        self.advance(BackupState::Compared, seal)
    }

    /// Writes down that a compared shadow ended at `seal`'s position, which is the original's last: it is
    /// proven. One that was not compared is sealed and no more.
    pub(crate) fn seal_shadow(&self, seal: Seal) -> Result<Manifest, Failure> {
        let state = match self.shadow()? {
            Some(manifest) if manifest.state >= BackupState::Compared => BackupState::Proven,
            _ => BackupState::Sealed,
        };
        self.advance(state, seal)
    }

    fn advance(&self, state: BackupState, seal: Seal) -> Result<Manifest, Failure> {
        let Some(manifest) = self.shadow()? else {
            return Err(Failure::new(
                "backup-missing",
                format!(
                    "there is no shadow of `{}` by {}",
                    self.datastore(),
                    self.run()
                ),
            ));
        };
        let manifest = Manifest {
            state,
            engine: seal.engine.or(manifest.engine),
            contents: seal.contents,
            position: seal.position,
            facts: seal.facts,
            at: backup::now(),
            ..manifest
        };
        self.write(&manifest)?;
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shadows_of_different_rounds_lie_apart() {
        let data = tempfile::tempdir().expect("temporary directory");
        let directory = data.path().join("server/data");
        fs::create_dir_all(&directory).expect("made");
        let place_of = |backups: &Path| {
            let backup = Backup::at(&backups.join("r-1/identity"));
            place(&backup, &directory, &Access::Local)
        };
        // On another filesystem, so that no rename leads from there to the data.
        let (first, second) = (Path::new("/proc/none"), Path::new("/proc/none/round-2"));
        let names = [first, second].map(|backups| {
            let place = place_of(backups);
            assert_eq!(place.parent(), directory.parent());
            place
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
        });
        assert_eq!(names[0].as_deref(), Some(".switchback-shadow-r-1-identity"));
        assert_eq!(
            names[1].as_deref(),
            Some(".switchback-shadow-r-1-round-2-identity")
        );
    }

    #[test]
    fn manifests_from_before_shadows_are_read_as_dumps() {
        let text = r#"{"format": 1, "datastore": "d", "kind": "postgres", "run": "r-1", "state": "proven",
            "engine": null, "contents": {"collections": {}}, "bytes": 0, "files": {}, "at": 0}"#;
        let manifest: Manifest = serde_json::from_str(text).expect("readable");
        assert_eq!(
            (manifest.method, manifest.place),
            (BackupMethod::Dump, None)
        );
    }
}
