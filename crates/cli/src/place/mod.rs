//! Where things are: the state directory, the deployment and its
//! `switchback.toml`, the definitions.

pub(crate) mod config;
pub(crate) mod definitions;
pub(crate) mod deployment;
pub(crate) mod starter;
pub(crate) mod state;
