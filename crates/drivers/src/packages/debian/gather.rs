//! Where the file of a Debian package comes from: a repository, what apt has downloaded once, or what is installed.

use std::io;
use std::path::{Path, PathBuf};

use switchback_engine::ports::Failure;
use switchback_engine::process::Argv;

use super::super::english;
use super::super::packaging::{Package, Part, Source};
use super::super::problems;
use super::words::WORDS;
use super::{apt, dpkg};
use crate::host::{Host, unwritable};

/// Where apt keeps what it downloaded.
const CACHE: &str = "/var/cache/apt/archives";
/// Packs what is installed into a package file again.
const REPACK: &str = "/usr/bin/dpkg-repack";

pub(super) fn at_hand(host: &Host, package: &Package) -> Result<Option<Source>, Failure> {
    let begin = dpkg::file_begins(&package.name, &package.version);
    if here(host, Path::new(CACHE), &begin)?.is_some() {
        return Ok(Some(Source::Cache));
    }
    Ok(repacks(host)?.then_some(Source::Repacked))
}

pub(super) fn gather(host: &Host, part: &Part<'_>, into: &Path) -> Result<(), Failure> {
    let word = format!("{}={}", part.name, part.version);
    let sum = checksum(host, part, &word)?;
    let sum = sum.as_deref();
    let begin = dpkg::file_begins(part.name, part.version);
    if let Some(path) = here(host, into, &begin)?
        && is_right(host, &path, sum)?
    {
        return Ok(());
    }
    if let Some(cached) = here(host, Path::new(CACHE), &begin)?
        && is_right(host, &cached, sum)?
    {
        let to = into.join(cached.file_name().unwrap_or_default());
        return host
            .copy(&cached, &to)
            .map_err(|error| unwritable(&to, &error));
    }
    let mut failure = None;
    if sum.is_some() {
        // What root gathers in a directory of its own, apt's user for downloads may not write.
        let argv = Argv::new(
            "apt-get",
            ["download", "--quiet", "--option=APT::Sandbox::User=root"],
        )
        .arg(word.as_str())
        .directory(into);
        match english::ask(host, &argv, &format!("cannot download `{word}`")) {
            Ok(_) => {
                if let Some(path) = here(host, into, &begin)?
                    && is_right(host, &path, sum)?
                {
                    return Ok(());
                }
            }
            Err(error) if problems::is_no_room(&error) => {
                return Err(problems::no_room(into, &word, error));
            }
            Err(error) => failure = Some(error),
        }
    }
    if part.installed.is_some() && repacks(host)? {
        let argv = Argv::new("dpkg-repack", [part.name]).directory(into);
        let packed = english::ask(host, &argv, &format!("cannot pack `{word}` again"));
        return packed.map(drop).map_err(|error| {
            if problems::is_no_room(&error) {
                problems::no_room(into, &word, error)
            } else {
                error.state("services", "not touched")
            }
        });
    }
    Err(if part.installed.is_some() {
        problems::no_way_back(&WORDS, &[word], failure)
    } else {
        problems::not_fetched(&WORDS, part.set, &word, failure)
    })
}

fn repacks(host: &Host) -> Result<bool, Failure> {
    let there = host.exists(Path::new(REPACK));
    there.map_err(|error| unwritable(Path::new(REPACK), &error))
}

/// The SHA-256 that repositories tell of a package.
fn checksum(host: &Host, part: &Part<'_>, word: &str) -> Result<Option<String>, Failure> {
    let argv = Argv::new("apt-cache", ["show", "--no-all-versions", word]);
    // A version that no repository has any more is no error here.
    let said = english::try_to(host, &argv, "cannot ask apt for checksums")?;
    let key = (part.name.to_owned(), part.version.to_owned());
    Ok(apt::checksums(&said.stdout).remove(&key))
}

/// The package file whose name begins so.
fn here(host: &Host, directory: &Path, begin: &str) -> Result<Option<PathBuf>, Failure> {
    let names = host.list_if_there(directory);
    let mut names = names
        .map_err(|error| unwritable(directory, &error))?
        .into_iter();
    let found = names.find(|name| name.starts_with(begin) && name.ends_with(WORDS.file_ends));
    Ok(found.map(|name| directory.join(name)))
}

/// Whether a file has this sum; without a sum to compare, whatever is there is right.
fn is_right(host: &Host, path: &Path, sum: Option<&str>) -> Result<bool, Failure> {
    let Some(sum) = sum else { return Ok(true) };
    match host.digest(path) {
        Ok(found) => Ok(found.as_str() == sum),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unwritable(path, &error)),
    }
}
