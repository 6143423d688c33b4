//! What the cases share: the binary, installed deployments to copy, ports, counters.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use anyhow::{Context, Result};

use crate::deployment::Deployment;
use crate::images::Edition;
use crate::paths;
use crate::tool::cargo;

/// End devices in a deployment: enough for tables of several pages, few enough for a second's work.
const ROWS: u32 = 300;

/// Below the range that the kernel gives to clients.
const FIRST_PORT: u16 = 21_900;

/// Shared by all cases.
pub(crate) struct Lab {
    dir: PathBuf,
    binary: PathBuf,
    port: AtomicU16,
    kills: AtomicUsize,
    killed_runs: AtomicUsize,
}

impl Lab {
    /// Builds the binary and installs one deployment per edition.
    pub(super) fn open() -> Result<Self> {
        cargo()
            .dir(&paths::root())
            .args(["build", "--quiet", "--package", "switchback"])
            .run()?;
        let lab = Self::inside()?;
        if lab.dir.exists() {
            lab.close()?;
        }
        fs::create_dir_all(&lab.dir)?;
        for edition in [Edition::OpenSource, Edition::Enterprise] {
            let template = Deployment::write(
                &lab.template_dir(edition),
                lab.free_port()?,
                edition,
                TEMPLATE_VERSION,
            )?;
            template
                .install(TEMPLATE_VERSION, ROWS)
                .context("cannot install a deployment")?;
            template.stop()?;
        }
        Ok(lab)
    }

    /// The laboratory that another process opened.
    pub(super) fn inside() -> Result<Self> {
        Ok(Self {
            binary: paths::target().join("debug/switchback"),
            dir: paths::work()?.join("live"),
            port: AtomicU16::new(FIRST_PORT),
            kills: AtomicUsize::new(0),
            killed_runs: AtomicUsize::new(0),
        })
    }

    /// Removes every deployment that is left, with its containers.
    pub(super) fn close(&self) -> Result<()> {
        for entry in fs::read_dir(&self.dir)?.flatten() {
            if entry.path().join("docker-compose.yml").is_file() {
                Deployment::open(&entry.path())?.remove()?;
            }
        }
        fs::remove_dir_all(&self.dir)
            .with_context(|| format!("cannot remove {}", self.dir.display()))
    }

    /// A fresh, running deployment in a directory of its own.
    pub(super) fn deployment(&self, name: &str, edition: Edition) -> Result<Deployment> {
        let template = Deployment::open(&self.template_dir(edition))?;
        let copy = template.copy(&self.place(name), self.free_port()?, TEMPLATE_VERSION)?;
        copy.remove_copies()?;
        copy.start()?;
        Ok(copy)
    }

    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.dir.join(format!("swb-{name}"))
    }

    pub(super) fn binary(&self) -> &Path {
        &self.binary
    }

    pub(super) fn count_kill(&self) {
        self.kills.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_killed_run(&self) {
        self.killed_runs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn kills(&self) -> usize {
        self.kills.load(Ordering::Relaxed)
    }

    pub(super) fn killed_runs(&self) -> usize {
        self.killed_runs.load(Ordering::Relaxed)
    }

    fn template_dir(&self, edition: Edition) -> PathBuf {
        self.place(match edition {
            Edition::OpenSource => "template-open-source",
            Edition::Enterprise => "template-enterprise",
        })
    }

    pub(super) fn free_port(&self) -> Result<u16> {
        loop {
            let port = self.port.fetch_add(1, Ordering::Relaxed);
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(port);
            }
            anyhow::ensure!(port < FIRST_PORT + 2_000, "no port is free");
        }
    }
}

/// The release that deployments start from.
pub(super) const TEMPLATE_VERSION: &str = "3.23.2";
