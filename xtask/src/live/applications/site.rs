//! A product in a directory of its own, as its operator keeps it: releases, the one in use, an environment.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::environments::Releases;
use crate::live::lab::Lab;
use crate::live::subject::BACK;
use crate::paths;
use crate::tool::{Answer, Tool, tool};

/// A start takes seconds, on a machine that does three other things half a minute.
const PATIENCE: Duration = Duration::from_secs(90);

/// What ends when this is dropped: every process of the directory.
pub(super) struct Site {
    binary: PathBuf,
    dir: PathBuf,
    state: PathBuf,
    catalog: PathBuf,
    port: u16,
}

impl Site {
    /// Writes what an operator would have; nothing runs yet.
    pub(super) fn new(lab: &Lab, name: &str, releases: &Releases) -> Result<Self> {
        let site = Self {
            binary: lab.binary().to_owned(),
            dir: lab.place(name),
            state: lab.place(&format!("{name}.state")),
            catalog: paths::root().join("docs/examples"),
            port: lab.free_port()?,
        };
        fs::create_dir_all(site.dir.join("releases"))?;
        fs::create_dir_all(site.dir.join("data"))?;
        for (version, place) in releases {
            std::os::unix::fs::symlink(place, site.dir.join("releases").join(version))?;
        }
        let (first, _) = releases.first().context("a release to begin with")?;
        fs::write(site.dir.join("current"), format!("{first}\n"))?;
        Ok(site)
    }

    /// Takes definitions from a directory of its own, and not from the examples of the documentation.
    pub(super) fn with_own_catalog(mut self) -> Self {
        self.catalog = self.dir.join("definitions");
        self
    }

    pub(super) fn catalog(&self) -> &Path {
        &self.catalog
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The version that the directory says is in use.
    pub(super) fn version(&self) -> Result<String> {
        Ok(fs::read_to_string(self.dir.join("current"))?
            .trim()
            .to_owned())
    }

    /// A program of a release, with the environment that the product has.
    pub(super) fn program(&self, version: &str, name: &str) -> Result<Tool> {
        let program = self
            .dir
            .join("releases")
            .join(version)
            .join("bin")
            .join(name);
        let mut run = tool(program).dir(&self.dir);
        for line in fs::read_to_string(self.dir.join("environment"))?.lines() {
            if let Some((key, value)) = line.split_once('=') {
                run = run.env(key, value);
            }
        }
        Ok(run)
    }

    /// Starts a program of the first release as its operator would, before there was switchback.
    pub(super) fn start(&self, name: &str, words: &[&str]) -> Result<()> {
        let log = fs::File::create(self.dir.join("operator.log"))?;
        let started = self
            .program(&self.version()?, name)?
            .args(words)
            .into_command()
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        // It is found again, and ended, by what its command line names.
        drop(started);
        Ok(())
    }

    /// Waits until `GET path` answers with success.
    pub(super) fn healthy(&self, path: &str) -> Result<()> {
        let since = Instant::now();
        loop {
            match self.request("GET", path, "", "") {
                Ok((200, _)) => return Ok(()),
                _ if since.elapsed() > PATIENCE => {
                    let log = fs::read_to_string(self.dir.join("operator.log"));
                    bail!("{path} does not answer\n{}", log.unwrap_or_default());
                }
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    /// Sends a request and reads the JSON that answers it.
    pub(super) fn json(&self, method: &str, path: &str, token: &str, body: &str) -> Result<Value> {
        let (status, body) = self.request(method, path, token, body)?;
        ensure!(
            (200..300).contains(&status),
            "{method} {path} answers {status}: {body}"
        );
        serde_json::from_str(&body).with_context(|| format!("{path} answers no JSON: {body}"))
    }

    /// Status and body. HTTP/1.0: nothing is sent in chunks.
    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: &str,
    ) -> Result<(u16, String)> {
        let authorization = match token {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let status = text.split_whitespace().nth(1);
        let status = status.and_then(|word| word.parse().ok());
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok((status.context("no answer in HTTP")?, body.to_owned()))
    }

    /// The binary, as the operator types it.
    pub(super) fn expect(&self, words: &[&str], code: i32) -> Result<Answer> {
        let answer = tool(&self.binary)
            .dir(&self.dir)
            .env("SWITCHBACK_STATE", &self.state)
            .env("SWITCHBACK_CATALOG", &self.catalog)
            .env("NO_COLOR", "1")
            .args(words)
            .answer()?;
        if answer.status.code() != Some(code) {
            bail!(
                "`switchback {}` ended with {}, not {code}\n{}\n{}",
                words.join(" "),
                answer.status,
                answer.stdout,
                answer.stderr
            );
        }
        Ok(answer)
    }

    /// Plans and applies; what the plan said.
    pub(super) fn upgrade(&self, to: &str) -> Result<String> {
        let plan = self.expect(&["plan", "--to", to], 0)?.stdout;
        self.expect(&["apply", "--yes"], 0)?;
        ensure!(self.version()? == to, "{} is in use", self.version()?);
        Ok(plan)
    }

    /// Takes the upgrade back.
    pub(super) fn go_back(&self) -> Result<()> {
        self.expect(&BACK, 0).map(drop)
    }

    /// Removes everything after a case that passed.
    pub(super) fn remove(self) -> Result<()> {
        self.end();
        fs::remove_dir_all(&self.state)?;
        fs::remove_dir_all(&self.dir)?;
        Ok(())
    }

    /// Ends what names a file of the directory in its command line.
    pub(super) fn end_what_names(&self, file: &str) {
        end_all(|_, words| {
            words
                .split(|byte| *byte == 0)
                .any(|word| word == file.as_bytes())
        });
    }

    /// Ends what works in the directory, or names it in its command line.
    fn end(&self) {
        end_all(|process, words| {
            let named = words
                .split(|byte| *byte == 0)
                .any(|word| Path::new(&*String::from_utf8_lossy(word)).starts_with(&self.dir));
            let here = fs::read_link(process.join("cwd"))
                .is_ok_and(|directory| directory.starts_with(&self.dir));
            named || here
        });
    }
}

/// Ends every process of which this holds, given its directory below `/proc` and its command line.
fn end_all(wanted: impl Fn(&Path, &[u8]) -> bool) {
    let own = std::process::id().to_string();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        let Ok(words) = fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        if pid != own && !words.is_empty() && wanted(&entry.path(), &words) {
            // It may have ended by itself since.
            let _ = tool("kill").args(["-9", &pid]).answer();
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.end();
    }
}
