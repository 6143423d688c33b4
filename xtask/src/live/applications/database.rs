//! A PostgreSQL server beside an application, as its operator would run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::site::Site;
use crate::images::postgres_directory;
use crate::tool::{Tool, tool};

/// Every look at it takes a moment; a first start takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server in the directory of a site, with one database. It ends with the site.
pub(super) struct Server {
    programs: PathBuf,
    data: PathBuf,
    port: u16,
    database: String,
}

impl Server {
    /// Makes and starts one, with an empty database.
    pub(super) fn start(site: &Site, port: u16, database: &str) -> Result<Self> {
        let server = Self {
            programs: postgres_directory()?.join("bin"),
            data: site.dir().join("data/postgres"),
            port,
            database: database.to_owned(),
        };
        fs::create_dir_all(&server.data)?;
        tool("chown")
            .arg("postgres:postgres")
            .arg(&server.data)
            .quiet()?;
        as_postgres(&server.programs.join("initdb"))
            .args([
                "--username=root",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "-D",
            ])
            .arg(&server.data)
            .quiet()?;
        let words = server.words();
        let log = fs::File::create(site.dir().join("postgres.log"))?;
        let started = as_postgres(Path::new(&words[0]))
            .args(&words[1..])
            .into_command()
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        // It is found again, and ended, by the directory that it works in.
        drop(started);
        let since = Instant::now();
        while server.ask("postgres", "SELECT 1").is_err() {
            if since.elapsed() > PATIENCE {
                bail!("PostgreSQL does not answer");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        server.ask("postgres", &format!("CREATE DATABASE {database}"))?;
        Ok(server)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    fn words(&self) -> Vec<String> {
        let data = self.data.to_string_lossy().into_owned();
        let program = self
            .programs
            .join("postgres")
            .to_string_lossy()
            .into_owned();
        let port = self.port.to_string();
        vec![
            program,
            "-D".to_owned(),
            data.clone(),
            "-p".to_owned(),
            port,
            "-k".to_owned(),
            data,
        ]
    }

    /// What cannot be observed of a datastore that lies in the database.
    pub(super) fn configuration(&self, site: &Site, datastore: &str) -> String {
        format!(
            "\n[datastores.{datastore}]\naddress = \"127.0.0.1:{}\"\ndatabase = {:?}\nuser = \"root\"\ndirectory = {:?}\n\
             start = {:?}\n\n[verify]\nurl = \"http://127.0.0.1:{}\"\n",
            self.port,
            self.database,
            self.data,
            self.words(),
            site.port()
        )
    }

    /// Asks a database one question.
    pub(super) fn ask(&self, database: &str, question: &str) -> Result<String> {
        let port = self.port.to_string();
        tool(self.programs.join("psql"))
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
                "-U",
                "root",
            ])
            .args(["-p", &port, "-d", database, "-c", question])
            .read()
    }
}

fn as_postgres(program: &Path) -> Tool {
    tool("setpriv")
        .args([
            "--reuid",
            "postgres",
            "--regid",
            "postgres",
            "--clear-groups",
        ])
        .arg(program)
        .dir(Path::new("/"))
}
