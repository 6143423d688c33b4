//! Docker Compose: observe through `docker compose config`, the Engine API and
//! the files; change through the operator's own `docker compose` and files.
//!
//! Start with [`Deployment`]. What is pure (commands, edits, interpolation) is
//! apart from what acts, and tested to the character.

mod commands;
pub mod copy;
mod credentials;
mod deployment;
mod driver;
mod edit;
mod engine_api;
mod env_file;
mod failures;
mod glance;
mod health;
mod images;
mod interpolate;
mod labels;
mod layout;
#[cfg(test)]
mod live;
mod neighbour;
mod observe;
mod oneoff;
mod places;
mod problems;
pub(crate) mod project;
mod reach;
mod recognise;
mod shared;
mod updaters;
mod versions;

pub use deployment::Deployment;
pub(crate) use glance::glance;
pub use recognise::recognise;
