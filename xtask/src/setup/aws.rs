//! Stand-ins for AWS that others wrote: ministack for stacks, moto for databases and machines, microburst for what goes
//! wrong on the way. Pinned to the byte: what they get right was measured, and the tests rely on it.

use std::fs;

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::packages::{self, Need};
use crate::paths;
use crate::tool::tool;

/// The environment variable by which tests find them.
pub(crate) const VARIABLE: &str = "SWITCHBACK_AWS_STANDINS";
/// Each with everything it needs, as exact versions.
const STAND_INS: [(&str, &str); 3] = [
    ("ministack", include_str!("aws/ministack.txt")),
    ("moto", include_str!("aws/moto.txt")),
    ("microburst", include_str!("aws/microburst.txt")),
];

/// Where they are installed, each in an environment of its own; inside, why there is nothing to install from.
pub(crate) fn stand_ins() -> Result<Result<PathBuf, String>> {
    let place = paths::work()?.join("aws-standins");
    for (name, pins) in STAND_INS {
        let environment = place.join(name);
        let installed = environment.join("installed.txt");
        if fs::read_to_string(&installed).is_ok_and(|there| there == pins) {
            continue;
        }
        packages::install(&[Need::Python])?;
        eprintln!("installing {name}");
        if environment.exists() {
            fs::remove_dir_all(&environment).context("cannot remove an earlier environment")?;
        }
        fs::create_dir_all(&place)?;
        tool("python3")
            .args(["-m", "venv"])
            .arg(&environment)
            .quiet()?;
        let wanted = environment.join("wanted.txt");
        fs::write(&wanted, pins)?;
        let fetched = tool(environment.join("bin/python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-compile",
                "--no-deps",
                "-r",
            ])
            .arg(&wanted)
            .quiet();
        if let Err(why) = fetched {
            return Ok(Err(format!("{why:#}")));
        }
        // Only now: one that was cut off is made anew.
        fs::rename(&wanted, &installed)?;
    }
    Ok(Ok(place))
}
