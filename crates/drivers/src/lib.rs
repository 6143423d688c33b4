//! Drivers: how a deployment is looked at and changed, one module per kind.
//!
//! A driver never decides: it observes what is there, answers expectations and
//! carries out single acts of a plan. Start with [`compose::Deployment`], which
//! serves both planning (observe, resolve, edits) and running (driver, reach).

pub mod compose;
mod filesystem;
mod glob;
mod http;
mod local;
mod log;
mod secret;
mod uri;
mod waiting;
mod write;
mod write_path;

pub use filesystem::Directories;
