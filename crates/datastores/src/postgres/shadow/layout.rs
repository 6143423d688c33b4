//! The directory of a shadow: the copy itself, and beside it what only its
//! server needs, so that the copy stays what it will be as an original.
//!
//! ```text
//! <place>/data/           the copy; moved or copied into place by the way back
//!        /empty.conf      instead of the operator's postgresql.conf
//!        /hba.conf        whoever reaches the socket may log in, nobody else reaches it
//!        /passfile        the password for the original, gone with the seal
//!        /.s.PGSQL.5432   the socket
//! ```

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use switchback_engine::ports::SCRATCH_DIRECTORY;
use switchback_engine::process::Secret;

use crate::backup::Manifest;
use crate::disk;

/// Makes a server follow.
const FOLLOW: &str = "standby.signal";
/// What a base backup or a standby adds, and an original does not have.
const ADDED: &[&str] = &[FOLLOW, "backup_label.old", MANIFEST];
/// What the server says that it sent.
const MANIFEST: &str = "backup_manifest";
const PASSFILE: &str = "passfile";

/// A shadow's directory as this host sees it.
#[derive(Clone, Debug)]
pub(in super::super) struct Layout {
    place: PathBuf,
}

impl Layout {
    pub(in super::super) fn new(place: &Path) -> Self {
        Self {
            place: place.to_owned(),
        }
    }

    pub(in super::super) fn place(&self) -> &Path {
        &self.place
    }

    /// The copy.
    pub(in super::super) fn data(&self) -> PathBuf {
        self.place.join("data")
    }

    /// Makes the directory anew and empty, owned like the original's.
    pub(in super::super) fn make(&self, original: &fs::Metadata) -> io::Result<()> {
        disk::remove(&self.place)?;
        if let Some(parent) = self.place.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::DirBuilder::new().mode(0o700).create(&self.place)?;
        disk::give_to(&self.place, original)
    }

    /// Writes what its server needs beside the copy.
    pub(in super::super) fn furnish(&self, password: Option<&Secret>) -> io::Result<()> {
        let owner = fs::metadata(&self.place)?;
        let write = |name: &str, text: &str| {
            let path = self.place.join(name);
            disk::remove(&path)?;
            let mut file = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all(text.as_bytes())?;
            disk::give_to(&path, &owner)
        };
        write("empty.conf", "")?;
        write("ident.conf", "")?;
        write("hba.conf", "local all all trust\n")?;
        match password {
            Some(password) => write(
                PASSFILE,
                &format!("*:*:*:*:{}\n", escaped(password.expose())),
            ),
            None => Ok(()),
        }
    }

    /// Makes the copy follow when it is started.
    pub(super) fn mark_following(&self) -> io::Result<()> {
        let path = self.data().join(FOLLOW);
        File::create(&path)?;
        disk::give_to(&path, &fs::metadata(self.data())?)
    }

    /// True where a complete copy was marked to follow.
    pub(super) fn is_marked_following(&self) -> bool {
        self.data().join(FOLLOW).exists()
    }

    /// True where its server opened its socket.
    pub(super) fn has_socket(&self) -> bool {
        self.place.join(".s.PGSQL.5432").exists()
    }

    /// True where the server said what it sent.
    pub(super) fn has_manifest(&self) -> bool {
        self.data().join(MANIFEST).exists()
    }

    /// Takes out of the copy what was added, and the password from beside it. Durable when it returns.
    pub(in super::super) fn strip(&self) -> io::Result<()> {
        strip(&self.data())?;
        for name in [PASSFILE, "empty.conf", "ident.conf", "hba.conf"] {
            disk::remove(&self.place.join(name))?;
        }
        disk::sync_directory(&self.place)
    }

    /// What restores inside the original's directory left there, and the copy brought along.
    pub(super) fn drop_leftovers(&self) -> io::Result<()> {
        for name in crate::swap::names(&self.data())? {
            if crate::swap::is_ours(&name) {
                disk::remove(&self.data().join(&name))?;
            }
        }
        Ok(())
    }
}

/// Where the manifest says that the shadow is.
pub(super) fn layout_of(manifest: &Manifest) -> Option<Layout> {
    manifest.place.as_deref().map(Layout::new)
}

/// Takes out of a data directory what makes it a follower, and what a copy of a running server holds of
/// that server: where it listens in its own directory, the lock of its socket names a process, and a
/// server that finds that pid in use refuses to start.
pub(super) fn strip(data: &Path) -> io::Result<()> {
    for name in ADDED {
        disk::remove(&data.join(name))?;
    }
    for name in crate::swap::names(data)? {
        if name.as_encoded_bytes().starts_with(b".s.PGSQL.") {
            disk::remove(&data.join(name))?;
        }
    }
    disk::sync_directory(data)
}

/// The password file as the shadow's own server sees it, where there is a password.
pub(super) fn passfile(password: Option<&Secret>) -> Option<String> {
    password.map(|_| format!("{SCRATCH_DIRECTORY}/{PASSFILE}"))
}

fn escaped(password: &str) -> String {
    password.replace('\\', r"\\").replace(':', r"\:")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_password_is_for_its_owner_alone_and_goes_with_the_seal() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let layout = Layout::new(&directory.path().join("a/shadow"));
        let like = fs::metadata(directory.path()).expect("there");
        layout.make(&like).expect("made");
        fs::create_dir(layout.data()).expect("made");
        layout
            .furnish(Some(&Secret::new(r"a:b\c")))
            .expect("furnished");
        layout.mark_following().expect("marked");
        let lock = layout.data().join(".s.PGSQL.5432.lock");
        fs::write(&lock, "1\n").expect("written");
        let passfile = layout.place().join(PASSFILE);
        assert_eq!(
            fs::read_to_string(&passfile).expect("written"),
            "*:*:*:*:a\\:b\\\\c\n"
        );
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&passfile), mode(layout.place())), (0o600, 0o700));
        layout.strip().expect("stripped");
        assert!(!passfile.exists() && !layout.data().join(FOLLOW).exists());
        assert!(!lock.exists());
    }
}
