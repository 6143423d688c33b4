//! Conffiles: which the operator edited, copies of all for the way back, and what is left to merge.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use switchback_engine::ports::Failure;
use switchback_engine::process::Argv;

use super::dpkg::{self, Conffile};
use super::place::{Place, unwritable, write_durably};
use super::set::Set;

/// What dpkg puts beside a conffile that it did not replace.
const OFFERED: &str = "dpkg-dist";
/// Which conffiles a copy is of, and which of them had an offer beside them.
const LIST: &str = "list";

/// The conffiles of the product's packages.
pub(super) fn all(place: &Place, set: &Set) -> Result<Vec<Conffile>, Failure> {
    if set.0.is_empty() {
        return Ok(Vec::new());
    }
    let argv = dpkg::ask_conffiles(set.0.keys());
    let answer = place.ask(&argv, "cannot read which conffiles there are")?;
    Ok(dpkg::conffiles(&answer))
}

/// Those that are not what their package brought.
pub(super) fn edited(place: &Place, set: &Set) -> Result<Vec<Conffile>, Failure> {
    let mut all = all(place, set)?;
    let there: Vec<String> = all
        .iter()
        .filter(|one| Path::new(&one.path).is_file())
        .map(|one| one.path.clone())
        .collect();
    if there.is_empty() {
        return Ok(Vec::new());
    }
    let answer = place.ask(&dpkg::ask_sums(&there), "cannot read the conffiles")?;
    let sums = dpkg::sums(&answer);
    all.retain(|one| sums.get(&one.path).is_some_and(|sum| *sum != one.packaged));
    Ok(all)
}

/// Conffiles whose packaged text lies beside them, to be merged.
pub(super) fn to_merge(place: &Place, set: &Set) -> Result<Vec<String>, Failure> {
    let all = all(place, set)?.into_iter();
    Ok(all
        .map(|one| one.path)
        .filter(|path| offered(path).is_file())
        .collect())
}

fn offered(path: &str) -> PathBuf {
    PathBuf::from(format!("{path}.{OFFERED}"))
}

fn directory(place: &Place, set: &Set) -> PathBuf {
    place.notes().join("conffiles").join(set.folder())
}

/// Copies every conffile as it is now, under the set that is installed now.
pub(super) fn keep(place: &Place, set: &Set) -> Result<(), Failure> {
    let directory = directory(place, set);
    let partial = directory.with_extension("partial");
    let failed = |error: io::Error| unwritable(&directory, &error);
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(failed)?;
    }
    fs::create_dir_all(&partial).map_err(failed)?;
    let mut list = String::new();
    for path in all(place, set)?.into_iter().map(|one| one.path) {
        if !Path::new(&path).is_file() {
            continue;
        }
        let copy = partial.join(path.trim_start_matches('/'));
        fs::create_dir_all(copy.parent().unwrap_or(&partial)).map_err(failed)?;
        let argv = Argv::new("cp", ["--archive", "--"])
            .arg(path.as_str())
            .arg(copy.to_string_lossy());
        place.ask(&argv, &format!("cannot copy `{path}`"))?;
        let mark = if offered(&path).exists() { "+" } else { "-" };
        list.push_str(&format!("{mark} {path}\n"));
    }
    write_durably(&partial.join(LIST), &list).map_err(failed)?;
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(failed)?;
    }
    fs::rename(&partial, &directory).map_err(failed)
}

/// Puts every conffile back as it was kept under `set`; returns those that were something else. An offer
/// that was not there then goes.
pub(super) fn restore(place: &Place, set: &Set) -> Result<Vec<String>, Failure> {
    let directory = directory(place, set);
    let list = match fs::read_to_string(directory.join(LIST)) {
        Ok(list) => list,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unwritable(&directory, &error)),
    };
    let mut restored = Vec::new();
    for line in list.lines() {
        let Some((mark, path)) = line.split_once(' ') else {
            continue;
        };
        let kept = directory.join(path.trim_start_matches('/'));
        let there = Path::new(path);
        let failed = |error: io::Error| unwritable(there, &error);
        if fs::read(&kept).map_err(failed)? != fs::read(there).unwrap_or_default() {
            let new = format!("{path}.switchback-new");
            let argv = Argv::new("cp", ["--archive", "--"])
                .arg(kept.to_string_lossy())
                .arg(new.as_str());
            place.ask(&argv, &format!("cannot copy `{path}`"))?;
            fs::rename(&new, there).map_err(failed)?;
            restored.push(path.to_owned());
        }
        if mark == "-" {
            match fs::remove_file(offered(path)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(error));
                }
                _ => {}
            }
        }
    }
    Ok(restored)
}
