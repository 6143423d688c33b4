//! PostgreSQL: kept by a custom-format dump, proven and brought back in a
//! database beside the original.
//!
//! Reading and dumping share one snapshot, so that the manifest says exactly
//! what the dump holds. The original is never dropped to make room: see
//! `restore.rs` for the switch.

mod commands;
mod engine;
pub(crate) mod keep;
mod names;
mod properties;
mod read;
mod restore;
mod server;
mod shadow;
mod sql;
mod store;
mod structure;

pub(crate) use store::Postgres;
