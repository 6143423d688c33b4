//! A sign of life that the kernel keeps: whoever holds a lease locks a file beside the journal, and the
//! kernel (of the file server, where the state directory is shared) lets go of it when the process ends.
//!
//! Locked means alive, whatever machine the holder is on. Not locked proves nothing: the holder may be
//! older than this sign, or its filesystem keeps no locks between machines.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use switchback_model::Digest;

use crate::lease::Key;

/// Locks the sign of a lease for as long as the file stays open; `None` where that cannot be.
pub(crate) fn show(journal: &Path, key: &Key) -> Option<File> {
    let path = file(journal, key);
    fs::create_dir_all(path.parent()?).ok()?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .ok()
        .map(|()| file)
}

/// True where another open file holds the lock: that process certainly lives.
pub(crate) fn is_shown(journal: &Path, key: &Key) -> bool {
    // Where files are locked between machines, an exclusive lock wants a file that may be written.
    let path = file(journal, key);
    let Ok(file) = OpenOptions::new().write(true).open(path) else {
        return false;
    };
    matches!(
        flock(&file, FlockOperation::NonBlockingLockExclusive),
        Err(Errno::WOULDBLOCK)
    )
}

fn file(journal: &Path, key: &Key) -> PathBuf {
    let digest = Digest::of(format!("{}\n{}", key.deployment, key.directory));
    let digest: String = digest
        .to_string()
        .chars()
        .filter(char::is_ascii_hexdigit)
        .collect();
    let name = &digest[digest.len().saturating_sub(16)..];
    let directory = journal.parent().unwrap_or_else(|| Path::new("."));
    directory.join("leases").join(format!("{name}.lock"))
}
