//! Docker Compose: observe through `docker compose config`, the Engine API and
//! the files; change through the operator's own `docker compose` and files.
//!
//! Start with [`Deployment`]. What is pure (commands, edits, interpolation) is
//! apart from what acts, and tested to the character.

mod ask;
mod commands;
mod credentials;
mod deployment;
mod dotenv;
mod driver;
mod edit;
mod engine_api;
#[cfg(test)]
mod fixtures;
mod glance;
mod health;
mod interpolate;
mod labels;
mod layout;
#[cfg(test)]
mod live;
mod observe;
mod oneoff;
mod places;
mod probes;
mod problems;
mod project;
mod reach;
mod recognise;
mod reference;
mod settings;
mod stores;
mod versions;
mod yaml;

pub use deployment::{Deployment, Directories};
pub use glance::{Glance, glance};
pub use recognise::{Recognised, recognise};
