//! Exchanging what lies in a directory, without ever having neither: by renames
//! inside it, in an order that a crash at any point can be resumed from.
//!
//! ```text
//! .switchback-new-<run>.part   being filled                        removed by clean
//! .switchback-new-<run>        complete, nothing moved yet         removed by clean
//! .switchback-going-<run>      what was there is being moved to …-old-<run>
//! .switchback-in-<run>         all of it is moved, the new is being moved in
//! .switchback-old-<run>/N/     what was there, until release; N counts restores
//! ```

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use switchback_engine::ports::{Context, Failure};
use switchback_model::RunId;

use crate::backup::{Backup, Manifest};
use crate::disk;

const OURS: &str = ".switchback-";

/// The exchange that one run makes in one directory.
pub(crate) struct Swap<'a> {
    directory: &'a Path,
    run: &'a RunId,
}

impl<'a> Swap<'a> {
    pub(crate) fn new(directory: &'a Path, run: &'a RunId) -> Self {
        Self { directory, run }
    }

    /// Fills the new side: `fill` gets an empty directory. What it writes is made durable.
    pub(crate) fn stage(
        &self,
        fill: impl FnOnce(&Path) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.stage_durable(|part| {
            fill(part)?;
            disk::sync_all(part).map_err(|error| self.failed("write beside", &error))
        })
    }

    /// Fills the new side with the files of a whole backup, which lie in its directory `copy`.
    pub(crate) fn stage_backup(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        manifest: &Manifest,
        copy: &str,
    ) -> Result<(), Failure> {
        let name = &manifest.datastore;
        backup.verify_files(cx)?;
        disk::require_space(
            self.directory,
            manifest.bytes,
            &format!("the restored copy of `{name}`"),
        )?;
        cx.progress.report(
            "copying the backup beside",
            None,
            Some(manifest.bytes),
            Some("B"),
        );
        let sources = paths(&backup.path(copy)).map_err(|error| backup.io("read", &error))?;
        self.stage(|new| {
            let what = format!("cannot copy the backup of `{name}` beside its data");
            disk::copy(cx, &sources, new).map_err(|error| disk::copy_failure(error, what))
        })
    }

    /// As [`Swap::stage`], where `fill` makes what it writes durable by itself.
    pub(crate) fn stage_durable(
        &self,
        fill: impl FnOnce(&Path) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let part = self.place("new", ".part");
        let staged = |error: io::Error| self.failed("write beside", &error);
        disk::remove(&part).map_err(staged)?;
        disk::remove(&self.place("new", "")).map_err(staged)?;
        fs::create_dir(&part).map_err(staged)?;
        if let Err(failure) = fill(&part) {
            let _ = disk::remove(&part);
            return Err(failure);
        }
        fs::rename(&part, self.place("new", "")).map_err(staged)?;
        disk::sync_directory(self.directory).map_err(staged)
    }

    /// Makes a directory that lies elsewhere on the same filesystem the new side, by one rename: from then on
    /// the exchange is half done, and [`Swap::switch`] goes on. Nothing ever removes what was taken. `false`
    /// where it cannot be renamed to here, and nothing happened.
    pub(crate) fn take(&self, from: &Path) -> Result<bool, Failure> {
        match fs::rename(from, self.place("going", "")) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => return Ok(false),
            renamed => renamed.map_err(|error| self.failed("take the shadow", &error))?,
        }
        from.parent()
            .map_or(Ok(()), disk::sync_directory)
            .and_then(|()| disk::sync_directory(self.directory))
            .map_err(|error| self.failed("take the shadow", &error))?;
        Ok(true)
    }

    /// Where the new side is while it is being moved in, for its owner and mode.
    pub(crate) fn incoming(&self) -> Option<PathBuf> {
        ["going", "in"]
            .iter()
            .map(|what| self.place(what, ""))
            .find(|path| path.exists())
    }

    /// Where the new side is while nothing was moved yet.
    pub(crate) fn staged(&self) -> PathBuf {
        self.place("new", "")
    }

    /// True where something was moved and not everything: only going on helps, and nobody may use the directory.
    pub(crate) fn is_half_done(&self) -> bool {
        self.place("going", "").exists() || self.place("in", "").exists()
    }

    /// True where something that was moved aside is kept.
    pub(crate) fn has_old(&self) -> bool {
        self.place("old", "").exists()
    }

    /// Where what was moved aside is kept.
    pub(crate) fn old(&self) -> PathBuf {
        self.place("old", "")
    }

    /// Exchanges the staged side for everything in place that `belongs`. Goes on where it was interrupted.
    pub(crate) fn switch(&self, belongs: impl Fn(&OsStr) -> bool) -> Result<(), Failure> {
        self.switch_io(&belongs)
            .map_err(|error| self.failed("exchange what is", &error))
    }

    fn switch_io(&self, belongs: &dyn Fn(&OsStr) -> bool) -> io::Result<()> {
        let (new, going, coming) = (
            self.place("new", ""),
            self.place("going", ""),
            self.place("in", ""),
        );
        if !self.is_half_done() {
            fs::rename(&new, &going)?;
            disk::sync_directory(self.directory)?;
        }
        if going.exists() {
            for name in names(self.directory)? {
                if !is_ours(&name) && belongs(&name) {
                    self.set_aside(&name)?;
                }
            }
            disk::sync_directory(self.directory)?;
            fs::rename(&going, &coming)?;
            disk::sync_directory(self.directory)?;
        }
        for name in names(&coming)? {
            // A server that was started meanwhile by somebody else may have made a new one.
            if fs::symlink_metadata(self.directory.join(&name)).is_ok() {
                self.set_aside(&name)?;
            }
            fs::rename(coming.join(&name), self.directory.join(&name))?;
        }
        disk::sync_directory(self.directory)?;
        fs::remove_dir(&coming)?;
        disk::sync_directory(self.directory)
    }

    /// Keeps one name under the first number that does not have it yet.
    fn set_aside(&self, name: &OsStr) -> io::Result<()> {
        let old = self.place("old", "");
        let mut number = 1_u32;
        let slot = loop {
            let slot = old.join(number.to_string());
            if fs::symlink_metadata(slot.join(name)).is_err() {
                break slot;
            }
            number += 1;
        };
        fs::create_dir_all(&slot)?;
        fs::rename(self.directory.join(name), slot.join(name))?;
        disk::sync_directory(&slot)
    }

    /// Removes what was moved aside; true where there was something.
    pub(crate) fn release(&self) -> Result<bool, Failure> {
        let had = self.has_old();
        disk::remove(&self.place("old", ""))
            .map_err(|error| self.failed("remove what was moved aside", &error))?;
        Ok(had)
    }

    /// Removes what was staged and not begun to be exchanged.
    pub(crate) fn clean(&self) -> Result<(), Failure> {
        [self.place("new", ".part"), self.place("new", "")]
            .iter()
            .try_for_each(|path| disk::remove(path))
            .map_err(|error| self.failed("tidy", &error))
    }

    fn place(&self, what: &str, suffix: &str) -> PathBuf {
        self.directory
            .join(format!("{OURS}{what}-{}{suffix}", self.run))
    }

    fn failed(&self, doing: &str, error: &io::Error) -> Failure {
        let what = format!("cannot {doing} in {}", self.directory.display());
        disk::failure("restore-io", what, error)
    }
}

/// True where any run's exchange is half done: nobody may use the directory.
pub(crate) fn is_any_half_done(directory: &Path) -> bool {
    ours(directory, &["going-", "in-"]).next().is_some()
}

/// Removes what any run staged and did not begin to exchange: a rollback stages under the run it goes back on.
pub(crate) fn clean_all(directory: &Path) -> Result<(), Failure> {
    ours(directory, &["new-"]).try_for_each(|path| {
        disk::remove(&path).map_err(|error| {
            let what = format!("cannot tidy in {}", directory.display());
            disk::failure("restore-io", what, &error)
        })
    })
}

fn ours<'a>(directory: &'a Path, kinds: &'a [&'a str]) -> impl Iterator<Item = PathBuf> + 'a {
    let found = names(directory).unwrap_or_default().into_iter();
    found
        .filter(|name| {
            let rest = name.as_encoded_bytes().strip_prefix(OURS.as_bytes());
            rest.is_some_and(|rest| kinds.iter().any(|kind| rest.starts_with(kind.as_bytes())))
        })
        .map(|name| directory.join(name))
}

/// True for names that only a restore makes.
pub(crate) fn is_ours(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(OURS.as_bytes())
}

/// What lies in a directory, each with its whole path.
pub(crate) fn paths(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let names = names(directory)?.into_iter();
    Ok(names.map(|name| directory.join(name)).collect())
}

/// Names in a directory, in order.
pub(crate) fn names(directory: &Path) -> io::Result<Vec<OsString>> {
    let mut names: Vec<OsString> = fs::read_dir(directory)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("temporary directory");
        for (name, text) in files {
            fs::write(directory.path().join(name), text).expect("written");
        }
        directory
    }

    fn read(directory: &Path) -> Vec<(String, String)> {
        names(directory)
            .expect("readable")
            .into_iter()
            .filter(|name| !is_ours(name))
            .map(|name| {
                let text = fs::read_to_string(directory.join(&name)).expect("a file");
                (name.to_string_lossy().into_owned(), text)
            })
            .collect()
    }

    fn stage(swap: &Swap<'_>) {
        swap.stage(|new| {
            fs::write(new.join("data"), "good").expect("written");
            fs::write(new.join("more"), "good").expect("written");
            Ok(())
        })
        .expect("staged");
    }

    fn expected() -> Vec<(String, String)> {
        [("data", "good"), ("more", "good"), ("mine", "x")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .to_vec()
    }

    /// Every state that a crash can leave, made by hand; going on leads to the same end.
    #[test]
    fn goes_on_from_every_point() {
        let run = RunId::new("r-1");
        for stop in 0..4 {
            let directory = directory_with(&[("data", "bad"), ("extra", "bad"), ("mine", "x")]);
            let path = directory.path();
            let swap = Swap::new(path, &run);
            stage(&swap);
            if stop >= 1 {
                fs::rename(swap.staged(), swap.place("going", "")).expect("renamed");
            }
            if stop >= 2 {
                swap.set_aside(OsStr::new("data")).expect("moved");
            }
            if stop >= 3 {
                swap.set_aside(OsStr::new("extra")).expect("moved");
                fs::rename(swap.place("going", ""), swap.place("in", "")).expect("renamed");
                fs::rename(swap.place("in", "").join("data"), path.join("data")).expect("renamed");
                // And somebody's server made an empty one in between.
                fs::write(path.join("more"), "empty").expect("written");
            }
            assert_eq!(swap.is_half_done(), stop >= 1);
            swap.clean().expect("clean");
            if stop == 0 {
                stage(&swap);
            }
            swap.switch(|name| name != "mine").expect("switched");
            let mut expected = expected();
            expected.sort();
            assert_eq!(read(path), expected, "from point {stop}");
            assert_eq!(
                fs::read_to_string(swap.place("old", "").join("1/data")).expect("kept"),
                "bad"
            );
            assert_eq!(
                fs::read_to_string(swap.place("old", "").join("1/extra")).expect("kept"),
                "bad"
            );
            assert!(swap.release().expect("released") && !swap.has_old());
        }
    }

    #[test]
    fn what_was_taken_is_moved_in_and_cleaning_never_removes_it() {
        let run = RunId::new("r-1");
        let directory = directory_with(&[("data", "bad")]);
        let shadow = directory_with(&[("data", "good"), ("more", "good")]);
        let copy = shadow.path().join("copy");
        fs::create_dir(&copy).expect("made");
        for name in ["data", "more"] {
            fs::rename(shadow.path().join(name), copy.join(name)).expect("moved");
        }
        let swap = Swap::new(directory.path(), &run);
        assert!(swap.take(&copy).expect("taken") && swap.is_half_done() && !copy.exists());
        swap.clean().expect("clean");
        clean_all(directory.path()).expect("clean");
        assert!(
            swap.incoming()
                .is_some_and(|path| path.join("more").exists())
        );
        swap.switch(|_| true).expect("switched");
        let expected = [("data", "good"), ("more", "good")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(read(directory.path()), expected);
    }

    #[test]
    fn a_second_restore_keeps_what_the_first_moved_aside() {
        let run = RunId::new("r-1");
        let directory = directory_with(&[("data", "original")]);
        let swap = Swap::new(directory.path(), &run);
        for _ in 0..2 {
            stage(&swap);
            swap.switch(|_| true).expect("switched");
        }
        let old = swap.place("old", "");
        assert_eq!(
            fs::read_to_string(old.join("1/data")).expect("kept"),
            "original"
        );
        assert_eq!(
            fs::read_to_string(old.join("2/data")).expect("kept"),
            "good"
        );
    }
}
