//! Where everything that is mounted in the original lies in the copy.
//!
//! Sources that lie within each other are copied once, as one tree, so that what
//! two services share in the original they share in the copy. Directories of
//! datastores are not copied as files: their place is only made known.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::transfer::Transfer;

/// The places of a copy, by the places of the original.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// Directory or file of the original, to that of the copy; none lies within another.
    roots: BTreeMap<PathBuf, PathBuf>,
}

impl Places {
    /// Gives every source a place below `directory`.
    pub(super) fn new<'a>(sources: impl IntoIterator<Item = &'a Path>, directory: &Path) -> Self {
        let mut sources: Vec<PathBuf> = sources.into_iter().map(plain).collect();
        // A parent is sorted before what lies within it.
        sources.sort();
        sources.dedup();
        let mut roots: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
        for source in sources {
            if roots.keys().any(|root| source.starts_with(root)) {
                continue;
            }
            let place = directory.join(format!("{}-{}", roots.len() + 1, name_of(&source)));
            roots.insert(source, place);
        }
        Self { roots }
    }

    /// Where `path` of the original is in the copy; `None` where it is not part of it.
    pub(super) fn of(&self, path: &Path) -> Option<PathBuf> {
        let path = plain(path);
        let (root, place) = self.roots.iter().find(|(root, _)| path.starts_with(root))?;
        let inner = path.strip_prefix(root).ok()?;
        Some(if inner.as_os_str().is_empty() {
            place.clone()
        } else {
            place.join(inner)
        })
    }

    /// What has to be copied, everything but `except`.
    pub(super) fn transfers(&self, except: &[PathBuf]) -> Vec<Transfer> {
        let except: Vec<PathBuf> = except.iter().map(plain).collect();
        self.roots
            .iter()
            .map(|(root, place)| Transfer {
                from: root.clone(),
                to: place.clone(),
                except: except
                    .iter()
                    .filter(|path| path.starts_with(root))
                    .cloned()
                    .collect(),
            })
            .collect()
    }
}

/// Without `.`, `..` and final slashes; symbolic links stay what they are.
fn plain(path: impl AsRef<Path>) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.as_ref().components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// What people recognise it by: a volume is called by its directory's parent (`…/volumes/NAME/_data`).
fn name_of(path: &Path) -> String {
    let last = |path: &Path| {
        path.file_name().map_or_else(
            || "root".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    };
    let name = match path.parent() {
        Some(parent) if last(path) == "_data" => last(parent),
        _ => last(path),
    };
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_within_another_source_lies_within_its_copy() {
        let sources = [
            "/srv/public/blob",
            "/srv/public",
            "/var/lib/docker/volumes/lorawan_pg/_data",
            "/srv/public/./",
        ];
        let places = Places::new(sources.map(Path::new), Path::new("/copy"));
        let of = |path: &str| {
            places
                .of(Path::new(path))
                .map(|path| path.display().to_string())
        };
        assert_eq!(of("/srv/public").as_deref(), Some("/copy/1-public"));
        assert_eq!(
            of("/srv/public/blob/").as_deref(),
            Some("/copy/1-public/blob")
        );
        assert_eq!(
            of("/var/lib/docker/volumes/lorawan_pg/_data/pgdata").as_deref(),
            Some("/copy/2-lorawan_pg/pgdata")
        );
        assert_eq!(of("/srv/publication"), None);
    }

    #[test]
    fn a_datastores_directory_is_left_out_of_the_files() {
        let places = Places::new(
            [Path::new("/srv/data"), Path::new("/etc/app")],
            Path::new("/copy"),
        );
        let transfers = places.transfers(&[PathBuf::from("/srv/data/postgres")]);
        let shown: Vec<(String, usize)> = transfers
            .iter()
            .map(|transfer| (transfer.from.display().to_string(), transfer.except.len()))
            .collect();
        assert_eq!(
            shown,
            [("/etc/app".to_owned(), 0), ("/srv/data".to_owned(), 1)]
        );
    }
}
