//! Debian packages, each with the question that tells whether it is needed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::tool::tool;

/// Something that a package can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    PostgreSql,
    Redis,
    /// A statically linked BusyBox: the shell inside images made from nothing.
    StaticShell,
    ContainerEngine,
    Python,
    /// What makes root file systems and signed repositories.
    RootFileSystems,
    /// Both ends of SSH. The server is for tests, which start it where they need it; nothing starts it for good.
    Ssh,
}

/// Where Debian's policy hook lives: a script that forbids packages to start their services.
const POLICY: &str = "/usr/sbin/policy-rc.d";

impl Need {
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::PostgreSql => &["postgresql", "tzdata"],
            Self::Redis => &["redis-server"],
            Self::StaticShell => &["busybox-static"],
            Self::ContainerEngine => &["docker.io", "iptables"],
            Self::Python => &["python3", "python3-pip", "python3-venv"],
            Self::RootFileSystems => &["debootstrap", "gpg", "gpg-agent"],
            Self::Ssh => &["openssh-client", "openssh-server"],
        }
    }

    fn is_met(self) -> bool {
        match self {
            Self::PostgreSql => {
                super::postgres::postgres_directory().is_ok()
                    && Path::new("/usr/share/zoneinfo").is_dir()
            }
            Self::Redis => on_path("redis-server") && on_path("redis-cli"),
            Self::StaticShell => static_busybox().is_some(),
            Self::ContainerEngine => on_path("dockerd") && on_path("docker"),
            Self::Python => tool("python3")
                .args(["-c", "import ensurepip, pip"])
                .succeeds(),
            Self::RootFileSystems => {
                on_path("debootstrap") && on_path("gpg") && on_path("gpg-agent")
            }
            Self::Ssh => on_path("ssh") && on_path("sshd"),
        }
    }
}

/// Installs what is missing; asks the package manager nothing when all is there.
pub(super) fn install(needs: &[Need]) -> Result<()> {
    let missing: Vec<&str> = needs
        .iter()
        .filter(|need| !need.is_met())
        .flat_map(|need| need.packages().iter().copied())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("installing {}", missing.join(", "));
    let _policy = NoServices::forbid()?;
    apt().arg("update").quiet()?;
    apt()
        .args(["install", "--yes", "--no-install-recommends"])
        .args(&missing)
        .quiet()
}

/// The BusyBox of this machine, if it is a static one.
pub(crate) fn static_busybox() -> Option<std::path::PathBuf> {
    let path = find("busybox")?;
    // `ldd` fails on a program without dynamic section.
    (!tool("ldd").arg(&path).succeeds()).then_some(path)
}

/// Finds a program on the search path.
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain([
            Path::new("/usr/sbin").to_owned(),
            Path::new("/sbin").to_owned(),
        ])
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
}

fn on_path(program: &str) -> bool {
    find(program).is_some()
}

fn apt() -> crate::tool::Tool {
    tool("apt-get").env("DEBIAN_FRONTEND", "noninteractive")
}

/// While this lives, packages do not start services: ports stay free for what the tests start.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn forbid() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n").context("cannot write the service policy")?;
        tool("chmod").args(["755", POLICY]).quiet()?;
        Ok(Self { ours: true })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            drop(fs::remove_file(POLICY));
        }
    }
}
