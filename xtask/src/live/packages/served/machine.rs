//! The machine: redis-server in the oldest version that Debian serves, the newest one in its repository.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};

use super::super::host::Host;
use super::super::repository;
use crate::images;
use crate::live::lab::Lab;
use crate::setup::Archive;
use crate::tool::tool;

const IMAGE: &str = "switchback-xtask/redis-served:1";
/// The product's packages, the one that tells its version first.
const PACKAGES: [&str; 2] = ["redis-server", "redis-tools"];
const DEFINITION: &str = include_str!("product.toml");
const SLOW: &str = include_str!("slow.sh");
/// An operator's own addition to the service, beside which switchback has one for the time of a run.
const CONTAINER: &str = include_str!("container.conf");
const FILL: &str = include_str!("fill.lua");
const SUM: &str = include_str!("sum.lua");

/// Nothing is started while the image is made; from then on the package does as it likes.
const DOCKERFILE: &str = "\
FROM switchback-xtask/host:1
COPY repository /srv/repository
COPY catalog /srv/catalog
COPY present.gpg /etc/apt/keyrings/served.gpg
COPY fill.lua sum.lua versions /srv/redis/
COPY container.conf /etc/systemd/system/redis-server.service.d/
RUN mkdir -p /srv/flow && printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d \
 && echo 'deb [signed-by=/etc/apt/keyrings/served.gpg] file:/srv/repository ./' > /etc/apt/sources.list.d/served.list \
 && apt-get update && apt-get install --yes --no-install-recommends @OLD@ && rm /usr/sbin/policy-rc.d \
 && dpkg-divert --local --rename --add /usr/bin/deb-systemd-invoke
COPY deb-systemd-invoke /usr/bin/
ENV SWITCHBACK_STATE=/srv/state NO_COLOR=1
";

/// The oldest and the newest version of what is served.
pub(super) struct Versions {
    pub(super) old: String,
    pub(super) new: String,
}

/// One image for all that begin at the same time.
static MAKING: Mutex<()> = Mutex::new(());

/// Boots it, with data in it. Inside, the reason why there are no two versions.
pub(super) fn boot(lab: &Lab, name: &str) -> Result<Result<(Host, Versions), String>> {
    if let Err(why) = image()? {
        return Ok(Err(why));
    }
    let host = Host::up(lab, name, IMAGE, &[])?;
    let told = host.ok("cat /srv/redis/versions")?;
    let (old, new) = told.split_once('\n').context("two versions")?;
    host.until("redis answers", |host| {
        Ok(host.ok("redis-cli ping || true")? == "PONG")
    })?;
    let filled = host.ok("redis-cli eval \"$(cat /srv/redis/fill.lua)\" 0")?;
    ensure!(filled == "filled", "nothing was kept: {filled}");
    let versions = Versions {
        old: old.to_owned(),
        new: new.to_owned(),
    };
    Ok(Ok((host, versions)))
}

/// Everything that it holds.
pub(super) fn sum(host: &Host) -> Result<String> {
    host.ok("redis-cli eval \"$(cat /srv/redis/sum.lua)\" 0")
}

/// Makes the image unless one is there, of whatever was served then. Inside, why none can be made.
fn image() -> Result<Result<(), String>> {
    let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let inputs = [
        DOCKERFILE,
        DEFINITION,
        SLOW,
        CONTAINER,
        FILL,
        SUM,
        include_str!("machine.rs"),
        repository::INPUT,
    ];
    let mut alone = None;
    let made = images::on_host(IMAGE, &inputs, |context| {
        let archive = Archive::read()?;
        let served = archive.versions(PACKAGES[0])?;
        let [old, .., new] = served.as_slice() else {
            alone = Some(format!(
                "Debian serves {} in one version only: {}",
                PACKAGES[0],
                served.join(", ")
            ));
            bail!("one version is no upgrade");
        };
        fill(context, &archive, old, new)
    });
    match alone {
        Some(why) => Ok(Err(why)),
        None => made.map(Ok),
    }
}

fn fill(context: &Path, archive: &Archive, old: &str, new: &str) -> Result<()> {
    let named = |version: &str| PACKAGES.map(|name| format!("{name}={version}"));
    let record = images::record_of_host()?;
    let repository = context.join("repository");
    for version in [old, new] {
        archive.download(&named(version), &record, &repository)?;
    }
    for file in fs::read_dir(&repository)?.flatten() {
        // apt writes the epoch into a file's name, repositories do not.
        let name = file.file_name().to_string_lossy().into_owned();
        if let Some((package, rest)) = name.split_once('_')
            && let Some((_, rest)) = rest.split_once("%3a")
        {
            fs::rename(file.path(), repository.join(format!("{package}_{rest}")))?;
        }
    }
    repository::publish(context)?;
    let filled = |text: &str, old: &str| text.replace("@OLD@", old).replace("@NEW@", new);
    let definition = context.join("catalog/redis");
    fs::create_dir_all(&definition)?;
    fs::write(definition.join("product.toml"), filled(DEFINITION, old))?;
    let file = filled(DOCKERFILE, &named(old).join(" "));
    fs::write(context.join("Dockerfile"), file)?;
    for (name, text) in [
        ("container.conf", CONTAINER),
        ("fill.lua", FILL),
        ("sum.lua", SUM),
    ] {
        fs::write(context.join(name), text)?;
    }
    fs::write(context.join("versions"), format!("{old}\n{new}\n"))?;
    let slow = context.join("deb-systemd-invoke");
    fs::write(&slow, SLOW)?;
    tool("chmod").arg("755").arg(&slow).quiet()
}
