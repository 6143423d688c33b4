//! Docker Compose: observe through `docker compose config`, the Engine API and
//! the files; change through the operator's own `docker compose` and files.
//!
//! Start with [`Deployment`]. What is pure (commands, edits, interpolation) is
//! apart from what acts, and tested to the character.

mod commands;
pub mod copy;
mod credentials;
mod deployment;
pub(crate) mod dotenv;
mod driver;
mod edit;
mod engine_api;
mod failures;
#[cfg(test)]
pub(crate) mod fixtures;
mod glance;
mod health;
mod images;
mod interpolate;
mod labels;
mod layout;
#[cfg(test)]
mod live;
mod observe;
mod oneoff;
mod places;
pub(crate) mod problems;
pub(crate) mod project;
mod reach;
mod recognise;
pub(crate) mod reference;
pub(crate) mod settings;
mod shared;
pub(crate) mod stores;
mod updaters;
mod versions;
mod yaml;

pub use crate::filesystem::Directories;
pub use deployment::Deployment;
pub use glance::{Glance, glance};
pub use recognise::{Recognised, recognise};
