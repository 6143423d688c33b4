//! The way back of a run that changed stacks: a plan like any other, from what the journal proves and from what is
//! there now.
//!
//! ```text
//! plan, journal ─► stretch ─► history of each stack ─┐
//! account ─────────────────► where each stack is ────┼─► updates in reverse ─► stores from their snapshots ─► a look
//! snapshots, texts kept with the run ────────────────┘
//! ```
//!
//! Template and parameters of a stack go back by an update; data that a migration changed does not: its store is made
//! anew from the snapshot that the run took before, by the parameter that its template has for it. Where it has none,
//! a person brings it back, and the plan says how.

mod by_hand;
mod history;
mod input;
mod objects;
mod parameters;
mod plan;
mod problems;
mod stores;
mod stretch;
mod walk;

pub use input::BackInput;
pub use plan::way_back;
