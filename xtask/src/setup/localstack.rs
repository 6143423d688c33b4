//! LocalStack, the second opinion on stacks beside ministack: change sets, and stacks that are seen while they change.
//!
//! It wants a newer Python than this machine may have. That of Debian's next release is unpacked beside it with every
//! library it loads, its C library included, and started by that library's own loader: nothing is installed, and no
//! right is needed that a build does not have.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::donor;
use super::packages::{self, Need};
use crate::tool::tool;

/// The environment variable by which tests find it.
pub(super) const VARIABLE: &str = "SWITCHBACK_LOCALSTACK";
/// It and what it needs for stacks, as exact versions. Left out are packages that other services alone load, which are most
/// of its size.
const PINS: &str = include_str!("aws/localstack.txt");
/// Where it is, below our own directory.
const PLACE: &str = "localstack";

/// The Python that it runs in, and what that loads.
const PYTHON: &[&str] = &[
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.13-minimal",
    "libpython3.13-stdlib",
    "libsqlite3-0",
    "libssl3t64",
    "libstdc++6",
    "libuuid1",
    "libzstd1",
    "python3.13-minimal",
    "zlib1g",
];

/// What `pip` is told of that Python, for another one asks: packages for it, of every age of the C library.
const FOR_THAT_PYTHON: &[&str] = &[
    "--python-version",
    "3.13",
    "--implementation",
    "cp",
    "--abi",
    "cp313",
    "--abi",
    "abi3",
    "--abi",
    "none",
    "--platform",
    "manylinux_2_34_x86_64",
    "--platform",
    "manylinux_2_28_x86_64",
    "--platform",
    "manylinux_2_17_x86_64",
    "--platform",
    "manylinux2014_x86_64",
    "--platform",
    "manylinux_2_12_x86_64",
    "--platform",
    "manylinux2010_x86_64",
];

/// Starts it, wherever the directory is. The loader is called by name: the one of this machine is too old.
const STARTER: &str = r#"#!/bin/sh
place=$(dirname "$(dirname "$(readlink -f "$0")")")
usr=$place/python/unpacked/usr
export PYTHONPATH="$place/site"
exec "$usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" --library-path "$usr/lib/x86_64-linux-gnu" \
    "$usr/bin/python3.13" -m localstack.runtime.main
"#;

/// Where it is installed; inside, why it cannot be.
pub(super) fn stand_in() -> Result<Result<PathBuf, String>> {
    let place = donor::place(PLACE)?;
    let installed = place.join("installed.txt");
    let wanted = [PINS, &PYTHON.join(" "), STARTER].join("\n");
    if fs::read_to_string(&installed).is_ok_and(|there| there == wanted) {
        return Ok(Ok(place));
    }
    if std::env::consts::ARCH != "x86_64" {
        return Ok(Err("it is pinned for x86-64 alone".to_owned()));
    }
    packages::install(&[Need::Python])?;
    eprintln!("installing localstack");
    if place.exists() {
        fs::remove_dir_all(&place).context("cannot remove an earlier environment")?;
    }
    fs::create_dir_all(place.join("bin"))?;
    let made = donor::unpack_all(&format!("{PLACE}/python"), PYTHON)
        .map(drop)
        .and_then(|()| fetch(&place));
    if let Err(why) = made {
        return Ok(Err(format!("{why:#}")));
    }
    let starter = place.join("bin/localstack");
    fs::write(&starter, STARTER)?;
    fs::set_permissions(&starter, fs::Permissions::from_mode(0o755))?;
    // Only now: one that was cut off is made anew.
    fs::write(&installed, wanted)?;
    Ok(Ok(place))
}

fn fetch(place: &Path) -> Result<()> {
    let pins = place.join("wanted.txt");
    fs::write(&pins, PINS)?;
    tool("python3")
        // Each with its own word on which Python it is for, which `pip` would hold against its own.
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-compile",
            "--no-deps",
        ])
        .arg("--ignore-requires-python")
        .args(FOR_THAT_PYTHON)
        .arg("--target")
        .arg(place.join("site"))
        .arg("-r")
        .arg(&pins)
        .quiet()
}
