//! MongoDB: kept by a dump in the layout of `mongodump`, proven and brought back in collections beside the data.
//!
//! We speak with the server ourselves: a product's host need not have its tools, and those that it has are rarely
//! of the server's line. One reading gives the dump, its counts and its checksums. The product's own user is
//! enough, for everything happens in the one database that it may write.
//!
//! Start with `keep.rs`; `restore.rs` has the switch; below are `client.rs`, `wire.rs` and `scram.rs`.

mod answers;
mod archive;
mod client;
mod fill;
mod hello;
mod keep;
mod layout;
mod names;
mod restore;
mod scram;
mod server;
mod set;
mod store;
mod tls;
mod uri;
mod wire;

pub(crate) use store::Mongodb;
