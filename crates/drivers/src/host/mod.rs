//! The machine that a deployment is on: this one, or one that is reached by SSH.
//!
//! A driver asks [`Host`] to run, read, write and look; it does not know where. Over there everything is done by
//! programs that every Linux has, as root; only what takes this program itself brings it there ([`elsewhere`]).
//! Everything that looks may be asked twice, so a connection that is lost meanwhile is made anew; what acts is not,
//! and halts the step.

mod claim;
mod either;
mod elsewhere;
mod far;
mod files;
mod here;
mod problems;
pub(crate) mod process;
mod program;
mod script;
mod seen;
mod ssh;

pub(crate) use either::{Host, unwritable};
pub(crate) use far::Far;
pub(crate) use problems::failure_of;
pub(crate) use program::ROOT;
pub(crate) use seen::Seen;

#[cfg(test)]
mod tests;
