//! Conffiles: which the operator edited, copies of all for the way back, and what is left to merge.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use switchback_engine::ports::Failure;
use switchback_engine::process::Argv;
use switchback_model::Digest;

use super::packaging::Conffile;
use super::place::Place;
use super::set::Set;
use crate::host::{failure_of, unwritable};

/// Which conffiles a copy is of, and whether each had an offer beside it, and what its keeper calls saved.
const LIST: &str = "list";

/// The conffiles of the product's packages.
pub(super) fn all(place: &Place, set: &Set) -> Result<Vec<Conffile>, Failure> {
    if set.0.is_empty() {
        return Ok(Vec::new());
    }
    place.packaging().conffiles(&place.host, set)
}

/// Those that are not what their package brought.
pub(super) fn edited(place: &Place, set: &Set) -> Result<Vec<Conffile>, Failure> {
    let mut all = all(place, set)?;
    let mut sums = BTreeMap::new();
    for (program, length) in [("md5sum", 32), ("sha256sum", 64)] {
        let mut there = Vec::new();
        for one in all.iter().filter(|one| one.packaged.len() == length) {
            if is_file(place, Path::new(&one.path))? {
                there.push(one.path.clone());
            }
        }
        if there.is_empty() {
            continue;
        }
        let argv = Argv::new(program, ["--"]).args(there);
        let answer = place.ask(&argv, "cannot read the conffiles")?;
        sums.extend(digests(&answer));
    }
    all.retain(|one| sums.get(&one.path).is_some_and(|sum| *sum != one.packaged));
    Ok(all)
}

/// Reads `md5sum` and `sha256sum`: digests by path.
fn digests(answer: &str) -> BTreeMap<String, String> {
    answer
        .lines()
        .filter_map(|line| {
            let (digest, path) = line.split_once("  ")?;
            Some((path.to_owned(), digest.to_owned()))
        })
        .collect()
}

/// Conffiles whose packaged text lies beside them, to be merged.
pub(super) fn to_merge(place: &Place, set: &Set) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for one in all(place, set)? {
        if is_file(place, &offered(place, &one.path))? {
            found.push(one.path);
        }
    }
    Ok(found)
}

fn is_file(place: &Place, path: &Path) -> Result<bool, Failure> {
    let is_file = place.host.is_file(path);
    is_file.map_err(|error| unwritable(path, &error))
}

fn offered(place: &Place, path: &str) -> PathBuf {
    PathBuf::from(format!("{path}.{}", place.packaging().words().offered))
}

/// What the keeper makes of an edited conffile that it replaced, where it ever does.
fn saved(place: &Place, path: &str) -> Option<PathBuf> {
    let saved = place.packaging().words().saved?;
    Some(PathBuf::from(format!("{path}.{saved}")))
}

fn directory(place: &Place, set: &Set) -> PathBuf {
    place.notes().join("conffiles").join(set.folder())
}

/// Copies every conffile as it is now, under the set that is installed now.
pub(super) fn keep(place: &Place, set: &Set) -> Result<(), Failure> {
    let directory = directory(place, set);
    let partial = directory.with_extension("partial");
    let failed = |error: io::Error| unwritable(&directory, &error);
    let host = &place.host;
    host.remove_tree(&partial).map_err(failed)?;
    host.make_directory(&partial).map_err(failed)?;
    let mut list = String::new();
    for path in all(place, set)?.into_iter().map(|one| one.path) {
        if !is_file(place, Path::new(&path))? {
            continue;
        }
        let copy = partial.join(path.trim_start_matches('/'));
        host.make_directory(copy.parent().unwrap_or(&partial))
            .map_err(failed)?;
        let argv = Argv::new("cp", ["--archive", "--"])
            .arg(path.as_str())
            .arg(copy.to_string_lossy());
        place.ask(&argv, &format!("cannot copy `{path}`"))?;
        let offered = host.exists(&offered(place, &path)).map_err(failed)?;
        let mut mark = vec![offered];
        if let Some(saved) = saved(place, &path) {
            mark.push(host.exists(&saved).map_err(failed)?);
        }
        let mark: String = mark
            .iter()
            .map(|was| if *was { '+' } else { '-' })
            .collect();
        list.push_str(&format!("{mark} {path}\n"));
    }
    host.write(&partial.join(LIST), &list).map_err(failed)?;
    host.remove_tree(&directory).map_err(failed)?;
    host.rename(&partial, &directory).map_err(failed)
}

/// Puts every conffile back as it was kept under `set`; returns those that were something else. An offer
/// that was not there then goes.
pub(super) fn restore(place: &Place, set: &Set) -> Result<Vec<String>, Failure> {
    let directory = directory(place, set);
    let host = &place.host;
    let mut restored = Vec::new();
    for (mark, path) in list(place, &directory)? {
        let path = path.as_str();
        let kept = directory.join(path.trim_start_matches('/'));
        let there = Path::new(path);
        let failed = |error: io::Error| unwritable(there, &error);
        if digest(place, there)? != Some(host.digest(&kept).map_err(failed)?) {
            let new = format!("{path}.switchback-new");
            let argv = Argv::new("cp", ["--archive", "--"])
                .arg(kept.to_string_lossy())
                .arg(new.as_str());
            place.ask(&argv, &format!("cannot copy `{path}`"))?;
            host.rename(Path::new(&new), there).map_err(failed)?;
            restored.push(path.to_owned());
        }
        let came = [Some(offered(place, path)), saved(place, path)];
        for (mark, came) in mark.chars().zip(came.into_iter().flatten()) {
            if mark == '-' {
                host.remove(&came).map_err(failed)?;
            }
        }
    }
    Ok(restored)
}

/// Puts conffiles back that were edited under `set` and that the keeper replaced all the same, as rpm does where their
/// package says so: its text is put beside them. Returns their paths.
pub(super) fn keep_ours(place: &Place, set: &Set) -> Result<Vec<String>, Failure> {
    let directory = directory(place, set);
    let host = &place.host;
    let mut ours = Vec::new();
    for (_, path) in list(place, &directory)? {
        let Some(saved) = saved(place, &path) else {
            continue;
        };
        let there = Path::new(&path);
        let failed = |error: io::Error| unwritable(there, &error);
        let kept = digest(place, &directory.join(path.trim_start_matches('/')))?;
        if kept.is_none() || digest(place, &saved)? != kept {
            continue;
        }
        let now = digest(place, there)?;
        if now.is_some() && now != kept {
            host.rename(there, &offered(place, &path)).map_err(failed)?;
        }
        host.rename(&saved, there).map_err(failed)?;
        ours.push(path);
    }
    Ok(ours)
}

/// What is kept in a directory: marks and paths.
fn list(place: &Place, directory: &Path) -> Result<Vec<(String, String)>, Failure> {
    let text = place.host.text_if_there(&directory.join(LIST));
    let text = text.map_err(|error| unwritable(directory, &error))?;
    let text = text.unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    Ok(lines
        .map(|(mark, path)| (mark.to_owned(), path.to_owned()))
        .collect())
}

/// Digest of a file; `None` where it cannot be read, as one that is not there.
fn digest(place: &Place, path: &Path) -> Result<Option<Digest>, Failure> {
    match place.host.digest(path) {
        Err(error) if failure_of(&error).is_none() => Ok(None),
        found => found.map(Some).map_err(|error| unwritable(path, &error)),
    }
}
