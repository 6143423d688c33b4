//! A product installed from packages and run by systemd, on this host.
//!
//! ```text
//! the record of versions           what a `set` step changes, as if it were a file: see `set`
//! .switchback/packages/<set>/      package files of one set of versions, with checksums
//! .switchback/installs/<step>/     the installation that runs without us: pid, log, exit code
//! .switchback/installing           between which sets an installation is: written before, removed after
//! .switchback/conffiles/<set>/     conffiles as they were under that set
//! .switchback/hold                 while it is there, no unit of the product that has our condition starts
//! .switchback/held                 every unit has the condition: written last, removed first
//! .switchback/migrations/<run>/    as with `exec`
//! ```
//!
//! An image of the plan is a set: every package of the product with its exact version.
//! Which family the packages are of (dpkg with apt, rpm with dnf) is behind one port, `packaging::Packaging`.
//! Start with [`Deployment`], which has the same shape as that of Compose.

mod claims;
mod conffiles;
mod debian;
mod deployment;
mod driver;
mod english;
mod families;
mod fetch;
mod glance;
mod hold;
mod install;
mod locks;
mod observe;
mod packaging;
mod place;
mod problems;
mod processes;
mod recognise;
mod record;
mod redhat;
mod set;
mod store;
mod systemd;
mod units;

pub use deployment::Deployment;
pub(crate) use glance::glance;
pub use recognise::recognise;

#[cfg(test)]
mod tests;
