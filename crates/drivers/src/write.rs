//! Edits on disk: each file replaced as a whole, durably, or not at all.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use switchback_engine::ports::Failure;
use switchback_model::Digest;
use switchback_model::plan::{Act, Expectation, FileEdit, Plan};

/// Applies edits file by file; what is applied already is left. Returns how many files were written.
pub(crate) fn apply(edits: &[FileEdit]) -> Result<usize, Failure> {
    let mut written = 0;
    let mut rest = edits;
    while let Some(first) = rest.first() {
        let end = rest
            .iter()
            .position(|edit| edit.path != first.path)
            .unwrap_or(rest.len());
        let (chain, others) = rest.split_at(end);
        written += usize::from(apply_chain(chain)?);
        rest = others;
    }
    Ok(written)
}

/// `3.23.2 → 3.32.1 in docker-compose.yml`, each change of a file once, files by their place in the deployment's `directory`.
pub(crate) fn in_words(edits: &[FileEdit], directory: &str) -> String {
    let mut changes: Vec<String> = Vec::new();
    for edit in edits {
        let path = Path::new(&edit.path);
        let path = path.strip_prefix(directory).unwrap_or(path);
        let change = format!("{} → {} in {}", edit.old, edit.new, path.display());
        if !changes.contains(&change) {
            changes.push(change);
        }
    }
    changes.join(", ")
}

/// Removes what a process that was killed in the middle of an edit left beside the files of `plan`.
pub(crate) fn clean(plan: &Plan) -> Result<(), Failure> {
    let steps = plan.steps().map(|(_, step)| step);
    let mut paths = BTreeSet::new();
    for step in steps {
        if let Act::Set { edits, .. } = &step.act {
            paths.extend(edits.iter().map(|edit| edit.path.as_str()));
        }
        // A way back that has nothing to edit still names the files it starts with.
        paths.extend(step.before.iter().filter_map(|expected| match expected {
            Expectation::File { path, .. } => Some(path.as_str()),
            _ => None,
        }));
    }
    for path in paths {
        let Ok(real) = fs::canonicalize(path) else {
            continue;
        };
        match fs::remove_file(beside(&real)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unwritable(path, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where the new bytes of a file are written first. Always the same place, so that [`clean`] finds it.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".switchback-edit-{name}"))
}

/// Applies a chain of edits to one file. True where something had to be written.
fn apply_chain(chain: &[FileEdit]) -> Result<bool, Failure> {
    let (Some(first), Some(last)) = (chain.first(), chain.last()) else {
        return Ok(false);
    };
    // A link stays a link: what it leads to is edited.
    let path = fs::canonicalize(&first.path).map_err(|error| unwritable(&first.path, &error))?;
    let mut bytes = fs::read(&path).map_err(|error| unwritable(&first.path, &error))?;
    let before = Digest::of(&bytes);
    if before == last.after {
        return Ok(false);
    }
    let Some(start) = chain.iter().position(|edit| edit.before == before) else {
        return Err(drifted(&first.path));
    };
    for edit in &chain[start..] {
        let end = edit.offset + edit.old.len();
        if bytes.get(edit.offset..end) != Some(edit.old.as_bytes()) {
            return Err(drifted(&first.path));
        }
        bytes.splice(edit.offset..end, edit.new.bytes());
        if Digest::of(&bytes) != edit.after {
            return Err(drifted(&first.path));
        }
    }
    replace(&path, &bytes, &before).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => drifted(&first.path),
        _ => unwritable(&first.path, &error),
    })?;
    Ok(true)
}

/// Puts `bytes` in the place of a file whose digest is `before`: beside it first, on disk, then renamed.
fn replace(path: &Path, bytes: &[u8], before: &Digest) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let metadata = fs::metadata(path)?;
    let new = beside(path);
    let written = write_beside(&new, bytes, &metadata).and_then(|()| {
        // A person may have saved the file since it was read: theirs is not overwritten.
        if Digest::of(fs::read(path)?) != *before {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        fs::rename(&new, path)
    });
    if let Err(error) = written {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    File::open(directory)?.sync_all()
}

/// Writes the new bytes with the mode and owner of the file that they are for; secret until then.
fn write_beside(new: &Path, bytes: &[u8], like: &fs::Metadata) -> io::Result<()> {
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(new)?;
    file.write_all(bytes)?;
    file.set_permissions(like.permissions())?;
    if (like.uid(), like.gid()) != owner(&file)? {
        std::os::unix::fs::fchown(&file, Some(like.uid()), Some(like.gid()))?;
    }
    file.sync_all()
}

fn owner(file: &File) -> io::Result<(u32, u32)> {
    let metadata = file.metadata()?;
    Ok((metadata.uid(), metadata.gid()))
}

fn drifted(path: &str) -> Failure {
    Failure::new(
        "file-drifted",
        format!("`{path}` is neither as the plan found it nor as it leaves it"),
    )
    .state(path, "changed by someone else since the plan was made; not overwritten")
    .hint("look at what was changed, then go back with switchback rollback, or put the file back and resume")
}

fn unwritable(path: &str, error: &io::Error) -> Failure {
    let failure = Failure::new("file-unwritable", format!("cannot write `{path}`"))
        .cause(error)
        .state(path, "unchanged");
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            failure.hint("make the file and its directory writable for this user, then resume")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            failure.hint("free some space on that filesystem, then resume")
        }
        _ => failure.hint("put the file back, then resume"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn edit(path: &Path, before: &str, offset: usize, old: &str, new: &str) -> (FileEdit, String) {
        let mut after = before.to_owned();
        after.replace_range(offset..offset + old.len(), new);
        let edit = FileEdit {
            path: path.to_string_lossy().into_owned(),
            offset,
            old: old.to_owned(),
            new: new.to_owned(),
            before: Digest::of(before),
            after: Digest::of(&after),
        };
        (edit, after)
    }

    #[test]
    fn a_change_is_told_once_and_by_its_place_in_the_deployment() {
        let text = "a: 1.0\nb: 1.0\n";
        let inside = Path::new("/srv/app/docker-compose.yml");
        let (first, after) = edit(inside, text, 3, "1.0", "2.0");
        let (second, _) = edit(inside, &after, 10, "1.0", "2.0");
        let (outside, _) = edit(Path::new("/etc/app.env"), text, 3, "1.0", "2.0");
        assert_eq!(
            in_words(&[first, second, outside], "/srv/app"),
            "1.0 → 2.0 in docker-compose.yml, 1.0 → 2.0 in /etc/app.env"
        );
    }

    #[test]
    fn applies_once_keeps_mode_and_link_and_leaves_nothing_beside() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let real = directory.path().join("real.yml");
        let path = directory.path().join("compose.yml");
        fs::write(&real, "a: 1\nb: 1\n").expect("written");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("mode");
        symlink(&real, &path).expect("link");
        let (second, middle) = edit(&path, "a: 1\nb: 1\n", 8, "1", "22");
        let (first, after) = edit(&path, &middle, 3, "1", "22");
        let edits = [second, first];
        assert_eq!(apply(&edits), Ok(1));
        assert_eq!(fs::read_to_string(&real).expect("readable"), after);
        assert_eq!(apply(&edits), Ok(0));
        assert!(fs::symlink_metadata(&path).expect("there").is_symlink());
        assert_eq!(
            fs::metadata(&real).expect("there").permissions().mode() & 0o777,
            0o640
        );
        assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 2);
    }

    #[test]
    fn what_a_killed_edit_left_is_in_nobodys_way() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("c.yml");
        let (edit, after) = edit(&path, "a: 1\n", 3, "1", "2");
        fs::write(&path, "a: 1\n").expect("written");
        fs::write(beside(&path), "a: ").expect("half written");
        assert_eq!(apply(&[edit]), Ok(1));
        assert_eq!(fs::read_to_string(&path).expect("readable"), after);
        assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 1);
    }

    #[test]
    fn half_an_edit_of_a_planned_file_is_removed_and_nothing_else() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("c.yml");
        let foreign = directory.path().join(".switchback-edit-other.yml");
        fs::write(&path, "a: 1\n").expect("written");
        fs::write(beside(&path), "a: ").expect("half written");
        fs::write(&foreign, "").expect("written");
        let mut plan = switchback_testkit::plans::smallest();
        let expected = Expectation::File {
            path: path.to_string_lossy().into_owned(),
            digest: Digest::of("a: 1\n"),
        };
        plan.stages[0].steps[0].before.push(expected);
        clean(&plan).expect("cleaned");
        assert!(path.exists() && foreign.exists() && !beside(&path).exists());
    }

    #[test]
    fn goes_on_in_the_middle_of_a_chain() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("c.yml");
        let (second, middle) = edit(&path, "a: 1\nb: 1\n", 8, "1", "2");
        let (first, after) = edit(&path, &middle, 3, "1", "2");
        fs::write(&path, &middle).expect("written");
        assert_eq!(apply(&[second, first]), Ok(1));
        assert_eq!(fs::read_to_string(&path).expect("readable"), after);
    }

    #[test]
    fn never_overwrites_what_somebody_changed() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("c.yml");
        let (edit, _) = edit(&path, "a: 1\n", 3, "1", "2");
        fs::write(&path, "a: 1\n# mine\n").expect("written");
        let failure = apply(&[edit]).expect_err("drifted");
        assert_eq!(failure.code, "file-drifted");
        assert_eq!(
            fs::read_to_string(&path).expect("readable"),
            "a: 1\n# mine\n"
        );
    }

    #[test]
    fn a_missing_file_is_a_failure_with_a_next_step() {
        let (edit, _) = edit(Path::new("/nonexistent/c.yml"), "a: 1\n", 3, "1", "2");
        let failure = apply(&[edit]).expect_err("missing");
        assert_eq!(failure.code, "file-unwritable");
        assert_eq!(failure.hints.len(), 1);
    }
}
