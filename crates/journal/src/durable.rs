//! Files that are whole after a power failure, or not there.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use crate::error::JournalError;

/// Writes beside, syncs, renames, syncs the directory: a reader sees all of it or nothing.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), JournalError> {
    let failed = |error| JournalError::io(path, error);
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(directory).map_err(failed)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = directory.join(format!(".{name}.{}", std::process::id()));
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(directory)?.sync_all()
    });
    if written.is_err() {
        // The half-written file is of no use to anybody; the error that matters is the first.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(failed)
}
