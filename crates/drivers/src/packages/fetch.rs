//! Package files are brought here while the service is up: those of the next version, and those of the
//! installed one, which are the way back.

use std::fs;
use std::path::Path;

use switchback_engine::ports::Failure;
use switchback_engine::process::Argv;
use switchback_model::Version;

use super::apt::{self, Change};
use super::dpkg;
use super::place::{Place, Record, unwritable};
use super::problems;
use super::set::{Set, release_of};
use super::store;

/// Where apt keeps what it downloaded.
const CACHE: &str = "/var/cache/apt/archives";

/// The set that `version` is made of here: its packages at the newest packaging of that release, the
/// others as they are installed.
pub(super) fn set_of(place: &Place, record: &Record, version: &Version) -> Result<Set, Failure> {
    if place.version(&record.set).as_ref() == Some(version) {
        return Ok(record.set.clone());
    }
    let mut set = record.set.clone();
    let named: Vec<String> = record
        .set
        .0
        .keys()
        .filter(|name| is_named(place, name, version))
        .cloned()
        .collect();
    let candidates = candidates(place, &named)?;
    for name in named {
        let found = candidates
            .iter()
            .find(|one| one.package == name && release_of(&one.version) == *version);
        let Some(found) = found else {
            let had = candidates.iter().filter(|one| one.package == name);
            let had: Vec<&str> = had.map(|one| one.version.as_str()).collect();
            return Err(problems::no_such_version(&name, version, &had));
        };
        set.0.insert(name, found.version.clone());
    }
    Ok(set)
}

/// Whether a stage to `version` names the package.
fn is_named(place: &Place, name: &str, version: &Version) -> bool {
    let mut packages = place.product.packages.iter();
    match packages.find(|package| package.name == name) {
        // A range that cannot be read holds nothing, and lint tells it.
        Some(package) => {
            let scheme = place.product.scheme;
            scheme.contains(&package.to, version).unwrap_or(false)
        }
        None => true,
    }
}

/// What repositories have of packages, newest first.
pub(super) fn candidates(place: &Place, names: &[String]) -> Result<Vec<apt::Candidate>, Failure> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let argv = Argv::new("apt-cache", ["madison"]).args(names.iter().cloned());
    let answer = place.ask(&argv, "cannot ask apt which versions there are")?;
    Ok(apt::candidates(&answer))
}

/// Refuses where an installation would change more than the packages of `set`. `from` are words for apt:
/// `name=version`, or `files`, which are all that apt then knows of.
pub(super) fn simulate(
    place: &Place,
    set: &Set,
    from: &[String],
    files: bool,
) -> Result<(), Failure> {
    if from.is_empty() {
        return Ok(());
    }
    // A hold is told in words of its own.
    let argv = Argv::new("apt-get", ["--simulate", "--quiet", "install"])
        .arg("--allow-change-held-packages")
        .args(installing())
        .args(if files { &FILES_ALONE[..] } else { &[] }.iter().copied())
        .args(from.iter().cloned());
    let said = place.try_to(&argv, "cannot ask apt what an installation would do")?;
    if said.code != 0 {
        return Err(problems::unsolvable(set, &said.stderr, &said.stdout));
    }
    let surprises: Vec<String> = apt::changes(&said.stdout)
        .into_iter()
        .filter_map(|change| match change {
            Change::Removes { name } => Some(format!("`{name}` would be removed")),
            Change::Adds { name, version } => {
                Some(format!("`{name}` {version} would be installed"))
            }
            Change::Replaces { name, version } => (set.0.get(&name) != Some(&version))
                .then(|| format!("`{name}` would become {version}")),
        })
        .collect();
    if surprises.is_empty() {
        Ok(())
    } else {
        Err(problems::surprises(set, &surprises))
    }
}

/// How apt is told to touch nothing but what is named, and no conffile that was edited.
pub(super) fn installing() -> [&'static str; 8] {
    [
        "--assume-yes",
        "--only-upgrade",
        "--allow-downgrades",
        "--no-remove",
        "--no-install-recommends",
        "--option=Dpkg::Options::=--force-confold",
        "--option=Dpkg::Use-Pty=0",
        "--option=DPkg::Lock::Timeout=600",
    ]
}

/// How apt is told that there is nothing but the files that are named: a repository may have the same
/// version, and would be asked for it.
pub(super) const FILES_ALONE: [&str; 5] = [
    "--option=Dir::Etc::SourceList=/dev/null",
    "--option=Dir::Etc::SourceParts=/dev/null",
    "--option=Dir::State::Lists=/nonexistent",
    "--option=Dir::Cache::PkgCache=",
    "--option=Dir::Cache::SrcPkgCache=",
];

/// Where the file of an installed package could come from: nothing is downloaded.
pub(super) fn obtainable(place: &Place, record: &Record) -> Result<Vec<(String, Source)>, Failure> {
    let names: Vec<String> = record.set.0.keys().cloned().collect();
    let candidates = candidates(place, &names)?;
    let kept = store::kept(place, &record.set).is_ok();
    let repacks = Path::new("/usr/bin/dpkg-repack").exists();
    let found = record.set.0.iter().map(|(name, version)| {
        let architecture = record.architecture(name);
        let file = dpkg::file_name(name, version, architecture);
        let known = |one: &apt::Candidate| one.package == *name && one.version == *version;
        let source = if kept {
            Source::Kept
        } else if candidates.iter().any(known) {
            Source::Repository
        } else if Path::new(CACHE).join(file).exists() {
            Source::Cache
        } else if repacks {
            Source::Repacked
        } else {
            Source::Nowhere
        };
        (format!("{name}={version}"), source)
    });
    Ok(found.collect())
}

/// Where a package file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It is kept already.
    Kept,
    /// A repository has it.
    Repository,
    /// apt has downloaded it once.
    Cache,
    /// It is packed again from what is installed: its conffiles are as they are now.
    Repacked,
    /// It cannot be had.
    Nowhere,
}

/// Gathers the files of `set` and keeps them. True where anything had to be gathered.
pub(super) fn keep(place: &Place, record: &Record, set: &Set) -> Result<bool, Failure> {
    if store::kept(place, set).is_ok() {
        return Ok(false);
    }
    let gathering = store::gathering(place, set);
    let failed = |error: std::io::Error| unwritable(&gathering, &error);
    fs::create_dir_all(&gathering).map_err(failed)?;
    let words: Vec<String> = set
        .0
        .iter()
        .map(|(name, version)| format!("{name}={version}"))
        .collect();
    let sums = checksums(place, &words)?;
    for (name, version) in &set.0 {
        let key = (name.clone(), version.clone());
        let sum = sums.get(&key).map(String::as_str);
        let begin = format!("{name}_{}_", version.replace(':', "%3a"));
        if here(&gathering, &begin).is_some_and(|path| is_right(&path, sum)) {
            continue;
        }
        gather(place, record, set, &gathering, (name, version), sum)?;
    }
    store::complete(place, set)?;
    Ok(true)
}

fn gather(
    place: &Place,
    record: &Record,
    set: &Set,
    into: &Path,
    (name, version): (&str, &str),
    sum: Option<&str>,
) -> Result<(), Failure> {
    let begin = format!("{name}_{}_", version.replace(':', "%3a"));
    if let Some(cached) = here(Path::new(CACHE), &begin).filter(|path| is_right(path, sum)) {
        let to = into.join(cached.file_name().unwrap_or_default());
        fs::copy(&cached, &to).map_err(|error| unwritable(&to, &error))?;
        return Ok(());
    }
    let word = format!("{name}={version}");
    let mut failure = None;
    if sum.is_some() {
        // What root gathers in a directory of its own, apt's user for downloads may not write.
        let argv = Argv::new(
            "apt-get",
            ["download", "--quiet", "--option=APT::Sandbox::User=root"],
        )
        .arg(word.as_str())
        .directory(into);
        match place.ask(&argv, &format!("cannot download `{word}`")) {
            Ok(_) if here(into, &begin).is_some_and(|path| is_right(&path, sum)) => return Ok(()),
            Ok(_) => {}
            Err(error) => failure = Some(error),
        }
    }
    let installed = record.set.0.get(name).is_some_and(|found| found == version);
    if installed && Path::new("/usr/bin/dpkg-repack").exists() {
        let argv = Argv::new("dpkg-repack", [name]).directory(into);
        place.ask(&argv, &format!("cannot pack `{word}` again"))?;
        return Ok(());
    }
    Err(if installed {
        problems::no_way_back(&[word], failure)
    } else {
        problems::not_fetched(set, &word, failure)
    })
}

/// The SHA-256 that repositories tell of packages.
fn checksums(
    place: &Place,
    words: &[String],
) -> Result<std::collections::BTreeMap<(String, String), String>, Failure> {
    let mut found = std::collections::BTreeMap::new();
    for word in words {
        let argv = Argv::new("apt-cache", ["show", "--no-all-versions"]).arg(word.as_str());
        // A version that no repository has any more is no error here.
        let said = place.try_to(&argv, "cannot ask apt for checksums")?;
        found.extend(apt::checksums(&format!("{}\n", said.stdout)));
    }
    Ok(found)
}

/// The package file whose name begins so.
fn here(directory: &Path, begin: &str) -> Option<std::path::PathBuf> {
    let entries = fs::read_dir(directory).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(begin) && name.ends_with(".deb")
    })
}

/// Whether a file has this sum; without a sum to compare, whatever is there is right.
fn is_right(path: &Path, sum: Option<&str>) -> bool {
    let Some(sum) = sum else { return true };
    fs::read(path).is_ok_and(|bytes| switchback_model::Digest::of(bytes).as_str() == sum)
}
