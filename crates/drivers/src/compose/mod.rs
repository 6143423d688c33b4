//! Docker Compose: observe through `docker compose config`, the Engine API and
//! the files; change through the operator's own `docker compose` and files.
//!
//! Start with [`Deployment`]. What is pure (commands, edits, interpolation) is
//! apart from what acts, and tested to the character.

mod commands;
mod credentials;
mod deployment;
mod dotenv;
mod edit;
mod engine_api;
mod interpolate;
mod places;
mod problems;
mod project;
mod recognise;
mod reference;
mod versions;
mod yaml;

pub use deployment::{Deployment, Directories};
pub use recognise::{Recognised, recognise};
