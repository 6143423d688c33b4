//! Files in a directory: copied while the service is up, brought up to date
//! once it is stopped, proven by hashes, brought back by renames.

mod store;
mod tree;

pub(crate) use store::Files;
