//! Rolls the content of one StackStorm instance over to another one: packs, configurations, keys of the
//! datastore, API keys, rules made through the API, audit logs.
//!
//! It reads the old instance and never changes it. What it found becomes a plan ([`plan()`]) that the same
//! engine carries out ([`carrier()`]) as every other. Secrets pass from one API to the other in memory: none
//! is written to a file, a plan or a journal, and none is an argument of a program.
//!
//! Start with [`inventory()`] for what is looked at, then [`plan()`].

mod adapt;
mod api;
mod carrier;
mod compare;
mod git;
mod inventory;
mod plan;
mod refusals;
mod release;

pub use carrier::carrier;
pub use inventory::{Inventory, Wish, inventory};
pub use plan::plan;
