//! A root file system with apt, dpkg and systemd as its first process, made by debootstrap from the repository
//! that this machine's own packages come from.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::build::{build, inputs, is_current, pack};
use crate::paths;
use crate::tool::tool;

/// How the image is called.
const HOST: &str = "switchback-xtask/host:1";

/// What it has beside what every Debian system has.
const WITH: &str = "systemd,systemd-sysv";

/// Makes the image unless it is there.
fn host() -> Result<()> {
    let (suite, mirror) = debian()?;
    let made_from = inputs(&[&suite, &mirror, WITH, include_str!("host.rs")], &[])?;
    if is_current(HOST, &made_from) {
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
        .arg(format!("--include={WITH}"))
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
    build(HOST, &made_from, &context)?;
    fs::remove_dir_all(&context)?;
    Ok(())
}

/// Makes an image on top of it, unless one of the same inputs is there; `prepare` fills the context.
pub(crate) fn on_host(
    name: &str,
    texts: &[&str],
    prepare: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    host()?;
    let made_from = inputs(&[HOST, include_str!("host.rs")], &[])? + &inputs(texts, &[])?;
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
    fs::write(root.join("etc/apt/sources.list"), "")?;
    Ok(())
}

/// This machine's release and where its packages come from.
fn debian() -> Result<(String, String)> {
    let about = fs::read_to_string("/etc/os-release").context("this is no Debian machine")?;
    let suite = about
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("this machine's release has no name")?
        .trim_matches('"')
        .to_owned();
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
