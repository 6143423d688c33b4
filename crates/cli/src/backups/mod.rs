//! Backups, for whoever works with them: runs when they end, and the commands of `switchback backup`. It finds and
//! sends them, and never decides what is backed up or removed. What is on this machine is in [`local`], what opens
//! the repository in [`repository`]; start with [`store`], which brings the one into the other.

pub(crate) mod listed;
pub(crate) mod local;
pub(crate) mod repository;
pub(crate) mod store;
