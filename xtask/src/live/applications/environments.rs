//! Releases as virtual environments, made once and kept.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::paths;
use crate::setup::{self, Need};
use crate::tool::tool;

/// Where each release is, by version.
pub(crate) type Releases = Vec<(String, PathBuf)>;

/// Says what an environment was made of, once it is whole.
const STAMP: &str = ".made-of";

/// The environments of a product: a version and what is installed for it, each. Inside, the reason why there is nothing
/// to install from.
pub(crate) fn made(name: &str, wanted: &[(&str, &[&str])]) -> Result<Result<Releases, String>> {
    let mut releases = Releases::new();
    for (version, requirements) in wanted {
        let place = paths::work()?
            .join("applications")
            .join(format!("{name}-{version}"));
        let stamp = requirements.join(" ");
        let known = fs::read_to_string(place.join(STAMP)).unwrap_or_default();
        if known != stamp {
            if let Err(problem) = install(&place, requirements) {
                return match unreachable(requirements) {
                    Some(why) => Ok(Err(why)),
                    None => Err(problem),
                };
            }
            fs::write(place.join(STAMP), stamp)?;
        }
        releases.push(((*version).to_owned(), place));
    }
    Ok(Ok(releases))
}

fn install(place: &Path, requirements: &[&str]) -> Result<()> {
    setup::packages(&[Need::Python])?;
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    fs::create_dir_all(place)?;
    tool("python3").args(["-m", "venv"]).arg(place).quiet()?;
    tool(place.join("bin/python"))
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(requirements)
        .quiet()
        .with_context(|| format!("cannot install {}", requirements.join(" ")))
}

/// Why the index does not answer for the first of the requirements; nothing where it does.
fn unreachable(requirements: &[&str]) -> Option<String> {
    let name = requirements.first()?.split(['=', '[', '<']).next()?;
    let asked = tool("python3")
        .args([
            "-m",
            "pip",
            "index",
            "versions",
            "--disable-pip-version-check",
            name,
        ])
        .answer()
        .ok()?;
    let last = |text: &str| text.lines().last().unwrap_or("no answer").to_owned();
    (!asked.status.success()).then(|| last(&asked.stderr))
}
