//! Where the demo plays: in containers, or, where none can run, among plain processes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{FROM, ROWS, TO};
use crate::deployment::{Contents, Deployment, LocalDeployment, Site, verify_section};
use crate::images::Edition;
use crate::tool::docker;

/// The stop between the two releases.
const STOP: &str = "3.24.2";

/// The deployment that is shown.
pub(super) enum Scene {
    Containers(Deployment),
    Processes(LocalDeployment),
}

impl Scene {
    /// Docker Compose, with the files that the documentation has people write.
    pub(super) fn containers(dir: &Path) -> Result<Self> {
        if let Ok(left) = Deployment::open(dir) {
            left.remove()?;
        }
        let deployment = Deployment::write(dir, 21_885, Edition::OpenSource, FROM)?;
        deployment.install(FROM, ROWS)?;
        Ok(Self::Containers(deployment))
    }

    /// Local processes, with a configuration written by hand: there is no compose file to look at.
    pub(super) fn processes(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let dir = fs::canonicalize(dir)?;
        LocalDeployment::install(&dir, &[FROM, STOP, TO], ROWS).map(Self::Processes)
    }

    pub(super) fn dir(&self) -> PathBuf {
        match self {
            Self::Containers(deployment) => deployment.dir().to_owned(),
            Self::Processes(deployment) => deployment.dir().to_owned(),
        }
    }

    pub(super) fn contents(&self) -> Result<Contents> {
        match self {
            Self::Containers(deployment) => Contents::read(deployment),
            Self::Processes(deployment) => Contents::read(deployment),
        }
    }

    pub(super) fn contents_like(&self, before: &Contents) -> Result<Contents> {
        match self {
            Self::Containers(deployment) => Contents::read_like(deployment, before),
            Self::Processes(deployment) => Contents::read_like(deployment, before),
        }
    }

    pub(super) fn version(&self) -> Result<String> {
        match self {
            Self::Containers(deployment) => deployment.version(),
            Self::Processes(deployment) => deployment.version(),
        }
    }

    /// Lets the operator add the key for the write path; what was added.
    pub(super) fn add_key(&self) -> Result<Option<String>> {
        let Self::Containers(deployment) = self else {
            return Ok(None);
        };
        let file = deployment.dir().join("switchback.toml");
        let text = fs::read_to_string(&file)?;
        fs::write(&file, text + &verify_section())?;
        Ok(Some(verify_section().trim().to_owned()))
    }

    /// Makes one migration fail half way, and all of them slow.
    pub(super) fn break_migration(&self, name: &str) -> Result<()> {
        match self {
            Self::Containers(deployment) => {
                deployment.set_environment("STANDIN_FAIL_MIGRATION", name)?;
                deployment.set_environment("STANDIN_SLOW_MS", "700")?;
                deployment.start()
            }
            Self::Processes(deployment) => deployment.set_environment(&format!(
                "STANDIN_FAIL_MIGRATION={name}\nSTANDIN_SLOW_MS=700\n"
            )),
        }
    }

    /// Whether the product answers a request from outside.
    pub(super) fn answers(&self) -> bool {
        match self {
            Self::Containers(deployment) => deployment.is_healthy(),
            Self::Processes(deployment) => deployment.is_healthy(),
        }
    }

    /// Whether the product's own migration runs at this moment.
    pub(super) fn migrates(&self) -> Result<bool> {
        match self {
            Self::Containers(_) => {
                let running = docker()
                    .args([
                        "ps",
                        "--quiet",
                        "--filter",
                        "label=switchback.migration=is-db",
                    ])
                    .read()?;
                Ok(!running.trim().is_empty())
            }
            Self::Processes(deployment) => Ok(deployment.runs("is-db")),
        }
    }

    pub(super) fn remove(&self) -> Result<()> {
        match self {
            Self::Containers(deployment) => deployment.remove(),
            Self::Processes(deployment) => deployment.remove(),
        }
    }
}
