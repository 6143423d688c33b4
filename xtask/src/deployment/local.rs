//! The same product as plain local processes, for machines on which no container engine can run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::detached::{detach, start, wait};
use super::postgres::PostgresServer;
use super::{CHECK_APPLICATION, DATABASE, Site, files, http, load};
use crate::images::stand_in;
use crate::setup::find;
use crate::tool::{Answer, Tool, tool};

const BINARY: &str = "ttn-lw-stack";

/// Ports of PostgreSQL, Redis and the product, out of the way of anything that runs by default.
const PORTS: [u16; 3] = [21_832, 21_879, 21_886];

/// PostgreSQL, Redis and the product in one directory.
pub(crate) struct LocalDeployment {
    dir: PathBuf,
}

impl LocalDeployment {
    /// Makes everything new: data directories, executables per release, configuration; loads rows; starts the product.
    pub(crate) fn install(dir: &Path, versions: &[&str], rows: u32) -> Result<Self> {
        let new = Self {
            dir: dir.to_owned(),
        };
        new.remove()?;
        if let Err(error) = new.make(versions, rows) {
            // What runs already would be in the way of the next one.
            new.remove()?;
            return Err(error);
        }
        Ok(new)
    }

    fn make(&self, versions: &[&str], rows: u32) -> Result<()> {
        let dir = self.dir.as_path();
        for folder in ["data/postgres", "data/redis", "blob/pictures"] {
            fs::create_dir_all(dir.join(folder))?;
        }
        files::pictures(&dir.join("blob/pictures"))?;
        self.releases(versions)?;
        let version = versions.first().context("a release to begin with")?;
        fs::write(dir.join("current"), format!("{version}\n"))?;
        fs::write(dir.join("stack.env"), self.environment(""))?;
        files::key(dir)?;
        fs::write(dir.join("switchback.toml"), self.configuration()?)?;
        self.start_datastores()?;
        load::schema(self, version)?;
        load::rows(self, rows)?;
        self.start_product(version)
    }

    /// Sets the product's environment anew, with further lines in it.
    pub(crate) fn set_environment(&self, further: &str) -> Result<()> {
        fs::write(self.dir.join("stack.env"), self.environment(further))?;
        Ok(())
    }

    /// The release in use.
    pub(crate) fn version(&self) -> Result<String> {
        Ok(fs::read_to_string(self.dir.join("current"))?
            .trim()
            .to_owned())
    }

    /// Whether the product answers.
    pub(crate) fn is_healthy(&self) -> bool {
        http::is_healthy(PORTS[2])
    }

    /// Whether a process of the product runs that carries out this command.
    pub(crate) fn runs(&self, command: &str) -> bool {
        self.processes()
            .iter()
            .any(|(_, words)| words.iter().any(|word| word == command))
    }

    /// Ends every process of this directory and removes it.
    pub(crate) fn remove(&self) -> Result<()> {
        for (pid, _) in self.processes() {
            tool("kill").args(["-9", &pid.to_string()]).answer()?;
        }
        std::thread::sleep(Duration::from_millis(300));
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir)
                .with_context(|| format!("cannot remove {}", self.dir.display()))?;
        }
        Ok(())
    }

    /// Executables that differ: what a release is, is told by its file's bytes.
    fn releases(&self, versions: &[&str]) -> Result<()> {
        let mut bytes = fs::read(stand_in()?)?;
        let length = bytes.len();
        for version in versions {
            let place = self.dir.join("releases").join(version);
            fs::create_dir_all(&place)?;
            bytes.truncate(length);
            bytes.extend_from_slice(version.as_bytes());
            fs::write(place.join(BINARY), &bytes)?;
            fs::set_permissions(place.join(BINARY), fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }

    fn environment(&self, further: &str) -> String {
        let [postgres, redis, http] = PORTS;
        format!(
            "TTN_LW_BLOB_LOCAL_DIRECTORY={}\nTTN_LW_REDIS_ADDRESS=127.0.0.1:{redis}\n\
             TTN_LW_IS_DATABASE_URI=postgres://root:root@127.0.0.1:{postgres}/{DATABASE}?sslmode=disable\n\
             TTN_LW_HTTP_LISTEN=127.0.0.1:{http}\n{further}",
            self.dir.join("blob").display()
        )
    }

    fn configuration(&self) -> Result<String> {
        let [postgres, redis, http] = PORTS;
        let quoted = |words: Vec<String>| {
            words
                .iter()
                .map(|word| format!("{word:?}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        Ok(format!(
            "product = \"the-things-stack\"\nedition = \"open-source\"\n\n\
             [exec]\nreleases = \"releases\"\ncurrent = \"current\"\nenvironment = \"stack.env\"\nbinary = \"{BINARY}\"\n\n\
             [exec.services]\nstack = [\"start\"]\n\n\
             [datastores.identity]\naddress = \"127.0.0.1:{postgres}\"\ndatabase = \"{DATABASE}\"\nuser = \"root\"\n\
             directory = \"{dir}/data/postgres\"\nstart = [{}]\n\n\
             [datastores.redis]\naddress = \"127.0.0.1:{redis}\"\ndirectory = \"{dir}/data/redis\"\nstart = [{}]\n\n\
             [datastores.blobs]\ndirectory = \"{dir}/blob\"\n\n\
             [verify]\nurl = \"http://127.0.0.1:{http}\"\napi-key = {{ file = \"api-key\" }}\napplication = \"{CHECK_APPLICATION}\"\n",
            quoted(self.postgres()?.words()),
            quoted(self.redis_words()?),
            dir = self.dir.display(),
        ))
    }

    fn postgres(&self) -> Result<PostgresServer> {
        PostgresServer::at(self.dir.join("data/postgres"), PORTS[0])
    }

    fn redis_words(&self) -> Result<Vec<String>> {
        let program = find("redis-server").context("no `redis-server` is installed")?;
        let words = [
            "--port",
            "",
            "--bind",
            "127.0.0.1",
            "--appendonly",
            "yes",
            "--dir",
            "",
        ];
        let mut words: Vec<String> = words.map(str::to_owned).into();
        words[1] = PORTS[1].to_string();
        words[7] = self.dir.join("data/redis").to_string_lossy().into_owned();
        words.insert(0, program.to_string_lossy().into_owned());
        Ok(words)
    }

    fn start_datastores(&self) -> Result<()> {
        tool("chown")
            .args(["-R", "redis:redis"])
            .arg(self.dir.join("data/redis"))
            .quiet()?;
        detach("redis", &self.redis_words()?, &self.dir.join("redis.log"))?;
        self.postgres()?
            .install(DATABASE, &self.dir.join("postgres.log"))?;
        wait("Redis", || self.redis(&["PING"]).is_ok())
    }

    fn start_product(&self, version: &str) -> Result<()> {
        let program = self.program(version);
        let run = tool("setsid").arg("--fork").arg(program).arg("start");
        start(self.configured(run)?, &self.dir.join("stack.log"))?;
        wait("the product", || self.runs("start"))
    }

    fn configured(&self, mut run: Tool) -> Result<Tool> {
        for line in fs::read_to_string(self.dir.join("stack.env"))?.lines() {
            if let Some((key, value)) = line.split_once('=') {
                run = run.env(key, value);
            }
        }
        Ok(run)
    }

    fn program(&self, version: &str) -> PathBuf {
        self.dir.join("releases").join(version).join(BINARY)
    }

    /// Processes whose words name this directory, or whose program lies in it. Redis writes its own words,
    /// which name none, and works in its data directory.
    fn processes(&self) -> Vec<(u32, Vec<String>)> {
        let place = self.dir.to_string_lossy().into_owned();
        let own = std::process::id();
        fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
                let words = fs::read(entry.path().join("cmdline")).ok()?;
                let words: Vec<String> = words
                    .split(|byte| *byte == 0)
                    .map(|word| String::from_utf8_lossy(word).into_owned())
                    .collect();
                let named = words.iter().any(|word| word.starts_with(&place));
                let redis = words
                    .first()
                    .is_some_and(|word| word.contains("redis-server"));
                let works_in = || fs::read_link(entry.path().join("cwd"));
                let here = redis && works_in().is_ok_and(|cwd| cwd.starts_with(&self.dir));
                (pid != own && (named || here)).then_some((pid, words))
            })
            .collect()
    }
}

impl Site for LocalDeployment {
    fn dir(&self) -> &Path {
        &self.dir
    }

    fn sql(&self, query: &str) -> Result<String> {
        self.postgres()?.ask(DATABASE, query)
    }

    fn redis(&self, words: &[&str]) -> Result<String> {
        tool("redis-cli")
            .args(["--raw", "-p"])
            .arg(PORTS[1].to_string())
            .args(words)
            .read()
    }

    fn feed_redis(&self, commands: &[u8]) -> Result<()> {
        tool("redis-cli")
            .args(["--pipe", "-p"])
            .arg(PORTS[1].to_string())
            .input(commands)
            .quiet()
    }

    fn product(&self, words: &[&str]) -> Result<Answer> {
        self.configured(tool(self.program(&self.version()?)).args(words))?
            .answer()
    }
}
