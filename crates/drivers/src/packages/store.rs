//! Package files that are kept, a directory for each set, with checksums: the way there, and the way back.

use std::io;
use std::path::{Path, PathBuf};

use switchback_engine::ports::Failure;

use super::packaging::Packaging;
use super::place::Place;
use super::set::Set;
use crate::host::{Host, failure_of, unwritable};

/// The file with the checksums: `sha256sum --check` reads it too.
const SUMS: &str = "SHA256SUMS";
/// The file with the set itself.
const SET: &str = "set";

fn directory(place: &Place, set: &Set) -> PathBuf {
    place.notes().join("packages").join(set.folder())
}

/// Where the files of a set are gathered until they are complete.
pub(super) fn gathering(place: &Place, set: &Set) -> PathBuf {
    directory(place, set).with_extension("partial")
}

/// The files of a set, checked against their sums; else what is wrong.
pub(super) fn kept(place: &Place, set: &Set) -> Result<Result<Vec<PathBuf>, String>, Failure> {
    kept_in(&place.host, place.packaging(), &directory(place, set), set)
}

fn kept_in(
    host: &Host,
    packaging: &dyn Packaging,
    directory: &Path,
    set: &Set,
) -> Result<Result<Vec<PathBuf>, String>, Failure> {
    let sums = match host.text(&directory.join(SUMS)) {
        Ok(sums) => sums,
        Err(error) => {
            return failure_of(&error).map_or_else(
                || Ok(Err(format!("no package files of `{set}` are kept"))),
                Err,
            );
        }
    };
    let mut paths = Vec::new();
    for (name, version) in &set.0 {
        let begin = packaging.file_begins(name, version);
        let kept = sums
            .lines()
            .filter_map(|line| line.split_once("  "))
            .find(|(_, file)| file.starts_with(&begin));
        let Some((sum, file)) = kept else {
            return Ok(Err(format!(
                "no package file of `{name}={version}` is kept"
            )));
        };
        let path = directory.join(file);
        match host.digest(&path) {
            Ok(found) if found.as_str() == sum => {}
            Ok(_) => {
                return Ok(Err(format!(
                    "`{}` is not what it was when it was kept",
                    path.display()
                )));
            }
            Err(error) => {
                let wrong = format!("`{}`: {error}", path.display());
                return failure_of(&error).map_or_else(|| Ok(Err(wrong)), Err);
            }
        }
        paths.push(path);
    }
    Ok(Ok(paths))
}

/// Notes the sums of what was gathered and puts it in its place.
pub(super) fn complete(place: &Place, set: &Set) -> Result<(), Failure> {
    let directory = directory(place, set);
    let ends = place.packaging().words().file_ends;
    complete_in(&place.host, &gathering(place, set), &directory, set, ends)
        .map_err(|error| unwritable(&directory, &error))
}

fn complete_in(
    host: &Host,
    gathered: &Path,
    directory: &Path,
    set: &Set,
    ends: &str,
) -> io::Result<()> {
    let mut sums = String::new();
    let mut names = host.list(gathered)?;
    names.sort();
    for name in names.iter().filter(|name| name.ends_with(ends)) {
        let path = gathered.join(name);
        host.sync(&path)?;
        sums.push_str(&format!("{}  {name}\n", host.digest(&path)?));
    }
    host.write(&gathered.join(SET), format!("{set}\n"))?;
    host.write(&gathered.join(SUMS), &sums)?;
    host.remove_tree(directory)?;
    host.rename(gathered, directory)?;
    host.sync(directory.parent().unwrap_or(directory))
}

/// The kept set with this id, where there is one.
pub(super) fn with_id(place: &Place, id: &str) -> Result<Option<Set>, Failure> {
    let packages = place.notes().join("packages");
    let failed = |error: io::Error| unwritable(&packages, &error);
    for name in place.host.list_if_there(&packages).map_err(failed)? {
        let text = place.host.text_if_there(&packages.join(name).join(SET));
        let found = text.map_err(failed)?.and_then(|text| Set::parse(&text));
        if let Some(set) = found.filter(|set| set.id() == id) {
            return Ok(Some(set));
        }
    }
    Ok(None)
}

/// Removes every set but those.
pub(super) fn keep_only(place: &Place, sets: &[Set]) {
    let folders: Vec<String> = sets.iter().map(Set::folder).collect();
    let packages = place.notes().join("packages");
    for name in place.host.list(&packages).unwrap_or_default() {
        if !folders.contains(&name) {
            // What is left takes space and is in nobody's way.
            let _ = place.host.remove_tree(&packages.join(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use switchback_engine::process::Commands;
    use switchback_engine::redact::Redactor;
    use switchback_engine::signal::StopSignal;

    use super::super::debian::Debian;
    use super::*;

    #[test]
    fn what_was_gathered_is_kept_and_looked_at_again() {
        let root = tempfile::tempdir().expect("temporary directory");
        let children = root.path().join("children");
        let commands = Commands::new(children, Redactor::default(), StopSignal::default());
        let host = Host::Here(commands);
        let kept_in =
            |kept: &Path, set: &Set| kept_in(&host, &Debian, kept, set).expect("looked at");
        let (gathered, kept) = (root.path().join("a.partial"), root.path().join("a"));
        let set = Set::parse("st2=1:2.1.0-1").expect("a set");
        fs::create_dir(&gathered).expect("directory");
        fs::write(gathered.join("st2_1%3a2.1.0-1_all.deb"), "package").expect("written");
        assert!(kept_in(&kept, &set).is_err());
        complete_in(&host, &gathered, &kept, &set, ".deb").expect("completed");
        assert!(!gathered.exists());
        let found = kept_in(&kept, &set).expect("whole");
        assert_eq!(found, [kept.join("st2_1%3a2.1.0-1_all.deb")]);
        let more = Set::parse("st2=1:2.1.0-1 st2web=2.1.0-1").expect("a set");
        assert_eq!(
            kept_in(&kept, &more).expect_err("not whole"),
            "no package file of `st2web=2.1.0-1` is kept"
        );
        fs::write(&found[0], "spoiled").expect("written");
        let wrong = kept_in(&kept, &set).expect_err("spoiled");
        assert!(
            wrong.ends_with("is not what it was when it was kept"),
            "{wrong}"
        );
    }
}
