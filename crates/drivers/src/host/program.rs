//! This program, as it is brought to another machine.

use std::cell::RefCell;
use std::path::PathBuf;

/// Where everything of ours is over there.
pub(crate) const ROOT: &str = "/var/lib/switchback";
/// What an installed one is called.
pub(super) const NAME: &str = "switchback";
/// The bytes that this process runs, also where the file was replaced since.
const THIS: &str = "/proc/self/exe";

/// What is run over there, and where.
#[derive(Debug)]
pub(super) struct Program {
    /// Its bytes.
    pub(super) file: PathBuf,
    /// Where everything of ours is over there.
    pub(super) root: PathBuf,
    /// What it says of its version.
    pub(super) version: String,
    /// Where it was found to start.
    pub(super) found: RefCell<Option<String>>,
}

impl Program {
    /// The program that this process runs.
    pub(super) fn this() -> Self {
        Self {
            file: PathBuf::from(THIS),
            root: PathBuf::from(ROOT),
            version: format!("{NAME} {}", env!("CARGO_PKG_VERSION")),
            found: RefCell::default(),
        }
    }

    /// Another one, for tests.
    #[cfg(test)]
    pub(super) fn of(file: PathBuf, root: PathBuf, version: &str) -> Self {
        Self {
            file,
            root,
            version: version.to_owned(),
            found: RefCell::default(),
        }
    }
}
