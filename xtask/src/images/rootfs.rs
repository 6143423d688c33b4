//! A root file system made of this machine's own programs and the libraries they load.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::setup::static_busybox;
use crate::tool::tool;

/// BusyBox programs that entrypoints, health checks and operators' one-liners use.
const APPLETS: &[&str] = &[
    "awk",
    "basename",
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "dirname",
    "du",
    "env",
    "false",
    "find",
    "grep",
    "gunzip",
    "gzip",
    "head",
    "hostname",
    "id",
    "kill",
    "ln",
    "ls",
    "md5sum",
    "mkdir",
    "mktemp",
    "mv",
    "od",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "sync",
    "tail",
    "tar",
    "test",
    "touch",
    "tr",
    "true",
    "uname",
    "wc",
    "wget",
    "which",
    "whoami",
    "xargs",
];

/// A directory that becomes an image.
pub(super) struct RootFs {
    root: PathBuf,
    copied: BTreeSet<PathBuf>,
}

impl RootFs {
    /// An empty one, with a shell and the directories that every program expects.
    pub(super) fn create(root: &Path) -> Result<Self> {
        if root.exists() {
            fs::remove_dir_all(root)?;
        }
        let mut new = Self::empty(root);
        for dir in [
            "bin", "etc", "root", "run", "tmp", "usr/bin", "usr/sbin", "var/run",
        ] {
            new.directory(dir)?;
        }
        new.mode("tmp", 0o1777)?;
        let busybox = static_busybox().context("no static BusyBox is installed")?;
        new.copy_to(&busybox, "bin/busybox")?;
        for applet in APPLETS {
            symlink("busybox", new.root.join("bin").join(applet))?;
        }
        // A program without this file asks the network for local names.
        new.write(
            "etc/nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\n",
        )?;
        new.write("etc/profile", "")?;
        Ok(new)
    }

    /// One with nothing in it, to be laid over another root file system.
    pub(super) fn empty(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            copied: BTreeSet::new(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    pub(super) fn directory(&mut self, path: &str) -> Result<()> {
        fs::create_dir_all(self.root.join(path)).with_context(|| format!("cannot make {path}"))
    }

    pub(super) fn write(&mut self, path: &str, text: &str) -> Result<()> {
        fs::write(self.root.join(path), text).with_context(|| format!("cannot write {path}"))
    }

    pub(super) fn append(&mut self, path: &str, text: &str) -> Result<()> {
        let before = fs::read_to_string(self.root.join(path))
            .with_context(|| format!("cannot read {path}"))?;
        self.write(path, &(before + text))
    }

    pub(super) fn mode(&mut self, path: &str, mode: u32) -> Result<()> {
        fs::set_permissions(self.root.join(path), fs::Permissions::from_mode(mode))?;
        Ok(())
    }

    pub(super) fn link(&mut self, target: &str, path: &str) -> Result<()> {
        symlink(target, self.root.join(path)).with_context(|| format!("cannot link {path}"))
    }

    /// The users `root`, `nobody` and one of the image's own.
    pub(super) fn users(&mut self, name: &str, id: u32, home: &str) -> Result<()> {
        self.write(
            "etc/passwd",
            &format!("root:x:0:0:root:/root:/bin/sh\n{name}:x:{id}:{id}::{home}:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"),
        )?;
        self.write(
            "etc/group",
            &format!("root:x:0:\n{name}:x:{id}:\nnogroup:x:65534:\n"),
        )
    }

    /// Copies a program or library to the same place, and every library that it loads.
    pub(super) fn program(&mut self, path: &Path) -> Result<()> {
        self.same_place(path)?;
        let loaded = tool("ldd").arg(path).answer()?.stdout;
        for library in loaded.lines().filter_map(library_of) {
            self.same_place(&library)?;
        }
        Ok(())
    }

    /// Copies a directory tree to the same place.
    pub(super) fn tree(&mut self, path: &Path) -> Result<()> {
        let parent = self.inside(path.parent().context("a tree below the root")?);
        fs::create_dir_all(&parent)?;
        tool("cp").arg("-a").arg(path).arg(&parent).quiet()
    }

    /// Copies everything below a directory to another place, over what is there.
    pub(super) fn lay_over(&mut self, from: &Path, to: &str) -> Result<()> {
        let to = self.root.join(to);
        fs::create_dir_all(&to)?;
        tool("cp").arg("-a").arg(from.join(".")).arg(&to).quiet()
    }

    /// Copies one file's content to another place.
    pub(super) fn copy_to(&mut self, path: &Path, to: &str) -> Result<()> {
        let to = self.root.join(to);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(path, &to).with_context(|| format!("cannot copy {}", path.display()))?;
        Ok(())
    }

    fn same_place(&mut self, path: &Path) -> Result<()> {
        if !self.copied.insert(path.to_owned()) {
            return Ok(());
        }
        let to = self.inside(path);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(path, &to).with_context(|| format!("cannot copy {}", path.display()))?;
        Ok(())
    }

    fn inside(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// The file in a line of `ldd`: `name => /path (0x…)` or `/path (0x…)`.
fn library_of(line: &str) -> Option<PathBuf> {
    let place = line
        .split_once("=>")
        .map_or(line, |(_, place)| place)
        .trim();
    let path = place.split(" (").next()?;
    path.starts_with('/').then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::library_of;

    #[test]
    fn lines_of_ldd() {
        assert_eq!(library_of("\tlinux-vdso.so.1 (0x00007ffc)"), None);
        assert_eq!(
            library_of("\tlibpq.so.5 => /lib/libpq.so.5 (0x00007f)"),
            Some(PathBuf::from("/lib/libpq.so.5"))
        );
        assert_eq!(
            library_of("\t/lib64/ld-linux-x86-64.so.2 (0x00007f)"),
            Some(PathBuf::from("/lib64/ld-linux-x86-64.so.2"))
        );
        assert_eq!(library_of("\tlibmissing.so => not found"), None);
    }
}
