//! The commands, one file each. A command asks, plans or runs through the other
//! crates and shows what they say; it decides nothing itself.

mod apply;
pub(crate) mod backup;
mod catalog;
mod completions;
mod dispatch;
mod doctor;
mod elsewhere;
mod history;
mod init;
mod log;
mod man;
mod path;
mod plan;
mod rehearse;
mod resume;
mod rollback;
mod rollover;
mod scenarios;
mod status;

pub(crate) use dispatch::run;
