//! Deployments with data that do not compress to nothing: one is installed, the others are copies of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use super::{FROM, emptied, place};
use crate::deployment::{Deployment, Site};
use crate::images::Edition;
use crate::tool::{Tool, tool};

/// End devices, with some ten keys each in Redis.
pub(super) const DEVICES: u32 = 20_000;
/// Rows of the largest table that make a gigabyte of PostgreSQL, indexes included.
const ROWS_PER_GIGABYTE: u32 = 2_000_000;
/// Rows inserted by one statement.
const AT_ONCE: u32 = 500_000;
/// Uplinks of [`UPLINK`] bytes that make a gigabyte of Redis's memory.
const UPLINKS_PER_GIGABYTE: u32 = 1_400_000;
/// Uplinks sent to Redis at once.
const UPLINKS_AT_ONCE: u32 = 100_000;
/// Bytes of an uplink that is kept for its application.
const UPLINK: usize = 512;
const PORT: u16 = 21_880;
/// How long Redis may read what it keeps.
const LOADING: Duration = Duration::from_secs(120);

/// A deployment and an operator's state directory.
pub(super) struct Subject {
    pub(super) deployment: Deployment,
    pub(super) state: PathBuf,
    dir: PathBuf,
    program: PathBuf,
}

impl Subject {
    /// Installs one and stops it.
    pub(super) fn template(program: &Path, gigabytes: u32, redis: u32) -> Result<Self> {
        eprintln!("installing a deployment with {gigabytes} GB, and {redis} GB of Redis");
        let subject = Self::at("swbsh-template", program, |dir| {
            Deployment::write(dir, PORT, Edition::OpenSource, FROM)
        })?;
        subject.deployment.install(FROM, DEVICES)?;
        // The Network Server's keys as that release has them: the next one's migration expects it.
        let answer = subject.deployment.product(&["ns-db", "migrate"])?;
        ensure!(answer.status.success(), "ns-db migrate: {}", answer.stderr);
        // So much is written at once that every page would go into the log anew with every checkpoint.
        let log = |command: &str| {
            let reloaded = format!("ALTER SYSTEM {command}; SELECT pg_reload_conf();");
            subject.deployment.sql(&reloaded)
        };
        log("SET max_wal_size = '4GB'")?;
        let rows = gigabytes * ROWS_PER_GIGABYTE;
        let parts: Vec<u32> = (1..=rows).step_by(AT_ONCE as usize).collect();
        for pair in parts.chunks(2) {
            subject.fill_at_once(pair)?;
        }
        log("RESET max_wal_size")?;
        subject.deployment.sql("VACUUM ANALYZE; CHECKPOINT;")?;
        for part in 0..redis * UPLINKS_PER_GIGABYTE / UPLINKS_AT_ONCE {
            subject
                .deployment
                .feed_redis(&uplinks(part * UPLINKS_AT_ONCE))?;
        }
        subject.deployment.stop()?;
        Ok(subject)
    }

    /// Each part of the rows on a core of its own.
    fn fill_at_once(&self, parts: &[u32]) -> Result<()> {
        thread::scope(|scope| {
            let fill = |from: u32| move || self.deployment.sql(&filler(from, from + AT_ONCE - 1));
            let filling: Vec<_> = parts.iter().map(|from| scope.spawn(fill(*from))).collect();
            filling.into_iter().try_for_each(|part| {
                let filled = part.join().map_err(|_| anyhow!("nobody filled"))?;
                filled.map(|_| ())
            })
        })
    }

    fn at(
        name: &str,
        program: &Path,
        make: impl FnOnce(&Path) -> Result<Deployment>,
    ) -> Result<Self> {
        let (dir, state) = (place()?.join(name), place()?.join(format!("{name}.state")));
        if dir.join("docker-compose.yml").exists() {
            Deployment::open(&dir)?.remove()?;
        }
        emptied(&state)?;
        Ok(Self {
            deployment: make(&dir)?,
            state,
            dir,
            program: program.to_owned(),
        })
    }

    /// Lets `measure` have a running copy, and removes it.
    pub(super) fn with<T>(
        &self,
        name: &str,
        measure: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<T> {
        let copy = Self::at(&format!("swbsh-{name}"), &self.program, |dir| {
            self.deployment.copy(dir, PORT, FROM)
        })?;
        let measured = copy.start().and_then(|()| measure(&copy));
        if measured.is_err() {
            let left = copy
                .deployment
                .compose(["logs", "--no-color", "--tail", "20"])
                .answer()?;
            eprintln!("{}", left.stdout);
        }
        copy.remove()?;
        measured
    }

    /// Starts it, reads the large table once, so that nobody is the first, and waits until Redis has read all that
    /// it keeps.
    pub(super) fn start(&self) -> Result<()> {
        self.deployment.start()?;
        self.deployment
            .sql("SELECT sum(length(value)) FROM attributes")?;
        let asked = || {
            let ping = ["exec", "-T", "redis", "redis-cli", "ping"];
            self.deployment.compose(ping).answer()
        };
        let since = Instant::now();
        while !asked()?.stdout.starts_with("PONG") {
            ensure!(since.elapsed() < LOADING, "Redis loads for ever");
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn remove(&self) -> Result<()> {
        self.deployment.remove()?;
        fs::remove_dir_all(&self.state)?;
        Ok(())
    }

    /// Writes the configuration, with one method for every datastore.
    pub(super) fn choose(&self, method: &str) -> Result<()> {
        self.switchback(&["init"]).quiet()?;
        let file = self.dir.join("switchback.toml");
        let mut text = fs::read_to_string(&file)? + &crate::deployment::verify_section();
        let plan = self.plan(super::TO)?;
        let names = plan["datastores"]
            .as_object()
            .context("a plan with datastores")?;
        for (name, datastore) in names {
            if datastore
                .get("kept_with")
                .is_some_and(|with| !with.is_null())
            {
                continue;
            }
            let head = format!("[datastores.{name}]");
            let line = format!("{head}\nbackup = \"{method}\"");
            text = if text.lines().any(|line| line == head) {
                text.replacen(&head, &line, 1)
            } else {
                format!("{text}\n{line}\n")
            };
        }
        fs::write(file, text)?;
        Ok(())
    }

    /// Plans, and reads the plan.
    pub(super) fn plan(&self, to: &str) -> Result<Value> {
        self.switchback(&["plan", "--to", to]).quiet()?;
        let plans = fs::read_dir(self.state.join("plans"))?;
        let newest = plans
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|kind| kind == "json"))
            .max_by_key(|entry| entry.metadata().and_then(|found| found.modified()).ok())
            .context("no plan was written")?;
        Ok(serde_json::from_slice(&fs::read(newest.path())?)?)
    }

    /// A plan by its id.
    pub(super) fn saved(&self, id: &str) -> Result<Value> {
        let path = self.state.join("plans").join(format!("{id}.json"));
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    pub(super) fn switchback(&self, words: &[&str]) -> Tool {
        tool(&self.program)
            .dir(&self.dir)
            .env("SWITCHBACK_STATE", &self.state)
            .args(words)
    }
}

/// Attributes of devices, as integrations write them: tokens and addresses. Those of a device come together.
fn filler(from: u32, to: u32) -> String {
    format!(
        "INSERT INTO attributes (entity_id, entity_type, key, value)
  SELECT md5((n % {DEVICES})::text)::uuid, 'end_device', 'token-' || n,
    (SELECT string_agg(encode(sha256((n || '/' || part)::bytea), 'base64'), '') FROM generate_series(1, 7) part)
  FROM (SELECT n FROM generate_series({from}, {to}) n ORDER BY md5((n % {DEVICES})::text)) devices;"
    )
}

/// Uplinks of devices, as an application server keeps the last ones: lists of payloads, in the protocol's own form.
fn uplinks(from: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(UPLINKS_AT_ONCE as usize * (UPLINK + 80));
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(from);
    for number in from..from + UPLINKS_AT_ONCE {
        let key = format!("ttn:v3:as:devices:uid:dev-{}:uplinks", number % DEVICES);
        out.extend(
            format!(
                "*3\r\n$5\r\nRPUSH\r\n${}\r\n{key}\r\n${UPLINK}\r\n",
                key.len()
            )
            .bytes(),
        );
        for _ in 0..UPLINK / 8 {
            // Xorshift: nothing that compresses.
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            out.extend(noise.to_le_bytes());
        }
        out.extend(*b"\r\n");
    }
    out
}
