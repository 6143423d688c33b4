//! Drivers: how a deployment is looked at and changed, one module per kind.
//!
//! A driver never decides: it observes what is there, answers expectations and
//! carries out single acts of a plan. Start with [`Deployment`], which serves both
//! planning (observe, resolve, edits) and running (driver, reach); then read
//! [`compose`].

mod by_hand;
pub mod compose;
mod courtesy;
mod detached;
mod either;
pub mod exec;
mod filesystem;
mod first_look;
#[cfg(test)]
mod fixtures;
mod formats;
mod host;
mod http;
mod local;
mod locate;
mod log;
pub mod packages;
mod schedules;
mod secret;
mod servers;
mod signals;
mod waiting;
mod write;
mod write_path;

pub use either::{Deployment, glance};
pub use filesystem::Directories;
pub use first_look::{Glance, Recognised};
pub use http::agent as http_agent;
pub use secret::plain as plain_secret;
