//! A root file system with apt, dpkg and systemd as its first process, made by debootstrap from the repository
//! that this machine's own packages come from.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use super::build::{build, inputs, is_current, pack};
use crate::paths;
use crate::setup::codename;
use crate::tool::{docker, tool};

/// A machine that others are made from.
struct Machine {
    /// How the image is called.
    name: &'static str,
    /// What it has beside what every Debian system has.
    with: &'static str,
}

const HOST: Machine = Machine {
    name: "switchback-xtask/host:1",
    with: "systemd,systemd-sysv,openssh-server,sudo,dpkg-repack",
};

/// One on which packages are kept by rpm and found by dnf, beside Debian's own.
const RPM_HOST: Machine = Machine {
    name: "switchback-xtask/host-rpm:1",
    with: "systemd,systemd-sysv,rpm,dnf,dnf-plugins-core,createrepo-c,gpg,gpg-agent",
};

/// Makes the image unless it is there.
fn host(machine: &Machine) -> Result<()> {
    let (suite, mirror) = debian()?;
    let made_from = inputs(
        &[&suite, &mirror, machine.with, include_str!("host.rs")],
        &[],
    )?;
    if is_current(machine.name, &made_from) {
        return Ok(());
    }
    let context = paths::work()?.join("host");
    if context.exists() {
        fs::remove_dir_all(&context)?;
    }
    let root = context.join("root");
    fs::create_dir_all(&context)?;
    tool("debootstrap")
        .arg("--variant=minbase")
        .arg(format!("--include={}", machine.with))
        .arg(&suite)
        .arg(&root)
        .arg(&mirror)
        .quiet()
        .context("cannot make a root file system")?;
    slim(&root)?;
    pack(&root, &context.join("root.tar"))?;
    fs::remove_dir_all(&root)?;
    fs::write(
        context.join("Dockerfile"),
        "FROM scratch\nADD root.tar /\nENV container=docker\nCMD [\"/sbin/init\"]\n",
    )?;
    build(machine.name, &made_from, &context)?;
    fs::remove_dir_all(&context)?;
    Ok(())
}

/// Makes an image on top of it, unless one of the same inputs is there; `prepare` fills the context.
pub(crate) fn on_host(
    name: &str,
    texts: &[&str],
    prepare: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    on(&HOST, name, texts, prepare)
}

/// The same, on top of the machine with rpm and dnf.
pub(crate) fn on_rpm_host(
    name: &str,
    texts: &[&str],
    prepare: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    on(&RPM_HOST, name, texts, prepare)
}

/// What dpkg keeps of the packages that [`on_host`] lays others on.
pub(crate) fn record_of_host() -> Result<String> {
    docker()
        .args(["run", "--rm", "--network", "none", HOST.name])
        .args(["cat", "/var/lib/dpkg/status"])
        .read()
}

/// One at a time: two cases may need an image at the same moment, and the directory is one.
static MAKING: Mutex<()> = Mutex::new(());

fn on(
    machine: &Machine,
    name: &str,
    texts: &[&str],
    prepare: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    host(machine)?;
    let made_from = inputs(&[machine.name, include_str!("host.rs")], &[])? + &inputs(texts, &[])?;
    if is_current(name, &made_from) {
        return Ok(());
    }
    let context = paths::work()?.join("on-host");
    if context.exists() {
        fs::remove_dir_all(&context)?;
    }
    fs::create_dir_all(&context)?;
    prepare(&context)?;
    build(name, &made_from, &context)?;
    fs::remove_dir_all(&context)?;
    Ok(())
}

/// Without downloads, documents and repositories: nothing in it shall ask the network.
fn slim(root: &Path) -> Result<()> {
    for path in [
        "var/cache/apt/archives",
        "var/lib/apt/lists",
        "usr/share/doc",
        "usr/share/locale",
        "usr/share/man",
    ] {
        let path = root.join(path);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path)?;
    }
    fs::create_dir_all(root.join("var/cache/apt/archives/partial"))?;
    // Only a case that comes that way lets anybody in.
    for unit in ["multi-user.target.wants/ssh.service", "sshd.service"] {
        let link = root.join("etc/systemd/system").join(unit);
        if link.is_symlink() {
            fs::remove_file(link)?;
        }
    }
    fs::write(root.join("etc/apt/sources.list"), "")?;
    Ok(())
}

/// This machine's release and where its packages come from.
fn debian() -> Result<(String, String)> {
    let suite = codename()?;
    let format = "$(RELEASE) $(COMPONENT) $(REPO_URI)";
    let known = tool("apt-get")
        .args(["indextargets", "--format", format, "Created-By: Packages"])
        .read()?;
    let begin = format!("{suite} main ");
    let mirror = known
        .lines()
        .find_map(|line| line.strip_prefix(begin.as_str()))
        .with_context(|| format!("apt knows no repository of {suite}"))?;
    Ok((suite, mirror.to_owned()))
}
