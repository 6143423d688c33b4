//! The way back, planned from what the journal proves: never undo, always a new plan that is shown,
//! guarded and resumable like any other. Start with [`rollback`].

mod plan;
mod problems;
mod proven;
mod steps;
mod taken_back;

pub use plan::rollback;
pub use problems::roll_over_stays;
pub(crate) use problems::{of_a_recovery, of_a_way_back};
pub use proven::Proven;
