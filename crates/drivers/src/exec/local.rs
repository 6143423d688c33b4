//! A datastore's server that is a process of this host, by its data directory.

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use switchback_model::product::DatastoreKind;

use super::place::Place;
use crate::host::process::{self, Process};

/// A server, whether it runs or not.
#[derive(Debug)]
pub(super) struct LocalServer {
    pub(super) place: Rc<Place>,
    pub(super) kind: DatastoreKind,
    pub(super) directory: PathBuf,
}

impl LocalServer {
    /// The server's process: PostgreSQL notes itself, Redis works in its data directory.
    pub(super) fn process(&self) -> Option<Process> {
        match self.kind {
            DatastoreKind::Postgres => {
                let note = fs::read_to_string(self.directory.join("postmaster.pid")).ok()?;
                let process = Process::with_pid(note.lines().next()?.trim().parse().ok()?)?;
                (process.directory()? == fs::canonicalize(&self.directory).ok()?).then_some(process)
            }
            _ => {
                let directory = fs::canonicalize(&self.directory).ok()?;
                process::all().into_iter().find(|process| {
                    let program = process.executable().unwrap_or_default();
                    let program = program
                        .file_name()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned();
                    // Debian's redis-server is a link to redis-check-rdb, which looks at its name.
                    ["redis-", "valkey-"]
                        .iter()
                        .any(|name| program.starts_with(name))
                        && process.directory().as_ref() == Some(&directory)
                })
            }
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.kind.name()
    }
}
