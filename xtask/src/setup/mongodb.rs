//! A server that speaks MongoDB's protocol, from the Python package index: no package repository has MongoDB's own.

use std::path::PathBuf;

use anyhow::Result;

use crate::live::environments;

/// The environment variable by which tests find it.
pub(super) const VARIABLE: &str = "SWITCHBACK_MONGODB";
/// The server, and the official client that fills and looks at it.
const RELEASE: (&str, &[&str]) = ("0.7.0b3", &["secantusdb==0.7.0b3", "pymongo==4.20.0"]);

/// Where it is installed; inside, why there is nothing to install from.
pub(crate) fn stand_in() -> Result<Result<PathBuf, String>> {
    let made = environments::made("secantusdb", &[RELEASE])?;
    Ok(made.and_then(|releases| {
        let first = releases.into_iter().next();
        first.map(|(_, place)| place).ok_or_else(String::new)
    }))
}
