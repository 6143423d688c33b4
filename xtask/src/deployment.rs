//! A deployment of the product with data in it: what its own documentation tells people to write, filled.

mod contents;
mod detached;
mod files;
mod load;
mod local;
mod postgres;
mod site;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub(crate) use contents::Contents;
pub(crate) use files::verify_section;
pub(crate) use local::LocalDeployment;
pub(crate) use postgres::PostgresServer;
pub(crate) use site::Site;

use crate::images::Edition;
use crate::tool::{Answer, Tool, docker, tool};

/// The database that the product's documentation names.
pub(crate) const DATABASE: &str = "ttn_lorawan";

/// The application in which the write path creates its device.
pub(crate) const CHECK_APPLICATION: &str = "upgrade-check";

/// How long a container may take to answer on a machine with two busy cores.
const PATIENCE: Duration = Duration::from_secs(90);

/// Deployed with Docker Compose in a directory of its own.
pub(crate) struct Deployment {
    dir: PathBuf,
    project: String,
    port: u16,
    edition: Edition,
}

impl Deployment {
    /// Writes the files of a deployment; nothing runs yet.
    pub(crate) fn write(dir: &Path, port: u16, edition: Edition, version: &str) -> Result<Self> {
        let name = dir
            .file_name()
            .and_then(|name| name.to_str())
            .context("a named directory")?;
        let new = Self {
            dir: dir.to_owned(),
            project: name.to_owned(),
            port,
            edition,
        };
        files::write(&new, version)?;
        Ok(new)
    }

    /// A deployment that was written before.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let text = fs::read_to_string(dir.join("docker-compose.yml"))
            .with_context(|| format!("no deployment is in {}", dir.display()))?;
        let port = text
            .lines()
            .find_map(|line| {
                line.trim()
                    .strip_prefix("- \"127.0.0.1:")?
                    .split(':')
                    .next()
            })
            .and_then(|port| port.parse().ok())
            .context("the compose file publishes no port")?;
        let edition = if text.contains(&Edition::Enterprise.image("")) {
            Edition::Enterprise
        } else {
            Edition::OpenSource
        };
        let project = text
            .lines()
            .find_map(|line| line.strip_prefix("name: "))
            .context("the compose file names no project")?;
        Ok(Self {
            dir: dir.to_owned(),
            project: project.to_owned(),
            port,
            edition,
        })
    }

    /// Starts the databases, makes the schema of the release, loads rows, starts the product.
    pub(crate) fn install(&self, version: &str, rows: u32) -> Result<()> {
        self.compose(["up", "--detach", "postgres", "redis"])
            .quiet()?;
        self.wait_for("PostgreSQL", || self.sql("SELECT 1").is_ok())?;
        self.wait_for("Redis", || self.redis(&["PING"]).is_ok())?;
        load::schema(self, version)?;
        load::rows(self, rows)?;
        self.start()
    }

    /// Starts everything and waits until the product answers.
    pub(crate) fn start(&self) -> Result<()> {
        self.compose(["up", "--detach"]).quiet()?;
        self.wait_for("the product", || self.is_healthy())
    }

    /// A copy of this stopped deployment in another directory: seconds instead of a new installation.
    pub(crate) fn copy(&self, dir: &Path, port: u16, version: &str) -> Result<Self> {
        tool("cp")
            .arg("--archive")
            .arg(&self.dir)
            .arg(dir)
            .quiet()?;
        Self::write(dir, port, self.edition, version)
    }

    pub(crate) fn stop(&self) -> Result<()> {
        self.compose(["down", "--timeout", "5"]).quiet()
    }

    /// Removes containers, networks, volumes and the directory.
    pub(crate) fn remove(&self) -> Result<()> {
        remove_all("container", &self.of_project())?;
        self.remove_copies()?;
        self.compose(["down", "--volumes", "--timeout", "0"])
            .quiet()?;
        fs::remove_dir_all(&self.dir)
            .with_context(|| format!("cannot remove {}", self.dir.display()))
    }

    fn of_project(&self) -> String {
        format!("label=com.docker.compose.project={}", self.project)
    }

    /// Removes copies that a rehearsal has made of it, which died with its machine.
    pub(crate) fn remove_copies(&self) -> Result<()> {
        let named = format!("name={}-rehearsal-", self.project);
        for kind in ["container", "network", "volume"] {
            remove_all(kind, &named)?;
        }
        Ok(())
    }

    pub(crate) fn project(&self) -> &str {
        &self.project
    }

    pub(crate) fn compose_file(&self) -> PathBuf {
        self.dir.join("docker-compose.yml")
    }

    /// Sets a variable in the product's environment, where tests ask the stand-in for faults. Empty removes it.
    pub(crate) fn set_environment(&self, variable: &str, value: &str) -> Result<()> {
        let path = self.compose_file();
        let text = fs::read_to_string(&path)?;
        let kept: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with(&format!("{variable}:")))
            .collect();
        let mut text = kept.join("\n") + "\n";
        if !value.is_empty() {
            let anchor = "      TTN_LW_BLOB_LOCAL_DIRECTORY:";
            text = text.replacen(
                anchor,
                &format!("      {variable}: \"{value}\"\n{anchor}"),
                1,
            );
        }
        fs::write(path, text)?;
        Ok(())
    }

    /// The tag of the product's image in the compose file.
    pub(crate) fn version(&self) -> Result<String> {
        let text = fs::read_to_string(self.compose_file())?;
        let image = self.edition.image("");
        text.lines()
            .find_map(|line| line.split_once(&image))
            .map(|(_, rest)| {
                let end = rest.find(['"', '\'', ' ']).unwrap_or(rest.len());
                rest[..end].to_owned()
            })
            .context("the compose file names no image of the product")
    }

    /// `docker compose` in the deployment's directory.
    pub(crate) fn compose<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(
        &self,
        words: I,
    ) -> Tool {
        docker().dir(&self.dir).arg("compose").args(words)
    }

    pub(crate) fn is_healthy(&self) -> bool {
        http::is_healthy(self.port)
    }

    /// One request through the published port, with the deployment's key. The answer's body.
    pub(crate) fn http(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let answer = http::request(self.port, method, path, files::API_KEY, body)?;
        if !(200..300).contains(&answer.0) {
            bail!("{method} /{path}: {} {}", answer.0, answer.1);
        }
        Ok(answer.1)
    }

    fn wait_for(&self, what: &str, ready: impl Fn() -> bool) -> Result<()> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if ready() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let log = self
            .compose(["logs", "--no-color", "--tail", "20"])
            .answer()?;
        bail!("{what} of {} does not answer\n{}", self.project, log.stdout)
    }
}

/// Removes every container, network or volume that a filter of the Engine meets.
fn remove_all(kind: &str, filter: &str) -> Result<()> {
    let all: &[&str] = if kind == "container" { &["--all"] } else { &[] };
    let left = docker()
        .args([kind, "ls", "--quiet", "--filter", filter])
        .args(all)
        .read()?;
    let left: Vec<&str> = left.split_whitespace().collect();
    if left.is_empty() {
        return Ok(());
    }
    let how: &[&str] = match kind {
        "container" => &["--force", "--volumes"],
        _ => &[],
    };
    docker().args([kind, "rm"]).args(how).args(left).quiet()
}

impl Site for Deployment {
    fn dir(&self) -> &Path {
        &self.dir
    }

    fn sql(&self, query: &str) -> Result<String> {
        self.compose([
            "exec",
            "-T",
            "postgres",
            "psql",
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            // Not by the socket: the entrypoint's first server, which only prepares the database, answers there.
            "-h",
            "127.0.0.1",
            "-U",
            "root",
            "-d",
        ])
        .args([DATABASE, "-f", "-"])
        .input(query)
        .read()
    }

    fn redis(&self, words: &[&str]) -> Result<String> {
        self.compose(["exec", "-T", "redis", "redis-cli", "--raw"])
            .args(words)
            .read()
    }

    fn feed_redis(&self, commands: &[u8]) -> Result<()> {
        self.compose(["exec", "-T", "redis", "redis-cli", "--pipe"])
            .input(commands)
            .quiet()
    }

    fn product(&self, words: &[&str]) -> Result<Answer> {
        self.compose(["run", "--rm", "-T", "stack"])
            .args(words)
            .answer()
    }
}

mod http {
    //! The least that a request needs.

    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpStream};
    use std::time::Duration;

    use anyhow::{Context, Result};

    /// Whether the product says that it is well, at either of the places where its releases say so.
    pub(super) fn is_healthy(port: u16) -> bool {
        ["healthz", "healthz/live"].iter().any(|path| {
            request(port, "GET", path, "", "").is_ok_and(|(status, _)| (200..300).contains(&status))
        })
    }

    pub(super) fn request(
        port: u16,
        method: &str,
        path: &str,
        key: &str,
        body: &str,
    ) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            stream,
            "{method} /{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let status = text
            .split_whitespace()
            .nth(1)
            .and_then(|word| word.parse().ok())
            .context("no answer in HTTP")?;
        let body = text
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default();
        Ok((status, body))
    }
}
