//! Programs from Debian's next release, where the machine's own has none or one that is too old.
//!
//! A package is unpacked, not installed: the machine's own package sources stay as they are. That serves for programs that
//! are one file and need nothing but the C library, and for those that come with every library they need.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::archive::codename;
use crate::paths;
use crate::tool::tool;

/// The release whose packages are taken.
const DONOR: &str = "trixie";

/// Downloads a package and unpacks it; tells where. A private package configuration is made from the machine's own sources.
pub(super) fn unpack(package: &str) -> Result<PathBuf> {
    unpack_all(package, &[package])
}

/// Where downloads of this name are kept.
pub(super) fn place(name: &str) -> Result<PathBuf> {
    Ok(paths::work()?.join(name))
}

/// As [`unpack`], several packages into one tree.
pub(super) fn unpack_all(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let work = place(name)?;
    let lists = paths::work()?.join("donor-lists");
    if work.exists() {
        fs::remove_dir_all(&work).context("cannot remove an earlier download")?;
    }
    fs::create_dir_all(&work)?;
    fs::create_dir_all(lists.join("partial"))?;
    // Not among the lists: there, an update removes what it does not know.
    let list = paths::work()?.join("donor.sources");
    fs::write(&list, sources()?)?;
    let apt = || {
        tool("apt-get").dir(&work).args([
            "-o".to_owned(),
            format!("Dir::Etc::sourcelist={}", list.display()),
            "-o".to_owned(),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            "-o".to_owned(),
            format!("Dir::State::lists={}", lists.display()),
        ])
    };
    apt().arg("update").quiet()?;
    apt().arg("download").args(packages).quiet()?;
    let unpacked = work.join("unpacked");
    let mut found = 0;
    for archive in fs::read_dir(&work)?.flatten().map(|entry| entry.path()) {
        if archive.extension().is_some_and(|ext| ext == "deb") {
            tool("dpkg")
                .arg("-x")
                .arg(&archive)
                .arg(&unpacked)
                .quiet()?;
            fs::remove_file(&archive)?;
            found += 1;
        }
    }
    if found < packages.len() {
        bail!("the download left {found} of {} packages", packages.len());
    }
    Ok(unpacked)
}

/// The one file in `dir` that a download left.
pub(super) fn find(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
    fs::read_dir(dir)?
        .flatten()
        .find(|entry| entry.file_name().to_str().is_some_and(&wanted))
        .map(|entry| entry.path())
        .context("the download left no file")
}

/// The machine's own main archive, with the donor's name in place of its release's.
fn sources() -> Result<String> {
    let own = codename()?;
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
                    .filter_map(|stanza| taken_over(stanza, &own)),
            );
        } else {
            stanzas.extend(text.lines().filter_map(|line| line_as_stanza(line, &own)));
        }
    }
    if stanzas.is_empty() {
        bail!("no package source of `{own}` is configured");
    }
    Ok(stanzas.join("\n\n"))
}

/// A deb822 stanza of the main archive, for the donor; nothing for other archives.
fn taken_over(stanza: &str, own: &str) -> Option<String> {
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
fn line_as_stanza(line: &str, own: &str) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::{line_as_stanza, taken_over};

    #[test]
    fn only_the_main_archive_is_taken_over() {
        let stanza = "Types: deb\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\nComponents: main";
        let donor = taken_over(stanza, "bookworm").expect("the main archive");
        assert!(donor.contains("Suites: trixie\n"), "{donor}");
        assert!(!donor.contains("bookworm"), "{donor}");
        assert_eq!(
            taken_over("Suites: bookworm-security\nURIs: x", "bookworm"),
            None
        );
    }

    #[test]
    fn old_lines_become_stanzas() {
        assert_eq!(
            line_as_stanza("deb [arch=amd64 signed-by=/k.gpg] http://m/debian bookworm main contrib", "bookworm"),
            Some("Types: deb\nURIs: http://m/debian\nSuites: trixie\nComponents: main contrib\nSigned-By: /k.gpg".to_owned())
        );
        assert_eq!(
            line_as_stanza("deb http://m/other stable main", "bookworm"),
            None
        );
        assert_eq!(
            line_as_stanza("# deb http://m/debian bookworm main", "bookworm"),
            None
        );
    }
}
