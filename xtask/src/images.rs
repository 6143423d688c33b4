//! Container images, made on this machine: no image registry is asked for anything.
//!
//! The datastores' images hold Debian's own PostgreSQL and Redis and start like the official ones. The product's images hold
//! the stand-in under the product's real names and tags.

mod build;
mod datastores;
mod host;
mod next;
mod product;
mod rootfs;

use anyhow::Result;

pub(crate) use datastores::{postgres_archive, postgres_image};
pub(crate) use host::{on_host, on_rpm_host, record_of_host};
pub(crate) use product::{Edition, stand_in};

/// The product's releases that tests and demo use.
pub(crate) const RELEASES: &[&str] = &[
    "3.18.2", "3.19.2", "3.20.2", "3.22.2", "3.23.2", "3.24.2", "3.28.2", "3.29.2", "3.32.0",
    "3.32.1", "3.32.2", "3.32.3",
];

/// Makes every image that tests and demo use, as far as it is missing or out of date.
pub(crate) fn all() -> Result<()> {
    datastores::build()?;
    next::build()?;
    for edition in [Edition::OpenSource, Edition::Enterprise] {
        product::build(edition, RELEASES)?;
    }
    Ok(())
}

/// Makes the images of PostgreSQL and Redis alone.
pub(crate) fn datastores() -> Result<()> {
    datastores::build()?;
    next::build()
}

/// Makes images of single releases, both editions.
pub(crate) fn releases(versions: &[&str]) -> Result<()> {
    datastores::build()?;
    for edition in [Edition::OpenSource, Edition::Enterprise] {
        product::build(edition, versions)?;
    }
    Ok(())
}
