//! A family of packages in several versions, made on the fly, in a signed repository.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::tool::{Tool, tool};

/// What comes in each version: packaging revision, format of its data.
const VERSIONS: [(&str, u32); 5] = [
    ("2.1.0", 1),
    ("2.2.0", 2),
    ("3.0.0", 3),
    ("4.0.0", 3),
    ("4.1.0", 3),
];

/// The definition of the product.
pub(super) const DEFINITION: &str = include_str!("family/product.toml");
const API: &str = include_str!("family/flow-api.pl");
const RUNNER: &str = include_str!("family/flow-runner.pl");
const IDLE: &str = include_str!("family/flow-idle.pl");
const MIGRATE: &str = include_str!("family/flow-migrate.sh");
const POSTINST: &str = include_str!("family/postinst.sh");

/// Everything that the packages are made from.
pub(super) const INPUTS: [&str; 7] = [
    DEFINITION,
    API,
    RUNNER,
    IDLE,
    MIGRATE,
    POSTINST,
    include_str!("family.rs"),
];

/// Makes the packages, a repository of them below `root`, and beside its signature one by a key that is
/// over its time and one by a key that nobody has.
pub(super) fn repository(root: &Path) -> Result<()> {
    let build = root.join("build");
    let repository = root.join("repository");
    fs::create_dir_all(&repository)?;
    for package in packages() {
        package.build(&build, &repository)?;
    }
    fs::remove_dir_all(&build)?;
    index(&repository)?;
    sign(root, &repository)
}

/// Every package in every version.
pub(super) fn packages() -> Vec<Package> {
    let product = VERSIONS.iter().flat_map(|(version, format)| {
        ["flow", "flow-web"].map(|name| Package {
            name,
            version,
            format: *format,
        })
    });
    let others = ["0.9", "1.0"].map(|version| Package {
        name: "flow-lib",
        version,
        format: 0,
    });
    product.chain(others).collect()
}

/// One version of a package.
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    format: u32,
}

/// What a package says of another one.
pub(super) enum Relation {
    /// It needs it, at this version or a later one.
    Needs(&'static str, &'static str),
    /// The other one must not be there.
    Forbids(&'static str),
}

impl Package {
    fn units(&self) -> Vec<&'static str> {
        match (self.name, self.format) {
            ("flow", 3) => vec!["flow-api", "flow-runner", "flow-scheduler"],
            ("flow", _) => vec!["flow-api", "flow-runner"],
            ("flow-web", _) => vec!["flow-web"],
            _ => Vec::new(),
        }
    }

    pub(super) fn relation(&self) -> Option<Relation> {
        match (self.name, self.version) {
            ("flow-web", _) => Some(Relation::Needs("flow", "2")),
            ("flow", "4.0.0") => Some(Relation::Needs("flow-lib", "1.0")),
            ("flow", "4.1.0") => Some(Relation::Forbids("flow-lib")),
            _ => None,
        }
    }

    fn filled(&self, text: &str, name: &str) -> String {
        text.replace("@VERSION@", self.version)
            .replace("@FORMAT@", &self.format.to_string())
            .replace("@UNITS@", &self.units().join(" "))
            .replace("@NAME@", name)
    }

    /// What runs when it was installed.
    pub(super) fn script(&self) -> Option<String> {
        let runs = !self.units().is_empty();
        runs.then(|| self.filled(POSTINST, self.name))
    }

    /// Its files: path, text, mode. Those below `etc` are configuration.
    pub(super) fn files(&self) -> Vec<(String, String, u32)> {
        let mut files = Vec::new();
        for unit in self.units() {
            let script = match unit {
                "flow-api" => API,
                "flow-runner" => RUNNER,
                _ => IDLE,
            };
            let program = self.filled(script, unit);
            files.push((format!("opt/flow/bin/{unit}"), program, 0o755));
            let text = format!(
                "[Unit]\nDescription={unit}\n\n[Service]\nExecStart=/opt/flow/bin/{unit}\n\n[Install]\nWantedBy=multi-user.target\n"
            );
            files.push((format!("lib/systemd/system/{unit}.service"), text, 0o644));
        }
        if self.name == "flow" {
            let migrate = self.filled(MIGRATE, self.name);
            files.push(("opt/flow/bin/flow-migrate".to_owned(), migrate, 0o755));
            let of = format!("# Of Flow {}.\n", self.version);
            let conf = format!("{of}port = 9101\n");
            files.push(("etc/flow/flow.conf".to_owned(), conf, 0o640));
            files.push(("etc/flow/limits.conf".to_owned(), of, 0o644));
        }
        files
    }

    fn build(&self, build: &Path, repository: &Path) -> Result<()> {
        let root = build.join(format!("{}-{}", self.name, self.version));
        let write = |path: &str, text: &str, mode: u32| -> Result<()> {
            use std::os::unix::fs::PermissionsExt as _;
            let path = root.join(path);
            fs::create_dir_all(path.parent().context("a path in a directory")?)?;
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            Ok(())
        };
        let (name, version) = (self.name, self.version);
        let relation = match self.relation() {
            Some(Relation::Needs(name, version)) => format!("Depends: {name} (>= {version})\n"),
            Some(Relation::Forbids(name)) => format!("Conflicts: {name}\n"),
            None => String::new(),
        };
        let control = format!(
            "Package: {name}\nVersion: {version}-1\nArchitecture: all\nMaintainer: Nobody <nobody@localhost>\n\
             {relation}Description: part of a product for tests\n"
        );
        write("DEBIAN/control", &control, 0o644)?;
        if let Some(script) = self.script() {
            write("DEBIAN/postinst", &script, 0o755)?;
        }
        let mut conffiles = String::new();
        for (path, text, mode) in self.files() {
            write(&path, &text, mode)?;
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
