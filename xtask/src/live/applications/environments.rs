//! Releases as virtual environments, made once and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::paths;
use crate::setup::{self, Need};
use crate::tool::{Tool, tool};

/// Where each release is, by version.
pub(crate) type Releases = Vec<(String, PathBuf)>;

/// Says what an environment was made of, once it is whole.
const STAMP: &str = ".made-of";

/// The environments of a product: a version and what is installed for it, each. Inside, the reason why there is nothing
/// to install from.
pub(crate) fn made(name: &str, wanted: &[(&str, &[&str])]) -> Result<Result<Releases, String>> {
    make(name, wanted, Libraries::Own)
}

/// The same, where all of them work with the libraries of the first: a hundred packages less to install for each.
pub(super) fn made_over_the_first(
    name: &str,
    wanted: &[(&str, &[&str])],
) -> Result<Result<Releases, String>> {
    // Two cases are of one product, and begin at the same time.
    static MAKING: Mutex<()> = Mutex::new(());
    let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    make(name, wanted, Libraries::OfTheFirst)
}

/// Whether releases have their libraries to themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Libraries {
    Own,
    OfTheFirst,
}

fn make(
    name: &str,
    wanted: &[(&str, &[&str])],
    libraries: Libraries,
) -> Result<Result<Releases, String>> {
    let mut releases = Releases::new();
    for (version, requirements) in wanted {
        let place = paths::work()?
            .join("applications")
            .join(format!("{name}-{version}"));
        // Programs of one that was moved do not start: they name the place where it was made.
        let stamp = format!("{} in {}", requirements.join(" "), place.display());
        let known = fs::read_to_string(place.join(STAMP)).unwrap_or_default();
        if known != stamp {
            let first = releases
                .first()
                .filter(|_| libraries == Libraries::OfTheFirst);
            let installed = match first {
                Some((_, first)) => lay_over(first, &place, requirements),
                None => install(&place, requirements),
            };
            if let Err(problem) = installed {
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
    empty(place)?;
    tool("python3").args(["-m", "venv"]).arg(place).quiet()?;
    pip(place)
        .args(INSTALL)
        .args(requirements)
        .quiet()
        .with_context(|| format!("cannot install {}", requirements.join(" ")))
}

/// Installs what is required and no more, with the libraries of another environment below it.
fn lay_over(first: &Path, place: &Path, requirements: &[&str]) -> Result<()> {
    empty(place)?;
    tool("python3")
        .args(["-m", "venv", "--without-pip"])
        .arg(place)
        .quiet()?;
    let below = libraries(first)?;
    let path = format!("{}\n", below.display());
    fs::write(libraries(place)?.join("below.pth"), path)?;
    pip(first)
        .arg("--python")
        .arg(place.join("bin/python"))
        .args(INSTALL)
        .args(["--no-deps", "--ignore-installed"])
        .args(requirements)
        .quiet()
        .with_context(|| format!("cannot install {}", requirements.join(" ")))
}

/// What is imported is compiled when it is; a hundred packages that are not need not be.
const INSTALL: [&str; 3] = ["install", "--quiet", "--no-compile"];

fn pip(environment: &Path) -> Tool {
    tool(environment.join("bin/python")).args(["-m", "pip", "--disable-pip-version-check"])
}

fn empty(place: &Path) -> Result<()> {
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    Ok(fs::create_dir_all(place)?)
}

/// Where an environment has its packages.
fn libraries(environment: &Path) -> Result<PathBuf> {
    let lib = environment.join("lib");
    let version = fs::read_dir(&lib)?.flatten().next();
    let version = version.with_context(|| format!("nothing is in {}", lib.display()))?;
    Ok(version.path().join("site-packages"))
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
