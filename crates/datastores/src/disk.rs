//! What goes wrong with disks, and copying that keeps everything a file has.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use switchback_engine::ports::{Context, Failure};
use switchback_engine::process::{Argv, CommandError};
use switchback_model::amount;

/// Room that is left for others when space is checked: a disk filled to the last byte hurts more than us.
const RESERVE: u64 = 16 << 20;

/// An I/O error as a failure; a full disk and a missing right have codes of their own.
pub(crate) fn failure(code: &str, what: impl Into<String>, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Failure::new("disk-full", what)
                .cause(error)
                .hint("free space on that filesystem, then resume")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Failure::new("disk-permission", what)
                .cause(error)
                .hint("run switchback as a user who may write there, e.g. root")
        }
        _ if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
            Failure::new(code, what).cause(error).hint(BROKEN)
        }
        _ => Failure::new(code, what).cause(error),
    }
}

/// What to do where the kernel could neither read nor write.
const BROKEN: &str =
    "see what the kernel says of that disk or network filesystem (dmesg), mend it, then resume";

/// Files that cannot be read. Root may read whatever is on a disk of its own machine, so either somebody else asks, or
/// something else has them.
pub(crate) fn unreadable(what: impl Into<String>, error: &io::Error) -> Failure {
    let failure = Failure::new("files-unreadable", what).cause(error);
    match error.kind() {
        io::ErrorKind::PermissionDenied => failure
            .hint("let root read it, then resume: of a network filesystem its server decides that (`no_root_squash`)")
            .hint("on this machine: run switchback as root"),
        io::ErrorKind::NotFound => failure.hint("see that it is there, then resume"),
        _ => failure.hint(BROKEN),
    }
}

/// What a server must find free to go on for a while, where something of ours grows beside it: two segments of a
/// log. A server whose log has no room left ends.
const BESIDE: u64 = 32 << 20;

/// Fails where a server that has its data on the filesystem of `directory` would soon have no room.
pub(crate) fn leave_room(directory: &Path) -> Result<(), Failure> {
    let Some(free) = free(directory).filter(|free| *free < BESIDE) else {
        return Ok(());
    };
    Err(Failure::new(
        "disk-full",
        format!("hardly any space is left in {}", directory.display()),
    )
    .cause(format!(
        "{} are free, and a server that has its data there needs {} to go on",
        amount::bytes(free),
        amount::bytes(BESIDE)
    ))
    .hint("free space on that filesystem, then resume"))
}

/// Bytes that are free where `path` is or will be, as far as the system tells.
fn free(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(nearest(path)?).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The directory that is there of those that lead to `path`.
fn nearest(path: &Path) -> Option<&Path> {
    path.ancestors().find(|path| path.exists())
}

/// Refuses to begin writing where `needed` bytes are not free.
pub(crate) fn require_space(directory: &Path, needed: u64, what: &str) -> Result<(), Failure> {
    let enough = needed.saturating_add(RESERVE);
    let Some(free) = free(directory).filter(|free| *free < enough) else {
        return Ok(());
    };
    Err(Failure::new(
        "disk-full",
        format!(
            "{what} needs {} in {}, and {} are free",
            amount::bytes(needed),
            nearest(directory).unwrap_or(directory).display(),
            amount::bytes(free)
        ),
    )
    .hint("free space on that filesystem, then resume"))
}

/// Bytes of all files below `path`; what vanishes meanwhile does not count.
pub(crate) fn size_of(path: &Path) -> u64 {
    let Ok(found) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !found.is_dir() {
        return found.len();
    }
    let Ok(entries) = fs::read_dir(path) else {
        return 0;
    };
    entries.flatten().map(|entry| size_of(&entry.path())).sum()
}

/// Copies files and directories into `target` with owner, mode, times, links, holes and attributes.
pub(crate) fn copy(
    cx: &Context<'_>,
    sources: &[PathBuf],
    target: &Path,
) -> Result<(), CommandError> {
    if sources.is_empty() {
        return Ok(());
    }
    cx.commands
        .capture(&copy_command(sources, target))
        .map(drop)
}

/// `cp` keeps what the standard library does not know of: holes, hard links, extended attributes, clones.
fn copy_command(sources: &[PathBuf], target: &Path) -> Argv {
    Argv::new("cp", ["-a", "--reflink=auto", "--sparse=always", "-t"])
        .arg(target.to_string_lossy())
        .arg("--")
        .args(sources.iter().map(|source| source.to_string_lossy()))
}

/// Gives `path` the owner and group of what `like` describes.
pub(crate) fn give_to(path: &Path, like: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let now = fs::symlink_metadata(path)?;
    if (now.uid(), now.gid()) == (like.uid(), like.gid()) {
        return Ok(());
    }
    std::os::unix::fs::lchown(path, Some(like.uid()), Some(like.gid()))
}

/// Writes what nobody but the owner of `like` may read.
pub(crate) fn write_secret(path: &Path, text: &str, like: &fs::Metadata) -> io::Result<()> {
    remove(path)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    give_to(path, like)
}

/// Gives a directory the owner of the first of these.
pub(crate) fn same_owner(sources: &[PathBuf], directory: &Path) -> io::Result<()> {
    match sources.first() {
        Some(first) => give_to(directory, &fs::symlink_metadata(first)?),
        None => Ok(()),
    }
}

/// Removes a file or a directory with everything in it; one that is not there is removed already.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Makes everything below `path` durable.
pub(crate) fn sync_all(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            sync_all(&entry?.path())?;
        }
    }
    if found.is_dir() || found.is_file() {
        File::open(path)?.sync_all()?;
    }
    Ok(())
}

/// A copy that failed. `cp` says why in its last line, also when the disk is full.
pub(crate) fn copy_failure(error: CommandError, what: impl Into<String>) -> Failure {
    let text = match &error {
        CommandError::Exit { output, .. } => output.clone(),
        _ => String::new(),
    };
    let failure = error.into_failure("copy-failed", what);
    if text.contains("No space left") || text.contains("quota exceeded") {
        let full = Failure {
            code: "disk-full".to_owned(),
            ..failure
        };
        return full.hint("free space on that filesystem, then resume");
    }
    if text.contains("Permission denied") || text.contains("Operation not permitted") {
        let denied = Failure {
            code: "disk-permission".to_owned(),
            ..failure
        };
        return denied.hint("run switchback as a user who may read and write there, e.g. root");
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_keep_everything_and_names_are_never_options() {
        let argv = copy_command(&[PathBuf::from("/data/-x y")], Path::new("/backup"));
        assert_eq!(
            argv.to_string(),
            "cp -a --reflink=auto --sparse=always -t /backup -- '/data/-x y'"
        );
    }

    #[test]
    fn space_that_nobody_has_is_refused() {
        let failure =
            require_space(Path::new("/tmp"), u64::MAX / 2, "the backup").expect_err("too much");
        assert_eq!(failure.code, "disk-full");
        assert!(
            failure.what.starts_with("the backup needs "),
            "{}",
            failure.what
        );
    }
}
