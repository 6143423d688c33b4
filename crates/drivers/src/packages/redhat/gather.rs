//! Where the file of an rpm package comes from: a repository, or what was downloaded once.

use std::path::{Path, PathBuf};

use switchback_engine::ports::Failure;
use switchback_engine::process::Argv;

use super::super::english;
use super::super::packaging::{Complaint, Package, Part, Source, Words};
use super::super::problems;
use super::dnf::Row;
use super::repositories::Settings;
use super::rpm::{self, Signature};
use crate::host::{Host, unwritable};

/// Where dnf and yum keep what they downloaded, below a directory for each repository.
const CACHES: [&str; 3] = ["/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf5"];

pub(super) fn at_hand(host: &Host, package: &Package) -> Result<Option<Source>, Failure> {
    let begin = rpm::file_begins(&package.name, &package.version);
    let found = cached(host, &format!("{begin}{}.rpm", package.architecture))?;
    Ok(found.map(|_| Source::Cache))
}

/// What a file is gathered with.
pub(super) struct Means<'a> {
    pub(super) words: &'static Words,
    /// What repositories have of the package.
    pub(super) rows: &'a [Row],
    pub(super) settings: &'a Settings,
    /// The command that downloads into a directory, up to that directory.
    pub(super) download: Argv,
}

pub(super) fn gather(
    host: &Host,
    part: &Part<'_>,
    into: &Path,
    means: Means<'_>,
) -> Result<(), Failure> {
    let word = format!("{}={}", part.name, part.version);
    let row = chosen(part, means.rows);
    let begin = rpm::file_begins(part.name, part.version);
    let listed = host.list_if_there(into);
    let listed = listed.map_err(|error| unwritable(into, &error))?;
    let there = listed
        .iter()
        .find(|name| name.starts_with(&begin) && name.ends_with(means.words.file_ends));
    if let Some(name) = there {
        let signature = signature(host, &into.join(name))?;
        if signature != Signature::Spoiled {
            return trusted(part, row, &means, signature);
        }
    }
    let architecture = row
        .map(|row| row.architecture.as_str())
        .or_else(|| Some(part.installed?.architecture.as_str()))
        .unwrap_or_default();
    let file = format!("{begin}{architecture}{}", means.words.file_ends);
    if let Some(cached) = cached(host, &file)?
        && signature(host, &cached)? != Signature::Spoiled
    {
        let to = into.join(&file);
        host.copy(&cached, &to)
            .map_err(|error| unwritable(&to, &error))?;
        return trusted(part, row, &means, signature(host, &to)?);
    }
    let mut failure = None;
    if row.is_some() {
        let named = format!("{}-{}.{architecture}", part.name, part.version);
        let argv = means
            .download
            .clone()
            .arg(into.to_string_lossy())
            .arg(named);
        match english::ask(host, &argv, &format!("cannot download `{word}`")) {
            Ok(_) => return trusted(part, row, &means, signature(host, &into.join(&file))?),
            Err(error) if problems::is_no_room(&error) => {
                return Err(problems::no_room(into, &word, error));
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(if part.installed.is_some() {
        problems::no_way_back(means.words, &[word], failure)
    } else {
        problems::not_fetched(means.words, part.set, &word, failure)
    })
}

/// The file of several architectures that is meant: that of the installed package, else one for all of them.
fn chosen<'a>(part: &Part<'_>, rows: &'a [Row]) -> Option<&'a Row> {
    let mut fit = rows
        .iter()
        .filter(|row| row.candidate.version == part.version);
    let wanted = part.installed.map(|one| one.architecture.as_str());
    fit.clone()
        .find(|row| Some(row.architecture.as_str()) == wanted)
        .or_else(|| fit.clone().find(|row| row.architecture == "noarch"))
        .or_else(|| fit.next())
}

/// Refuses what its repository says that it signs, and does not, or with a key that nobody gave to rpm: files are
/// installed by their names later, and dnf asks for no signature of those.
fn trusted(
    part: &Part<'_>,
    row: Option<&Row>,
    means: &Means<'_>,
    signature: Signature,
) -> Result<(), Failure> {
    let repository = row.map_or("", |row| row.candidate.repository.as_str());
    if part.installed.is_some() || !means.settings.checks_packages(repository) {
        return Ok(());
    }
    let complaint = match signature {
        Signature::Good => return Ok(()),
        Signature::UnknownKey(key) => Complaint::UnknownKey(key),
        Signature::ExpiredKey(key) => Complaint::ExpiredKey(key),
        Signature::Missing => Complaint::Untrusted(format!("{} is not signed", part.name)),
        Signature::Spoiled => Complaint::Untrusted(format!("{} was changed", part.name)),
    };
    let section = means.settings.section(repository);
    let file = section.map_or(repository, |section| section.file.as_str());
    Err(problems::repository(means.words, file, &complaint).into())
}

fn signature(host: &Host, path: &Path) -> Result<Signature, Failure> {
    let argv = rpm::ask_signature(&path.to_string_lossy());
    let said = english::try_to(host, &argv, "cannot ask rpm for a signature")?;
    Ok(rpm::signature(&said.stdout))
}

/// A package file that dnf or yum has downloaded once.
fn cached(host: &Host, file: &str) -> Result<Option<PathBuf>, Failure> {
    let argv = Argv::new("find", CACHES).args(["-type", "f", "-name", file, "-print"]);
    // A cache that is not there is told on standard error.
    let said = english::try_to(host, &argv, "cannot look for downloaded packages")?;
    Ok(said.stdout.lines().next().map(PathBuf::from))
}
