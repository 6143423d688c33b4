//! Datastores: how PostgreSQL, Redis and files are backed up, proven, restored.
//!
//! Each implements `engine::ports::Datastore` over a `Reach`, so it never knows
//! whether its server runs in a container or as a plain process. The server's
//! own tools do the work; what they are called with is in each `commands.rs`.
//!
//! Nothing that a crash needs is kept in memory: see [`backup`] for what is on
//! disk. Start with [`open`].

pub mod backup;
pub mod files;
mod open;
pub mod postgres;
pub mod redis;
mod survey;

pub use open::{Opened, open};
pub use survey::Survey;
