//! `cargo xtask test`: every test there is, on a machine that may have nothing but Rust.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::setup::{self, Engine};
use crate::tool::{WITH_AWS, cargo};
use crate::{images, live, paths};

/// How long live cases are begun. All of them take half an hour on two slow cores; `cargo xtask live` runs all.
const LIVE: Duration = Duration::from_secs(28 * 60);

/// Installs, builds, runs unit, property, sweep and contract tests, then the live ones. The last line is the count.
pub(crate) fn run() -> Result<()> {
    let engine = setup::all()?;
    let mut tests = cargo()
        .dir(&paths::root())
        .args(["test", "--locked", "--workspace", "--no-fail-fast"])
        .args(WITH_AWS);
    if engine == Engine::Ready {
        images::all()?;
        // Tests beside the code that need a real Docker, PostgreSQL or Redis ask for this.
        tests = tests.env("SWITCHBACK_LIVE", "1");
    }
    for stand_in in setup::stand_ins()? {
        match stand_in.place {
            Ok(place) => tests = tests.env(stand_in.variable, place),
            Err(why) => println!(
                "SKIPPED {}: it cannot be installed here: {why}",
                stand_in.name
            ),
        }
    }
    let tested = tests.run();
    if engine == Engine::Missing {
        println!("live tests were left out: no Docker Engine can run here");
        return tested;
    }
    let alive = live::run(None, Some(LIVE))?;
    tested?;
    if !alive {
        bail!("not every live test passed");
    }
    Ok(())
}
