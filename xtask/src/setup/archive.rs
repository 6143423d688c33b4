//! What this machine's distribution serves today: versions of packages, and their files for another system.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::paths;
use crate::tool::{Tool, tool};

/// The repositories of this machine's own release, its updates and its security fixes; no other that somebody added.
pub(crate) struct Archive {
    place: PathBuf,
}

impl Archive {
    /// Reads them anew, into a place of our own: what the machine knows of them may be old, and stays as it is.
    pub(crate) fn read() -> Result<Self> {
        let archive = Self {
            place: paths::work()?.join("archive"),
        };
        let parts = archive.place.join("parts");
        if parts.exists() {
            fs::remove_dir_all(&parts)?;
        }
        fs::create_dir_all(&parts)?;
        fs::create_dir_all(archive.place.join("lists/partial"))?;
        for listed in lists()? {
            let name = listed.file_name().context("a list is a file")?;
            fs::copy(&listed, parts.join(name))?;
        }
        archive.apt("apt-get").arg("update").quiet()?;
        Ok(archive)
    }

    /// The versions of a package that are served, oldest first.
    pub(crate) fn versions(&self, package: &str) -> Result<Vec<String>> {
        let table = self.apt("apt-cache").args(["madison", package]).read()?;
        Ok(versions_in(&table))
    }

    /// Brings what an installation of `wanted` (`name=version` each) would download on a system whose dpkg keeps this
    /// record.
    pub(crate) fn download(&self, wanted: &[String], record: &str, into: &Path) -> Result<()> {
        fs::create_dir_all(into.join("partial"))?;
        let status = self.place.join("status");
        fs::write(&status, record)?;
        self.apt("apt-get")
            .args(["--option", "Debug::NoLocking=true"])
            .args(["--option", "APT::Sandbox::User=root"])
            .arg("--option")
            .arg(format!("Dir::State::status={}", status.display()))
            .arg("--option")
            .arg(format!("Dir::Cache::archives={}", into.display()))
            .args(["--yes", "--no-install-recommends", "--download-only"])
            .arg("install")
            .args(wanted)
            .quiet()?;
        Ok(fs::remove_dir(into.join("partial"))?)
    }

    fn apt(&self, program: &str) -> Tool {
        let place = self.place.display();
        tool(program)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["--option", "Dir::Etc::sourcelist=/dev/null"])
            .arg("--option")
            .arg(format!("Dir::Etc::sourceparts={place}/parts"))
            .arg("--option")
            .arg(format!("Dir::State::lists={place}/lists"))
            .args(["--option", "Dir::Cache::pkgcache="])
            .args(["--option", "Dir::Cache::srcpkgcache="])
    }
}

/// How this machine's release is called, e.g. `bookworm`.
pub(crate) fn codename() -> Result<String> {
    let about = fs::read_to_string("/etc/os-release").context("this is no Debian machine")?;
    let name = about
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("this machine's release has no name")?;
    Ok(name.trim_matches('"').to_owned())
}

/// The files that list the repositories of this machine's release.
fn lists() -> Result<Vec<PathBuf>> {
    let own = codename()?;
    let known = tool("apt-get")
        .args(["indextargets", "--format", "$(RELEASE) $(SOURCESENTRY)"])
        .arg("Created-By: Packages")
        .read()?;
    let found = lists_of(&own, &known);
    ensure!(!found.is_empty(), "apt knows no repository of {own}");
    Ok(found)
}

/// From lines of a release and where its repository is listed: those of `own`, `own-updates`, `own-security` and so on.
fn lists_of(own: &str, known: &str) -> Vec<PathBuf> {
    let ours = |release: &str| {
        let rest = release.strip_prefix(own);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let mut found: Vec<PathBuf> = known
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(release, _)| ours(release))
        .filter_map(|(_, place)| Some(PathBuf::from(place.rsplit_once(':')?.0)))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The versions in what `apt-cache madison` says, which is newest first; one that two repositories have is one.
fn versions_in(table: &str) -> Vec<String> {
    let binary = table.lines().filter(|line| line.ends_with(" Packages"));
    let mut found: Vec<String> = binary
        .filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned()))
        .collect();
    found.reverse();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{lists_of, versions_in};

    #[test]
    fn only_lists_of_the_own_release_count() {
        let known = "bookworm /etc/apt/sources.list.d/debian.sources:1\n\
                     bookworm-security /etc/apt/sources.list.d/debian.sources:2\n\
                     cloud-sdk-bookworm /etc/apt/sources.list.d/cloud.list:1\n\
                     nodistro /etc/apt/sources.list.d/node.sources:1\n";
        assert_eq!(
            lists_of("bookworm", known),
            [PathBuf::from("/etc/apt/sources.list.d/debian.sources")]
        );
        assert!(lists_of("trixie", known).is_empty());
    }

    #[test]
    fn versions_are_told_once_and_oldest_first() {
        let table = "redis-server | 5:7.0.15-1~deb12u10 | http://m/s bookworm-security/main amd64 Packages\n\
                     redis-server | 5:7.0.15-1~deb12u7 | http://m/d bookworm/main amd64 Packages\n\
                     redis-server | 5:7.0.15-1~deb12u7 | http://m/u bookworm-updates/main amd64 Packages\n\
                     redis | 5:7.0.15-1~deb12u6 | http://m/d bookworm/main Sources\n";
        assert_eq!(
            versions_in(table),
            ["5:7.0.15-1~deb12u7", "5:7.0.15-1~deb12u10"]
        );
        assert!(versions_in("").is_empty());
    }
}
