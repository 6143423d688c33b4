//! What happened, durably: the record of all runs, the lease that lets one
//! process at a time write about a deployment, and the layout of the state
//! directory.
//!
//! An event is on disk before [`Journal::append`] returns, or the call fails and
//! its caller must not act. Nothing here decides what to do to a deployment:
//! [`state`] folds events into a run's state, [`recover`] names the next move,
//! both pure. Start with [`state`], which holds the table of legal moves.

mod chain;
mod durable;
mod error;
mod holder;
mod journal;
mod lease;
mod leasing;
mod outputs;
mod prefix;
mod presence;
pub mod recover;
mod schema;
pub mod state;
mod store;

pub use chain::Audit;
pub use error::JournalError;
pub use holder::{Holder, Life, ProcessIdentity};
pub use journal::{Journal, RunRecord};
pub use lease::{Key, Lease};
pub use outputs::Outputs;
pub use state::{RunState, RunStatus, StepStatus};
pub use store::{StateDirectory, read_plan};
