//! `switchback backup`: backups that runs made, and those in the repository. One file per command;
//! what is on this machine is in [`local`], what opens the repository in [`repository`]. Start with
//! [`dispatch`].

mod create;
mod dispatch;
mod list;
mod local;
mod making;
mod prove;
mod prune;
mod repository;
mod restore;
mod scratch;
mod store;

pub(crate) use dispatch::run;
pub(crate) use list::{Here, There};
pub(crate) use store::after_run;
