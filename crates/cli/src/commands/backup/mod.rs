//! `switchback backup`: backups that runs made, and those in the repository. One file per command; what they work with
//! is in [`crate::backups`]. Start with [`dispatch`].

mod create;
mod dispatch;
mod elsewhere;
mod list;
mod making;
mod open_run;
mod prove;
mod prune;
mod restore;
mod scratch;

pub(crate) use dispatch::run;
