//! A copy of a Compose deployment that cannot touch the original: a project of
//! its own, networks of its own without a way out, data of its own.
//!
//! ```text
//! docker compose config ─► Blueprint ─► write ─► compose.yaml, .env, files     (nothing runs yet)
//!    (as data)             (pure)                 start ─► … ─► remove           (by project name)
//! ```
//!
//! A [`Blueprint`] says what the copy is and which files have to be brought to
//! it; the data of datastores come from elsewhere, see [`Blueprint::data`]. The
//! copy is a deployment like any other: nothing that drives it knows what it is.

mod blueprint;
mod drawing;
mod emit;
mod mounts;
mod needed;
mod original;
mod project;
mod service;
mod transfer;

pub use blueprint::Blueprint;
pub use original::Request;
pub use project::{CopiedProject, Trace};
pub use transfer::{Transfer, TransferError};
