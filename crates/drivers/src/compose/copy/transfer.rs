//! Bringing files to a copy: with owner, mode, links and holes, by reference where the filesystem
//! can, and after everything else that wants the disk.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use switchback_engine::process::{Argv, CommandError, Commands};

/// Something to bring to the copy: a file, or a directory with everything in it but `except`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Where it is in the original.
    pub from: PathBuf,
    /// Where it goes.
    pub to: PathBuf,
    /// What is left out, below `from`: data that come from elsewhere.
    pub except: Vec<PathBuf>,
}

/// Why files could not be brought.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The place in the copy could not be made.
    #[error("cannot make `{path}`")]
    Place {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Copying failed.
    #[error("cannot copy `{path}`")]
    Copy {
        /// Which.
        path: PathBuf,
        /// Why.
        source: CommandError,
    },
}

impl Transfer {
    /// Bytes that will be copied.
    pub fn bytes(&self) -> u64 {
        self.size_of(&self.from)
    }

    /// Copies. What the original does not have becomes an empty directory, as Compose would make it.
    pub fn carry_out(&self, commands: &Commands) -> Result<(), TransferError> {
        let parent = self.to.parent().unwrap_or(&self.to);
        fs::create_dir_all(parent).map_err(|error| place(parent, error))?;
        if !self.from.exists() {
            return fs::create_dir_all(&self.to).map_err(|error| place(&self.to, error));
        }
        self.bring(commands, &self.from, &self.to)
    }

    fn bring(&self, commands: &Commands, from: &Path, to: &Path) -> Result<(), TransferError> {
        let holds_exception = self.except.iter().any(|path| path.starts_with(from));
        if !holds_exception {
            return copy(commands, from, to, from == self.from);
        }
        same_directory(from, to).map_err(|error| place(to, error))?;
        if self.except.iter().any(|path| path == from) {
            return Ok(());
        }
        let entries = fs::read_dir(from).map_err(|error| place(from, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| place(from, error))?;
            self.bring(commands, &entry.path(), &to.join(entry.file_name()))?;
        }
        Ok(())
    }

    fn size_of(&self, path: &Path) -> u64 {
        if self.except.iter().any(|except| except == path) {
            return 0;
        }
        let Ok(found) = fs::symlink_metadata(path) else {
            return 0;
        };
        if !found.is_dir() {
            return found.len();
        }
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| self.size_of(&entry.path())).sum()
    }
}

/// What is mounted is what a link leads to (`follow`); what is inside of it stays a link.
fn copy(commands: &Commands, from: &Path, to: &Path, follow: bool) -> Result<(), TransferError> {
    match commands.capture(&command(from, to, follow)) {
        // What the service removes while it is copied was not there a moment later.
        Err(CommandError::Exit { output, .. })
            if output
                .lines()
                .all(|line| line.contains("No such file or directory")) =>
        {
            Ok(())
        }
        copied => copied.map(drop).map_err(|source| TransferError::Copy {
            path: from.to_owned(),
            source,
        }),
    }
}

/// At the lowest priority: production goes first.
fn command(from: &Path, to: &Path, follow: bool) -> Argv {
    let links = if follow { "-H" } else { "-P" };
    Argv::new("nice", ["-n", "19", "cp", "-a", links, "--reflink=auto"])
        .args(["--sparse=auto", "-T", "--"])
        .arg(from.to_string_lossy())
        .arg(to.to_string_lossy())
}

/// An empty directory with the owner and the rights of another one.
fn same_directory(like: &Path, directory: &Path) -> io::Result<()> {
    let found = fs::metadata(like)?;
    fs::create_dir_all(directory)?;
    chown(directory, Some(found.uid()), Some(found.gid()))?;
    fs::set_permissions(
        directory,
        fs::Permissions::from_mode(found.permissions().mode()),
    )
}

fn place(path: &Path, source: io::Error) -> TransferError {
    TransferError::Place {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use switchback_engine::redact::Redactor;
    use switchback_engine::signal::StopSignal;

    use super::*;

    #[test]
    fn everything_but_the_exception_is_copied_and_its_place_is_kept() {
        let host = tempfile::tempdir().expect("temporary directory");
        let from = host.path().join("data");
        for directory in ["postgres/base", "other"] {
            fs::create_dir_all(from.join(directory)).expect("made");
        }
        for file in ["postgres/base/1", "other/a", "b"] {
            fs::write(from.join(file), "12345").expect("written");
        }
        fs::set_permissions(from.join("postgres"), fs::Permissions::from_mode(0o700))
            .expect("it is ours");
        std::os::unix::fs::symlink("b", from.join("link")).expect("made");
        let commands = Commands::new(
            host.path().join("children"),
            Redactor::default(),
            StopSignal::default(),
        );
        let transfer = Transfer {
            to: host.path().join("deep/copy"),
            except: vec![from.join("postgres")],
            from,
        };
        transfer.carry_out(&commands).expect("copied");
        let copied = |name: &str| transfer.to.join(name);
        assert_eq!(
            fs::read_to_string(copied("other/a")).expect("read"),
            "12345"
        );
        assert_eq!(
            fs::read_link(copied("link")).expect("still a link"),
            Path::new("b")
        );
        let kept = fs::metadata(copied("postgres")).expect("its place is there");
        assert_eq!(kept.permissions().mode() & 0o777, 0o700);
        assert_eq!(
            fs::read_dir(copied("postgres")).expect("readable").count(),
            0
        );
        // Two files of five bytes, and a link of one.
        assert_eq!(transfer.bytes(), 11);
    }

    #[test]
    fn what_is_not_there_becomes_an_empty_directory() {
        let host = tempfile::tempdir().expect("temporary directory");
        let commands = Commands::new(
            host.path().join("children"),
            Redactor::default(),
            StopSignal::default(),
        );
        let transfer = Transfer {
            from: host.path().join("nowhere"),
            to: host.path().join("copy"),
            except: Vec::new(),
        };
        transfer.carry_out(&commands).expect("made");
        assert!(transfer.to.is_dir());
    }
}
