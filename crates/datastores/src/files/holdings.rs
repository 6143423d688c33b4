//! What a shadow of a directory has on disk: the copy, the indexes, and the times of its passes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use switchback_engine::ports::Failure;
use switchback_model::DatastoreName;
use switchback_model::observed::DatastoreLocation;

use super::entry::{Entry, Moment, Record};
use super::index::{Change, Index};
use super::root::Root;
use super::survey;
use super::workers::Trouble;
use crate::backup::{self, Backup, Manifest};
use crate::{disk, shadow};

/// The copy in the shadow's place.
pub(super) const COPY: &str = "copy";
pub(super) const INDEX: &str = "index";
pub(super) const SEALED: &str = "sealed";
pub(super) const FIRST: &str = "first";
const PASS: &str = "pass";
/// Key of the manifest's facts: the boot under which the shadow was begun.
const BOOT: &str = "boot";
/// Key of the manifest's facts: there was no directory.
pub(super) const ABSENT: &str = "absent";
/// A change in the seconds before a pass counts as made in it: some filesystems keep whole seconds, and the
/// kernel's clock for files ticks slowly.
const MARGIN: i64 = 2;
/// The shadow that one run keeps of one directory.
pub(super) struct Shadow<'a> {
    pub(super) name: &'a DatastoreName,
    pub(super) directory: &'a Path,
    pub(super) location: &'a DatastoreLocation,
    pub(super) backup: &'a Backup,
}

impl Shadow<'_> {
    /// Makes the places of a shadow, and says in the manifest that it is begun. What an earlier try left is used
    /// where nothing but a process died since.
    pub(super) fn begin(&self) -> Result<PathBuf, Failure> {
        let io = |error: std::io::Error| self.backup.io("write", &error);
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = boot.trim().to_owned();
        if let Some(manifest) = self.backup.shadow()?
            && let Some(place) = manifest.place
        {
            let usable = manifest.facts.get(BOOT) == Some(&boot)
                && place.join(COPY).exists()
                && self.backup.path(FIRST).exists();
            if usable {
                return Ok(place);
            }
            disk::remove(&place).map_err(io)?;
        }
        let place = shadow::place(self.backup, self.directory, &self.location.access);
        let facts = BTreeMap::from([(BOOT.to_owned(), boot)]);
        self.backup.begin_shadow(&place, None, facts)?;
        backup::create_private(&place).map_err(io)?;
        let copy = place.join(COPY);
        disk::remove(&copy).map_err(io)?;
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&copy)
            .map_err(io)?;
        backup::write_durably(&self.backup.path(FIRST), b"").map_err(io)?;
        Ok(place)
    }

    /// Both sides, open; `None` where there never was a directory.
    pub(super) fn sides(
        &self,
        manifest: &Manifest,
        index: &Index,
    ) -> Result<Option<(Root, Root)>, Failure> {
        let Some(source) = self.source()? else {
            return match index.root() {
                Some(_) => Err(self.gone()),
                None => Ok(None),
            };
        };
        let now = source.entry().map_err(|error| self.unreadable(&error))?;
        if index
            .root()
            .is_some_and(|was| was.entry().inode != now.inode)
        {
            return Err(self.gone().cause("there is another directory now"));
        }
        Ok(Some((source, self.copy_of(manifest)?)))
    }

    pub(super) fn gone(&self) -> Failure {
        Failure::new(
            "files-gone",
            format!(
                "the directory of `{}` that was copied is no longer there",
                self.name
            ),
        )
        .cause(self.directory.display())
        .hint("see whether its volume is mounted, then resume")
    }

    pub(super) fn source(&self) -> Result<Option<Root>, Failure> {
        match Root::open(self.directory) {
            Ok(root) => Ok(Some(root)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    pub(super) fn copy(&self, place: &Path) -> Result<Root, Failure> {
        Root::open(&place.join(COPY)).map_err(|error| self.backup.io("open", &error))
    }

    /// The copy of a shadow, where it is still in its place.
    pub(super) fn copy_of(&self, manifest: &Manifest) -> Result<Root, Failure> {
        let path = copy_in(manifest);
        Root::open(&path).map_err(|error| {
            Failure::new(
                "backup-missing",
                format!(
                    "the shadow of `{}` by {} is not in its place",
                    self.name,
                    self.backup.run()
                ),
            )
            .cause(format!("{}: {error}", path.display()))
        })
    }

    pub(super) fn manifest(&self) -> Result<Manifest, Failure> {
        self.backup.shadow()?.ok_or_else(|| {
            Failure::new(
                "backup-missing",
                format!(
                    "no shadow of `{}` was begun by {}",
                    self.name,
                    self.backup.run()
                ),
            )
        })
    }

    pub(super) fn index(&self) -> Result<Index, Failure> {
        let io = |error: std::io::Error| self.backup.io("read", &error);
        Index::read(&self.backup.path(INDEX))
            .map_err(io)?
            .ok_or_else(|| {
                Failure::new(
                    "backup-incomplete",
                    format!("the first copy of `{}` was not finished", self.name),
                )
            })
    }

    /// What was sealed, thing by thing.
    pub(super) fn sealed_index(&self) -> Result<Index, Failure> {
        let io = |error: std::io::Error| self.backup.io("read", &error);
        let index = self.index()?;
        match Index::read(&self.backup.path(SEALED)).map_err(io)? {
            Some(later) => Ok(index.and(&later)),
            None => Ok(index),
        }
    }

    /// The last index that there is.
    pub(super) fn last_index(&self) -> Index {
        self.sealed_index().unwrap_or_default()
    }

    pub(super) fn write_index(&self, name: &str, index: &Index) -> Result<(), Failure> {
        index
            .write(&self.backup.path(name))
            .map_err(|error| self.backup.io("write", &error))
    }

    /// Begins a pass: what changes from here on, or changed just before, is looked at again by the next.
    pub(super) fn pass(&self) -> Result<Moment, Failure> {
        fs::write(self.backup.path(PASS), b"pass")
            .map_err(|error| self.backup.io("write", &error))?;
        self.moment(PASS)
    }

    pub(super) fn moment(&self, name: &str) -> Result<Moment, Failure> {
        let path = self.backup.path(name);
        let found =
            rustix::fs::stat(&path).map_err(|error| self.backup.io("look at", &error.into()))?;
        let (seconds, nanoseconds) = Entry::of(&found).changed;
        Ok((seconds - MARGIN, nanoseconds))
    }

    /// Refuses to begin where the copy has no room: bytes, unless they are shared, and names.
    pub(super) fn require_room(&self, place: &Path, changes: &[Change]) -> Result<(), Failure> {
        let what = format!("the shadow of `{}`", self.name);
        let count = changes.iter().filter(|change| change.now.is_some()).count();
        survey::require_names(place, count as u64, &what)?;
        if survey::shares(place) {
            return Ok(());
        }
        let bytes = size(changes.iter().map(|change| &change.now));
        let had = size(changes.iter().map(|change| &change.was));
        disk::require_space(place, bytes.saturating_sub(had), &what)
    }

    pub(super) fn trouble(&self, doing: &str, trouble: Trouble) -> Failure {
        trouble.failure("files-io", format!("cannot {doing} `{}`", self.name))
    }

    pub(super) fn unreadable(&self, error: &std::io::Error) -> Failure {
        let what = format!(
            "cannot read `{}` in {}",
            self.name,
            self.directory.display()
        );
        disk::unreadable(what, error)
    }
}

/// Where the copy of a shadow is.
pub(super) fn copy_in(manifest: &Manifest) -> PathBuf {
    manifest.place.clone().unwrap_or_default().join(COPY)
}

pub(super) fn size<'c>(records: impl Iterator<Item = &'c Option<Box<Record>>>) -> u64 {
    records
        .filter_map(|record| record.as_deref())
        .map(Record::entry)
        .filter(Entry::is_file)
        .map(|entry| entry.size)
        .sum()
}
