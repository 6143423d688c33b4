//! The backup repository: encrypted, deduplicated, off this host where the
//! operator says so. The program `restic` keeps it; this crate finds it, drives
//! it, and reads what it answers.
//!
//! ```text
//! Opened ── lock ──► Locked ── store, prune       what changes it needs the lock
//!    └───── fetch ─► Fetched ── read_by ─► Proven  only what was read counts
//! ```
//!
//! Nothing in it is ours alone: a snapshot holds files as they were kept, its
//! tags say of what, and a person with `restic` can list, check and restore it
//! without us. It never knows a datastore's format, and never sees a secret
//! anywhere but in an environment. Start with [`Opened`].

mod failure;
mod fetched;
mod labels;
mod locked;
mod locks;
mod opened;
mod restic;
mod retention;
mod stored;

pub use fetched::{Fetched, Proven};
pub use labels::Labels;
pub use locked::{Copy, Freed, Locked, Storing};
pub use opened::Opened;
pub use restic::Settings;
pub use retention::{Keeps, Kept, Retention, Rule};
pub use stored::{BackupId, Stored};
