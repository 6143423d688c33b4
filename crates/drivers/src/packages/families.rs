//! Which family the product's packages are of, on a machine that may have the programs of both.

use std::path::Path;

use switchback_engine::ports::Failure;

use super::debian::Debian;
use super::packaging::Packaging;
use super::redhat::RedHat;
use crate::host::{Host, unwritable};

/// What keeps Debian's record.
const DPKG: &str = "/usr/bin/dpkg-query";

/// The family whose record has one of these packages; where none has, that of the machine's own packages.
pub(super) fn of(host: &Host, names: &[String]) -> Result<Box<dyn Packaging>, Failure> {
    let has = |family: &dyn Packaging| -> Result<bool, Failure> {
        let installed = family.installed(host, names)?;
        Ok(installed
            .iter()
            .any(|package| names.contains(&package.name)))
    };
    let debian = host
        .exists(Path::new(DPKG))
        .map_err(|error| unwritable(Path::new(DPKG), &error))?;
    if debian && has(&Debian)? {
        return Ok(Box::new(Debian));
    }
    match RedHat::on(host)? {
        Some(redhat) if !debian || has(&redhat)? => Ok(Box::new(redhat)),
        _ => Ok(Box::new(Debian)),
    }
}
