//! Words of commands that name the same file by different paths.

use std::fs;
use std::path::{Path, PathBuf};

/// Whether two words of commands say the same: letter by letter, or because the paths in them lead to the same
/// place: `/srv/app/conf` and `/mnt/1/app/conf`, `--conf=/srv/app/conf` and `--conf=/mnt/1/app/conf`.
pub(super) fn same_word(one: &str, other: &str) -> bool {
    one == other
        || match (with_path(one), with_path(other)) {
            (Some((before, one)), Some((same, other))) => {
                before == same && without_links(one) == without_links(other)
            }
            _ => false,
        }
}

/// A word that is an absolute path, or `OPTION=PATH`: what is before the path, and the path.
fn with_path(word: &str) -> Option<(&str, &Path)> {
    let at = if word.starts_with('/') {
        0
    } else {
        word.find("=/")? + 1
    };
    let (before, path) = word.split_at(at);
    Some((before, Path::new(path)))
}

/// Where a path leads. What does not exist yet, a socket or a log, is where it would be made.
fn without_links(path: &Path) -> PathBuf {
    let mut above = path.ancestors();
    let found = above.find_map(|there| Some((there, fs::canonicalize(there).ok()?)));
    match found {
        Some((there, real)) => match path.strip_prefix(there) {
            Ok(rest) if rest.as_os_str().is_empty() => real,
            Ok(rest) => real.join(rest),
            Err(_) => path.to_owned(),
        },
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn words_are_the_same_where_their_paths_lead_to_one_place() {
        let place = tempfile::tempdir().expect("temporary directory");
        let real = place.path().join("real");
        fs::create_dir(&real).expect("made");
        fs::write(real.join("conf"), "").expect("written");
        symlink(&real, place.path().join("link")).expect("linked");
        let (real, link) = (real.display(), place.path().join("link"));
        let link = link.display();
        let same = |one: &str, other: &str| {
            assert!(same_word(one, other), "{one} {other}");
            assert!(same_word(other, one), "{other} {one}");
        };
        let differ = |one: &str, other: &str| assert!(!same_word(one, other), "{one} {other}");
        same("serve", "serve");
        same(&format!("{real}/conf"), &format!("{link}/conf"));
        same(
            &format!("--conf={real}/conf"),
            &format!("--conf={link}/conf"),
        );
        same(&format!("{real}/not/yet"), &format!("{link}/not/yet"));
        differ(&format!("{real}/conf"), &format!("{link}/other"));
        differ(&format!("--conf={real}"), &format!("--data={link}"));
        differ(&format!("--conf={real}"), &format!("{link}"));
        differ("serve", "worker");
        differ("conf", &format!("{real}/conf"));
    }
}
