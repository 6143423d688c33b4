//! Debian packages made on the fly, in a signed repository.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::tool::{Tool, tool};

/// What images with packages are made from, beside the packages.
pub(super) const INPUT: &str = include_str!("repository.rs");

/// One version of a package.
pub(super) struct Deb {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Lines of its record about other packages.
    pub(super) relation: String,
    /// What runs when it was installed.
    pub(super) script: Option<String>,
    /// Its files: path, text, mode. Those below `etc` are configuration.
    pub(super) files: Vec<(String, String, u32)>,
}

/// Makes packages, a repository of them below `root`, and beside its signature one by a key that is
/// over its time and one by a key that nobody has.
pub(super) fn make(root: &Path, packages: impl Iterator<Item = Deb>) -> Result<()> {
    let build = root.join("build");
    let repository = root.join("repository");
    fs::create_dir_all(&repository)?;
    for package in packages {
        package.build(&build, &repository)?;
    }
    fs::remove_dir_all(&build)?;
    publish(root)
}

/// Makes a repository of the package files in `root/repository`, signed as [`make`] does.
pub(super) fn publish(root: &Path) -> Result<()> {
    let repository = root.join("repository");
    index(&repository)?;
    sign(root, &repository)
}

impl Deb {
    fn build(&self, build: &Path, repository: &Path) -> Result<()> {
        let root = build.join(format!("{}-{}", self.name, self.version));
        let write = |path: &str, text: &str, mode: u32| -> Result<()> {
            let path = root.join(path);
            fs::create_dir_all(path.parent().context("a path in a directory")?)?;
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            Ok(())
        };
        let control = format!(
            "Package: {}\nVersion: {}-1\nArchitecture: all\nMaintainer: Nobody <nobody@localhost>\n\
             {}Description: part of a product for tests\n",
            self.name, self.version, self.relation
        );
        write("DEBIAN/control", &control, 0o644)?;
        if let Some(script) = &self.script {
            write("DEBIAN/postinst", script, 0o755)?;
        }
        let mut conffiles = String::new();
        for (path, text, mode) in &self.files {
            write(path, text, *mode)?;
            if path.starts_with("etc/") {
                conffiles.push_str(&format!("/{path}\n"));
            }
        }
        write("DEBIAN/conffiles", &conffiles, 0o644)?;
        tool("dpkg-deb")
            .args(["-Zgzip", "--root-owner-group", "--build"])
            .arg(&root)
            .arg(repository)
            .quiet()
    }
}

/// Writes the index of a repository and its digest.
fn index(repository: &Path) -> Result<()> {
    let mut packages = String::new();
    let mut files: Vec<PathBuf> = fs::read_dir(repository)?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    for file in files {
        let fields = tool("dpkg-deb").arg("--field").arg(&file).read()?;
        let bytes = fs::read(&file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        packages.push_str(&format!(
            "{fields}Filename: ./{name}\nSize: {}\nSHA256: {}\n\n",
            bytes.len(),
            sum(&bytes)
        ));
    }
    fs::write(repository.join("Packages"), &packages)?;
    let date = tool("date").args(["--utc", "--rfc-email"]).read()?;
    let release = format!(
        "Origin: Flow\nSuite: stable\nDate: {date}SHA256:\n {} {} Packages\n",
        sum(packages.as_bytes()),
        packages.len()
    );
    fs::write(repository.join("Release"), release)?;
    Ok(())
}

fn sign(root: &Path, repository: &Path) -> Result<()> {
    for name in ["present", "expired", "unknown"] {
        let home = root.join("keys");
        fs::create_dir_all(&home)?;
        tool("chmod").arg("700").arg(&home).quiet()?;
        // A key of long ago that was good for a day.
        let time = (name == "expired").then_some("--faked-system-time=20200101T000000!");
        let gpg = || -> Tool {
            tool("gpg")
                .args(["--batch", "--quiet", "--homedir"])
                .arg(&home)
                .args(time)
        };
        gpg()
            .args([
                "--passphrase",
                "",
                "--quick-generate-key",
                name,
                "ed25519",
                "sign",
            ])
            .arg(if time.is_some() { "1d" } else { "never" })
            .quiet()?;
        gpg()
            .args(["--clearsign", "--output"])
            .arg(root.join(format!("InRelease.{name}")))
            .arg(repository.join("Release"))
            .quiet()?;
        gpg()
            .args(["--export", "--output"])
            .arg(root.join(format!("{name}.gpg")))
            .quiet()?;
        drop(
            tool("gpgconf")
                .arg("--homedir")
                .arg(&home)
                .args(["--kill", "all"])
                .answer(),
        );
        fs::remove_dir_all(&home)?;
    }
    fs::copy(root.join("InRelease.present"), repository.join("InRelease"))?;
    Ok(())
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
