//! What the engine needs of the world. A driver changes a deployment, a
//! datastore keeps and brings back its data; both answer questions first.
//!
//! Every call may be repeated: after a crash the engine asks again
//! ([`Driver::look`], [`Datastore::look`]), and calls again where the answer is
//! not yet *holds*. Nothing an implementation needs after a crash may live in
//! memory only.

mod context;
mod datastore;
mod driver;
mod elsewhere;
mod reach;
mod site;

pub use context::{Context, Finding, Progress, Silent};
pub use datastore::{Datastore, Hold, UNCOUNTED};
pub use driver::{Driver, MigrationCall, MigrationTrace, no_stacks, not_for_a_driver};
pub use elsewhere::Elsewhere;
pub use reach::{Companion, CompanionState, Reach, SCRATCH_DIRECTORY, Scratch};
pub use site::Site;

pub use crate::failure::Failure;
