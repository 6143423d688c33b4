//! Files in a directory, kept as a shadow (copied and compared while the service is up, sealed by what changed
//! since, given back by renames) or, the documented way, by `cp` and hashes. Those of another machine are kept over
//! there, by the same code: see `elsewhere`.
//!
//! Start with `store`; a shadow's life is in `shadow`, the way back in `give_back`. A pass is a walk that finds
//! what is not as the index says, an update that makes the copy so, and a comparison that reads both.

mod attributes;
mod compare;
mod contents;
mod dress;
mod elsewhere;
mod entry;
mod give_back;
mod holdings;
mod index;
mod root;
mod shadow;
mod store;
mod survey;
mod transfer;
mod tree;
mod update;
mod walk;
mod workers;

pub(crate) use elsewhere::FilesElsewhere;
pub use elsewhere::{COMMAND as ELSEWHERE, serve};
pub(crate) use store::Files;
