//! What of a deployment of stacks can be copied beside it, and the plan that migrates the copies.
//!
//! ```text
//! plan ──► its migrations ──► lead: which can be led to a copy, and why the others not
//! stores, task of operations ─┘        │
//!                                      ▼
//!               template of one stack: databases from snapshots, a task that knows no other ─► Plan
//! ```
//!
//! A migration is only ever run where its program is told of nothing but the copy. Where that cannot be seen to be so,
//! it is left out and that is said.

mod environment;
mod hosts;
mod input;
mod lead;
mod operations;
mod plan;
mod template;

pub use input::{Copies, CopyInput, LeftOut};
pub use operations::{Operations, operations};
pub use plan::copies;
