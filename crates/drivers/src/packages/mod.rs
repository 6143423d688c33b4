//! A product installed from Debian packages and run by systemd, on this host.
//!
//! ```text
//! dpkg's record of versions        what a `set` step changes, as if it were a file: see `set`
//! .switchback/packages/<set>/      package files of one set of versions, with checksums
//! .switchback/installs/<step>/     the installation that runs without us: pid, log, exit code
//! .switchback/installing           between which sets an installation is: written before, removed after
//! .switchback/conffiles/<set>/     conffiles as they were under that set
//! .switchback/hold                 while it is there, no unit of the product starts
//! .switchback/migrations/<run>/    as with `exec`
//! ```
//!
//! An image of the plan is a set: every package of the product with its exact version.
//! Start with [`Deployment`], which has the same shape as that of Compose.

mod apt;
mod conffiles;
mod deployment;
mod dpkg;
mod driver;
mod fetch;
mod glance;
mod hold;
mod install;
mod locks;
mod observe;
mod place;
mod problems;
mod processes;
mod recognise;
mod set;
mod store;
mod systemd;
mod units;

pub use deployment::Deployment;
pub(crate) use glance::glance;
pub use recognise::recognise;

#[cfg(test)]
mod tests;
