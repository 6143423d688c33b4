//! Datastores: how PostgreSQL, Redis, MongoDB and files are backed up, proven, restored.
//!
//! Each implements `engine::ports::Datastore` over a `Reach`, so it never knows
//! whether its server runs in a container or as a plain process. The server's
//! own tools do the work; what they are called with is in each `commands.rs`.
//! MongoDB is the exception: it is talked with over the network, see `mongodb`.
//!
//! Nothing that a crash needs is kept in memory: see [`backup`] for what is on
//! disk. Start with [`open()`].

pub mod backup;
mod conversation;
mod disk;
mod engine;
mod files;
mod mongodb;
mod open;
mod postgres;
mod redis;
mod said;
mod shadow;
mod survey;
mod swap;
mod tally;
mod writers;

pub use files::{ELSEWHERE, serve as serve_elsewhere};
pub use open::{open, structure, survey};
pub use survey::Survey;
