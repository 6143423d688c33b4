//! What a server of another version will run on, and what the one of before ran on: where both lie, and how
//! they take each other's place.
//!
//! ```text
//! <directory>/../.switchback-engine-<run>-<datastore>/   beside the data, where that is one filesystem,
//! <directory>/.switchback-engine-<run>-<datastore>/      else in it
//!     data/          built for the other server; gone once it has taken the place
//!     carried.json   written last: what is in `data` is complete and was compared
//!     old/           what was in the place before, until the run is released
//! ```

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use switchback_engine::ports::{Failure, Finding};
use switchback_model::{Contents, DatastoreName, RunId};

use crate::swap::{self, Swap};
use crate::{backup, disk, shadow};

const BESIDE: &str = ".switchback-engine-";
const DATA: &str = "data";
const OLD: &str = "old";
const CARRIED: &str = "carried.json";
/// What a swap calls the first side that it moved away.
const FIRST: &str = "1";

/// What was carried over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Carried {
    /// Version of the server that it is for.
    pub(crate) version: String,
    /// Identity of what was built, where the server has one.
    #[serde(default)]
    pub(crate) system: Option<u64>,
    /// The original's own count of what is written to it, when it was read.
    #[serde(default)]
    pub(crate) mark: Option<String>,
    /// What both hold, by database.
    #[serde(default)]
    pub(crate) contents: BTreeMap<String, Contents>,
}

/// The directories of one change of a server.
pub(crate) struct Place<'a> {
    directory: &'a Path,
    root: PathBuf,
    forth: RunId,
    back: RunId,
}

impl<'a> Place<'a> {
    /// For the server that keeps its data in `directory`, changed by `run`.
    pub(crate) fn of(directory: &'a Path, run: &RunId, datastore: &DatastoreName) -> Self {
        let beside = directory
            .parent()
            .filter(|parent| shadow::device(parent) == shadow::device(directory));
        let root = beside.unwrap_or(directory);
        Self {
            directory,
            root: root.join(format!("{BESIDE}{run}-{datastore}")),
            forth: RunId::new(format!("{run}-{datastore}-engine")),
            back: RunId::new(format!("{run}-{datastore}-engine-back")),
        }
    }

    /// Where everything of it lies.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What is built for the other server.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join(DATA)
    }

    /// A directory for trying something out, of the same filesystem.
    pub(crate) fn trial(&self) -> PathBuf {
        let name = self.root.file_name().unwrap_or_default().to_string_lossy();
        self.root.with_file_name(format!("{name}-trial"))
    }

    /// Removes what was only tried.
    pub(crate) fn clean(&self) -> Result<(), Failure> {
        disk::remove(&self.trial()).map_err(|error| self.failed("tidy beside", &error))
    }

    /// What was carried over, where that is complete.
    pub(crate) fn carried(&self) -> Result<Option<Carried>, Failure> {
        let path = self.root.join(CARRIED);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| self.failed("read", &io::Error::other(error))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", &error)),
        }
    }

    /// Says durably that what is in `data` is complete.
    pub(crate) fn complete(&self, carried: &Carried) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(carried).unwrap_or_default();
        disk::sync_all(&self.data())
            .and_then(|()| backup::write_durably(&self.root.join(CARRIED), text.as_bytes()))
            .map_err(|error| self.failed("write", &error))
    }

    /// True once anything was moved: from then on `data` is no longer what to look at.
    pub(crate) fn is_under_way(&self) -> bool {
        self.swap(&self.forth).is_half_done()
            || self.swap(&self.forth).has_old()
            || self.old().exists()
    }

    /// Whether what was carried over to `version` is complete, or already in its place.
    pub(crate) fn look(&self, version: &str) -> Finding {
        match self.carried() {
            Err(failure) => Finding::Unknown { why: failure.what },
            Ok(Some(carried)) if carried.version == version => {
                if self.data().exists() || self.is_under_way() {
                    Finding::Holds
                } else {
                    differs("nothing left of what was carried over")
                }
            }
            Ok(Some(carried)) => differs(&format!("something for version {}", carried.version)),
            Ok(None) => differs("nothing, or half of it"),
        }
    }

    /// Puts what was carried over in the place of what `belongs`, which is kept. Goes on where it was interrupted.
    pub(crate) fn exchange(&self, belongs: impl Fn(&OsStr) -> bool) -> Result<(), Failure> {
        let swap = self.swap(&self.forth);
        if self.data().exists() && !self.is_under_way() {
            swap.take(&self.data())?;
        }
        self.go_on(&belongs)
    }

    /// Puts what an exchange kept back in its place. Nothing happens where nothing was exchanged.
    pub(crate) fn put_back(&self, belongs: impl Fn(&OsStr) -> bool) -> Result<(), Failure> {
        // Half an exchange is completed first: then there is one way back from one state.
        self.go_on(&belongs)?;
        let swap = self.swap(&self.back);
        let old = self.old().join(FIRST);
        if !swap.is_half_done() && old.exists() {
            swap.take(&old)?;
        }
        if swap.is_half_done() {
            swap.switch(&belongs)?;
        }
        Ok(())
    }

    /// Removes everything but what is in place.
    pub(crate) fn release(&self) -> Result<bool, Failure> {
        let (forth, back) = (self.swap(&self.forth), self.swap(&self.back));
        if forth.is_half_done() || back.is_half_done() {
            return Err(Failure::new(
                "engine-unfinished",
                format!("the data in {} is half exchanged", self.directory.display()),
            )
            .hint("resume: it goes on where it was"));
        }
        let had = self.root.exists();
        disk::remove(&self.root).map_err(|error| self.failed("remove", &error))?;
        Ok(forth.release()? | back.release()? | had)
    }

    /// Whether nothing is left but what is in place.
    pub(crate) fn released(&self) -> Finding {
        if self.root.exists() || self.swap(&self.forth).has_old() || self.swap(&self.back).has_old()
        {
            differs(&self.root.display().to_string())
        } else {
            Finding::Holds
        }
    }

    fn go_on(&self, belongs: &dyn Fn(&OsStr) -> bool) -> Result<(), Failure> {
        let swap = self.swap(&self.forth);
        if swap.is_half_done() {
            swap.switch(belongs)?;
        }
        if swap.has_old() {
            // Out of the directory: a copy of it must not copy its past.
            fs::rename(swap.old(), self.old())
                .and_then(|()| disk::sync_directory(&self.root))
                .and_then(|()| disk::sync_directory(self.directory))
                .map_err(|error| self.failed("keep aside", &error))?;
        }
        Ok(())
    }

    fn old(&self) -> PathBuf {
        self.root.join(OLD)
    }

    fn swap<'s>(&'s self, run: &'s RunId) -> Swap<'s> {
        Swap::new(self.directory, run)
    }

    fn failed(&self, doing: &str, error: &io::Error) -> Failure {
        let what = format!("cannot {doing} what is in {}", self.root.display());
        disk::failure("engine-io", what, error)
    }
}

/// What runs before keep in the data directory of a server, or a filesystem in its root.
pub(crate) fn is_foreign(name: &OsStr) -> bool {
    swap::is_ours(name) || name == "lost+found"
}

fn differs(found: &str) -> Finding {
    Finding::Differs {
        found: found.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lab {
        _home: tempfile::TempDir,
        directory: PathBuf,
        run: RunId,
        name: DatastoreName,
    }

    impl Lab {
        fn new() -> Self {
            let home = tempfile::tempdir().expect("temporary directory");
            let directory = home.path().join("server");
            fs::create_dir(&directory).expect("made");
            for (name, text) in [("PG_VERSION", "15"), ("base", "old")] {
                fs::write(directory.join(name), text).expect("written");
            }
            Self {
                directory,
                _home: home,
                run: RunId::new("r-1"),
                name: "identity".into(),
            }
        }

        fn place(&self) -> Place<'_> {
            Place::of(&self.directory, &self.run, &self.name)
        }

        fn carry(&self) {
            let place = self.place();
            fs::create_dir_all(place.data()).expect("made");
            for (name, text) in [("PG_VERSION", "17"), ("base", "new"), ("pg_wal", "new")] {
                fs::write(place.data().join(name), text).expect("written");
            }
            let carried = Carried {
                version: "17".to_owned(),
                system: Some(7),
                ..Carried::default()
            };
            place.complete(&carried).expect("written");
        }

        fn names(&self) -> Vec<String> {
            let names = swap::names(&self.directory).expect("readable").into_iter();
            names
                .map(|name| name.to_string_lossy().into_owned())
                .collect()
        }

        fn version(&self) -> String {
            fs::read_to_string(self.directory.join("PG_VERSION")).expect("there")
        }
    }

    #[test]
    fn forth_and_back_and_nothing_left() {
        let lab = Lab::new();
        assert!(matches!(lab.place().look("17"), Finding::Differs { .. }));
        lab.carry();
        assert_eq!(lab.place().look("17"), Finding::Holds);
        for _ in 0..2 {
            lab.place().exchange(|_| true).expect("exchanged");
            assert_eq!(
                (lab.version().as_str(), lab.place().look("17")),
                ("17", Finding::Holds)
            );
        }
        assert_eq!(lab.names(), ["PG_VERSION", "base", "pg_wal"]);
        for _ in 0..2 {
            lab.place().put_back(|_| true).expect("put back");
            assert_eq!(lab.version(), "15");
        }
        assert!(lab.place().release().expect("released"));
        assert_eq!(lab.names(), ["PG_VERSION", "base"]);
        assert_eq!(lab.place().released(), Finding::Holds);
    }

    #[test]
    fn a_way_back_from_half_an_exchange_goes_through_the_whole_one() {
        let lab = Lab::new();
        lab.carry();
        let place = lab.place();
        place.swap(&place.forth).take(&place.data()).expect("taken");
        assert_eq!(place.look("17"), Finding::Holds);
        assert!(place.release().is_err(), "half exchanged");
        place.put_back(|_| true).expect("put back");
        assert_eq!(lab.version(), "15");
        assert!(!place.is_under_way() || place.old().exists());
    }

    #[test]
    fn what_was_never_exchanged_is_only_removed() {
        let lab = Lab::new();
        lab.carry();
        lab.place().put_back(|_| true).expect("nothing to do");
        assert_eq!(lab.version(), "15");
        lab.place().release().expect("released");
        assert_eq!(lab.names(), ["PG_VERSION", "base"]);
    }
}
