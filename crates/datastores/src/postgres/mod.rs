//! PostgreSQL by its own tools: a custom-format dump, restored beside and
//! switched in by renaming databases.
//!
//! ```text
//! restore:  switchback_new_… created ─► filled ─► compared ─┐ one transaction:
//!           app ───────────── renamed to switchback_old_… ──┤ a crash leaves
//!           switchback_new_… ─ renamed to app ──────────────┘ one or the other
//! ```
//!
//! Databases of other owners in the same cluster are never touched.

mod commands;
mod contents;
mod databases;
mod store;
mod trouble;

pub use store::Postgres;
