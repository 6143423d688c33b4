//! Faults that a test asks for in the container's environment. Nothing else makes this program misbehave on purpose.

use std::time::Duration;

use anyhow::{Result, bail};

/// `STANDIN_FAIL_MIGRATION`: name of an Identity Server migration, or of a command such as `ns-db`.
const FAIL: &str = "STANDIN_FAIL_MIGRATION";

/// `STANDIN_SLOW_MS`: pause in the middle of every migration that has work to do.
const SLOW: &str = "STANDIN_SLOW_MS";

/// `STANDIN_FAIL_START`: the server ends while it starts.
const START: &str = "STANDIN_FAIL_START";

/// Called when half of a migration's work is done: pauses, then fails if this is the one to fail.
pub(crate) fn in_the_middle_of(migration: &str) -> Result<()> {
    if let Some(pause) = std::env::var(SLOW).ok().and_then(|text| text.parse().ok()) {
        std::thread::sleep(Duration::from_millis(pause));
    }
    if std::env::var(FAIL).is_ok_and(|name| name == migration) {
        bail!(
            "ERROR: could not extend file \"base/16384/2619\": No space left on device (SQLSTATE=53100)"
        );
    }
    Ok(())
}

/// Called before the server listens.
pub(crate) fn at_start() -> Result<()> {
    if std::env::var_os(START).is_some_and(|text| !text.is_empty()) {
        bail!("error:pkg/component:listen (could not listen on `:1885`)");
    }
    Ok(())
}
