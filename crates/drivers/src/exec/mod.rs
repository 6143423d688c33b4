//! Plain local processes, where no container engine can run.
//!
//! ```text
//! <releases>/<version>/<binary>     one executable per release
//! <current>                         a file whose one line is the version in use
//! .switchback/<service>.{pid,log}   processes that outlive switchback
//! .switchback/migrations/<run>/…    one-off processes: pid, log, exit code
//! .switchback/companions/<run>/…    programs beside a datastore's server: the same
//! ```
//!
//! Start with [`Deployment`], which has the same shape as that of Compose.

mod companion;
mod deployment;
mod driver;
mod glance;
mod local;
mod owner;
mod passage;
mod paths;
mod place;
mod problems;
mod recognise;
mod release;
mod server;
mod short;

pub use deployment::Deployment;
pub(crate) use glance::glance;
pub use recognise::recognise;

#[cfg(test)]
mod tests;
