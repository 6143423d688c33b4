//! The PostgreSQL that the machine has.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// `/usr/lib/postgresql/<major>` of the newest PostgreSQL installed.
pub(crate) fn postgres_directory() -> Result<PathBuf> {
    fs::read_dir("/usr/lib/postgresql")
        .context("no PostgreSQL is installed")?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/postgres").is_file())
        .max_by_key(|path| major_of(path))
        .context("no PostgreSQL server is installed")
}

/// The major version that such a directory is of.
pub(crate) fn major_of(directory: &Path) -> u32 {
    directory
        .file_name()
        .and_then(|name| name.to_str()?.parse().ok())
        .unwrap_or(0)
}
