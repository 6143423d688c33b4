//! The contract of drivers, on a host of packages.

use anyhow::{Context, Result};
use serde_json::Value;

use super::super::judge;
use super::host::Host;
use crate::paths;
use crate::tool::cargo;

/// Runs it there, from the tests of the driver.
pub(super) fn passed(host: &Host) -> Result<()> {
    let built = cargo()
        .dir(&paths::root())
        .args([
            "test",
            "--locked",
            "--quiet",
            "--package",
            "switchback-drivers",
            "--lib",
        ])
        .args(["--no-run", "--message-format", "json"])
        .read()?;
    let program = built
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "switchback_drivers")
        .find_map(|message| message["executable"].as_str().map(str::to_owned))
        .context("cargo built no test")?;
    host.copy(&program, "/srv/contract")?;
    let said = host.ok(
        "SWITCHBACK_PACKAGED_PRODUCT=/srv/catalog/flow/product.toml /srv/contract --exact packages::tests::passes_the_contract 2>&1",
    )?;
    judge::told(&said, &["1 passed"])
}
