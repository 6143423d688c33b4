//! `switchback rehearse`: walks a plan on a copy of the deployment, with the code that walks it in
//! production, and tells what it took and what it changed.
//!
//! ```text
//! choose ─► copy ─► start ─► plan again, compare ─► walk ─► look ─► report ─► remove the copy
//!           └ production's lease, only here         └ the engine, its own journal
//! ```
//!
//! Nothing below this module knows that it rehearses: the copy is a deployment like any other.

mod by_hand;
mod choose;
mod copying;
pub(crate) mod demanded;
mod findings;
mod leftovers;
mod parting;
mod space;
mod stacks;
mod stage;
mod turn;
mod walk;
mod walked;
mod whole;

pub(crate) use leftovers::{CopyHere, CopyStanding, REMOVE, copies};
pub(crate) use whole::run;
