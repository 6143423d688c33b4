//! Package files that are kept, a directory for each set, with checksums: the way there, and the way back.

use std::fs;
use std::path::{Path, PathBuf};

use switchback_engine::ports::Failure;
use switchback_model::Digest;

use super::place::{Place, unwritable, write_durably};
use super::set::Set;

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
pub(super) fn kept(place: &Place, set: &Set) -> Result<Vec<PathBuf>, String> {
    kept_in(&directory(place, set), set)
}

fn kept_in(directory: &Path, set: &Set) -> Result<Vec<PathBuf>, String> {
    let sums = fs::read_to_string(directory.join(SUMS))
        .map_err(|_| format!("no package files of `{set}` are kept"))?;
    let mut paths = Vec::new();
    for (name, version) in &set.0 {
        let begin = format!("{name}_{}_", version.replace(':', "%3a"));
        let (sum, file) = sums
            .lines()
            .filter_map(|line| line.split_once("  "))
            .find(|(_, file)| file.starts_with(&begin))
            .ok_or_else(|| format!("no package file of `{name}={version}` is kept"))?;
        let path = directory.join(file);
        let bytes = fs::read(&path).map_err(|error| format!("`{}`: {error}", path.display()))?;
        if Digest::of(&bytes).as_str() != sum {
            return Err(format!(
                "`{}` is not what it was when it was kept",
                path.display()
            ));
        }
        paths.push(path);
    }
    Ok(paths)
}

/// Notes the sums of what was gathered and puts it in its place.
pub(super) fn complete(place: &Place, set: &Set) -> Result<(), Failure> {
    complete_in(&gathering(place, set), &directory(place, set), set)
        .map_err(|error| unwritable(&directory(place, set), &error))
}

fn complete_in(gathered: &Path, directory: &Path, set: &Set) -> std::io::Result<()> {
    let mut sums = String::new();
    let mut files: Vec<_> = fs::read_dir(gathered)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    for file in files {
        let path = file.path();
        if path.extension().is_none_or(|end| end != "deb") {
            continue;
        }
        fs::File::open(&path)?.sync_all()?;
        let name = file.file_name();
        let digest = Digest::of(fs::read(&path)?);
        sums.push_str(&format!("{digest}  {}\n", name.to_string_lossy()));
    }
    write_durably(&gathered.join(SET), &format!("{set}\n"))?;
    write_durably(&gathered.join(SUMS), &sums)?;
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::rename(gathered, directory)?;
    fs::File::open(directory.parent().unwrap_or(directory))?.sync_all()
}

/// The kept set with this id, where there is one.
pub(super) fn with_id(place: &Place, id: &str) -> Option<Set> {
    let entries = fs::read_dir(place.notes().join("packages")).ok()?;
    entries
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join(SET)).ok())
        .filter_map(|text| Set::parse(&text))
        .find(|set| set.id() == id)
}

/// Removes every set but those.
pub(super) fn keep_only(place: &Place, sets: &[Set]) {
    let folders: Vec<String> = sets.iter().map(Set::folder).collect();
    let entries = fs::read_dir(place.notes().join("packages"));
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !folders.contains(&name) {
            // What is left takes space and is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_gathered_is_kept_and_looked_at_again() {
        let root = tempfile::tempdir().expect("temporary directory");
        let (gathered, kept) = (root.path().join("a.partial"), root.path().join("a"));
        let set = Set::parse("st2=1:2.1.0-1").expect("a set");
        fs::create_dir(&gathered).expect("directory");
        fs::write(gathered.join("st2_1%3a2.1.0-1_all.deb"), "package").expect("written");
        assert!(kept_in(&kept, &set).is_err());
        complete_in(&gathered, &kept, &set).expect("completed");
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
