//! The product's images, with the stand-in inside.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::build::{build as build_image, inputs, is_current, pack};
use super::rootfs::RootFs;
use crate::paths;
use crate::tool::{cargo, tool};

/// Changes when the way an image is put together does.
const RECIPE: &str = "1";

/// Id of the real image's user.
const PRODUCT_USER: u32 = 886;

/// Which of the product's two editions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edition {
    OpenSource,
    Enterprise,
}

impl Edition {
    pub(crate) fn image(self, version: &str) -> String {
        match self {
            Self::OpenSource => format!("thethingsnetwork/lorawan-stack:{version}"),
            Self::Enterprise => format!("thethingsindustries/lorawan-stack:{version}"),
        }
    }

    pub(crate) fn binary(self) -> &'static str {
        match self {
            Self::OpenSource => "ttn-lw-stack",
            Self::Enterprise => "tti-lw-stack",
        }
    }
}

/// Makes images of releases; Enterprise comes with its Grafana.
pub(super) fn build(edition: Edition, versions: &[&str]) -> Result<()> {
    let program = stand_in()?;
    let stamp = inputs(&[RECIPE], &[&program])?;
    let missing: Vec<&str> = versions
        .iter()
        .copied()
        .filter(|version| {
            !is_current(&edition.image(version), &stamp) || !has_grafana(edition, version, &stamp)
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!(
        "making {} images of {} {}",
        missing.len(),
        edition.image(""),
        missing.join(" ")
    );
    let context = paths::work()?.join("images").join(edition.binary());
    fs::create_dir_all(&context)?;
    let mut root = RootFs::create(&context.join("root"))?;
    root.users("thethings", PRODUCT_USER, "/home/thethings")?;
    let binary = edition.binary();
    root.copy_to(&program, &format!("bin/{binary}"))?;
    root.mode(&format!("bin/{binary}"), 0o755)?;
    root.link(&format!("/bin/{binary}"), "bin/stack")?;
    root.directory("srv/ttn-lorawan/public/blob")?;
    root.mode("srv/ttn-lorawan/public/blob", 0o777)?;
    pack(root.path(), &context.join("root.tar"))?;
    fs::write(context.join(".dockerignore"), "root\n")?;
    for version in missing {
        fs::write(context.join("Dockerfile"), dockerfile(edition, version))?;
        build_image(&edition.image(version), &stamp, &context)?;
        if edition == Edition::Enterprise {
            fs::write(context.join("Dockerfile"), grafana_dockerfile())?;
            build_image(&grafana(version), &stamp, &context)?;
        }
    }
    fs::remove_dir_all(context.join("root"))?;
    fs::remove_file(context.join("root.tar"))?;
    Ok(())
}

/// Builds the stand-in, statically linked, away from the main build so that neither invalidates the other.
pub(crate) fn stand_in() -> Result<PathBuf> {
    let target = paths::target().join("standin");
    // Naming the target keeps the flags away from procedural macros, which cannot be linked statically.
    let triple = host_triple()?;
    cargo()
        .dir(&paths::root())
        .args(["build", "--quiet", "--package", "lorawan-stack"])
        .arg("--target-dir")
        .arg(&target)
        .args(["--target", &triple])
        .env(
            "RUSTFLAGS",
            "-C target-feature=+crt-static -C strip=symbols",
        )
        .quiet()
        .context("cannot build the stand-in")?;
    Ok(target.join(triple).join("debug/lorawan-stack"))
}

fn host_triple() -> Result<String> {
    let told = tool("rustc").arg("-vV").dir(&paths::root()).read()?;
    told.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("`rustc -vV` names no host")
}

fn grafana(version: &str) -> String {
    format!("ghcr.io/thethingsindustries/lorawan-stack-noc-grafana:{version}")
}

fn has_grafana(edition: Edition, version: &str, stamp: &str) -> bool {
    edition == Edition::OpenSource || is_current(&grafana(version), stamp)
}

/// Like the real one: user 886, a volume for blobs, the health check of its release, and no entrypoint: compose files give it.
fn dockerfile(edition: Edition, version: &str) -> String {
    let health = if is_before_3_24(version) {
        "healthz/live"
    } else {
        "healthz"
    };
    format!(
        "FROM scratch\nADD root.tar /\n\
         EXPOSE 1700/udp 1881 8881 1882 8882 1883 8883 1884 8884 1885 8885 1887 8887\n\
         VOLUME [\"/srv/ttn-lorawan/public/blob\"]\n\
         ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin STANDIN_VERSION={version} STANDIN_EDITION={edition:?} \
         TTN_LW_HEALTHCHECK_URL=http://localhost:1885/{health}\n\
         HEALTHCHECK --interval=1m --timeout=5s CMD wget -q -O /dev/null $TTN_LW_HEALTHCHECK_URL || exit 1\n\
         USER thethings:thethings\nCMD [\"/bin/sh\"]\n"
    )
}

fn grafana_dockerfile() -> String {
    "FROM scratch\nADD root.tar /\nEXPOSE 3000\nENV PATH=/usr/bin:/bin\nUSER thethings:thethings\nSTOPSIGNAL SIGKILL\n\
     ENTRYPOINT [\"sleep\", \"1000000\"]\n"
        .to_owned()
}

fn is_before_3_24(version: &str) -> bool {
    let mut parts = version
        .split(['.', '-'])
        .map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next(), parts.next()) < (Some(3), Some(24))
}
