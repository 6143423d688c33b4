//! Package files are brought here while the service is up: those of the next version, and those of the
//! installed one, which are the way back.

use switchback_engine::ports::Failure;
use switchback_model::Version;

use super::packaging::{Candidate, Change, Part, Simulated, Source, Wanted};
use super::place::Place;
use super::problems;
use super::record::Record;
use super::set::Set;
use super::store;
use crate::host::unwritable;

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
            .find(|one| one.package == name && place.release_of(&one.version) == *version);
        let Some(found) = found else {
            let had = candidates.iter().filter(|one| one.package == name);
            let had: Vec<&str> = had.map(|one| one.version.as_str()).collect();
            return Err(problems::no_such_version(
                place.packaging().words(),
                &name,
                version,
                &had,
            ));
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
pub(super) fn candidates(place: &Place, names: &[String]) -> Result<Vec<Candidate>, Failure> {
    place.packaging().candidates(&place.host, names)
}

/// Refuses where an installation would change more than the packages of `set`.
pub(super) fn simulate(place: &Place, set: &Set, wanted: &Wanted<'_>) -> Result<(), Failure> {
    let packaging = place.packaging();
    let changes = match packaging.simulate(&place.host, wanted)? {
        Simulated::Changes(changes) => changes,
        Simulated::Refused { errors, said } => {
            return Err(problems::unsolvable(packaging, set, errors, said));
        }
    };
    let surprises: Vec<String> = changes
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

/// Where the file of an installed package could come from: nothing is downloaded.
pub(super) fn obtainable(place: &Place, record: &Record) -> Result<Vec<(String, Source)>, Failure> {
    let names: Vec<String> = record.set.0.keys().cloned().collect();
    let candidates = candidates(place, &names)?;
    let kept = store::kept(place, &record.set)?.is_ok();
    let mut found = Vec::new();
    for package in record.ours() {
        let known = |one: &Candidate| one.package == package.name && one.version == package.version;
        let source = if kept {
            Source::Kept
        } else if candidates.iter().any(known) {
            Source::Repository
        } else {
            let at_hand = place.packaging().at_hand(&place.host, package)?;
            at_hand.unwrap_or(Source::Nowhere)
        };
        found.push((format!("{}={}", package.name, package.version), source));
    }
    Ok(found)
}

/// Gathers the files of `set` and keeps them. True where anything had to be gathered.
pub(super) fn keep(place: &Place, record: &Record, set: &Set) -> Result<bool, Failure> {
    if store::kept(place, set)?.is_ok() {
        return Ok(false);
    }
    let gathering = store::gathering(place, set);
    let failed = |error: std::io::Error| unwritable(&gathering, &error);
    place.host.make_directory(&gathering).map_err(failed)?;
    for (name, version) in &set.0 {
        let part = Part {
            name,
            version,
            installed: record
                .ours()
                .find(|one| one.name == *name && one.version == *version),
            set,
        };
        place.packaging().gather(&place.host, &part, &gathering)?;
    }
    store::complete(place, set)?;
    Ok(true)
}
