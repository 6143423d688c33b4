//! A PostgreSQL server as processes of this machine, as its operator would run it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::detached::{as_user, detach, wait};
use crate::setup::postgres_directory;
use crate::tool::tool;

/// A server that is found again, and ended, by its data directory.
pub(crate) struct PostgresServer {
    programs: PathBuf,
    data: PathBuf,
    port: u16,
}

impl PostgresServer {
    /// The server with this data directory, whether it runs or not.
    pub(crate) fn at(data: PathBuf, port: u16) -> Result<Self> {
        Ok(Self {
            programs: postgres_directory()?.join("bin"),
            data,
            port,
        })
    }

    /// Makes its data directory and starts it, with one empty database.
    pub(crate) fn install(&self, database: &str, log: &Path) -> Result<()> {
        fs::create_dir_all(&self.data)?;
        tool("chown")
            .arg("postgres:postgres")
            .arg(&self.data)
            .quiet()?;
        // The collation that every product takes.
        as_user("postgres", &self.programs.join("initdb"))
            .args(["--username=root", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C", "-D"])
            .arg(&self.data)
            .quiet()?;
        detach("postgres", &self.words(), log)?;
        wait("PostgreSQL", || self.ask("postgres", "SELECT 1").is_ok())?;
        self.ask("postgres", &format!("CREATE DATABASE {database}"))
            .map(drop)
    }

    /// What starts it.
    pub(crate) fn words(&self) -> Vec<String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let (program, data) = (text(&self.programs.join("postgres")), text(&self.data));
        let port = self.port.to_string();
        let words = [&program, "-D", &data, "-p", &port, "-k", &data];
        words.map(str::to_owned).into()
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Asks a database; the answer has one row a line, fields between bars.
    pub(crate) fn ask(&self, database: &str, question: &str) -> Result<String> {
        tool(self.programs.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-h", "127.0.0.1", "-U", "root"])
            .args(["-p", &self.port.to_string(), "-d", database, "-f", "-"])
            .input(question)
            .read()
    }
}
