//! Redis and Valkey: kept by a copy of the append-only files and the snapshot,
//! taken while the server is stopped; proven by a second server that loads
//! them; brought back by exchanging files.
//!
//! Works with the single append-only file, with the parts of Redis 7 and later,
//! and with snapshots alone. Start with `layout.rs`.

mod client;
mod commands;
mod compare;
mod contents;
mod digest;
mod exchange;
mod groups;
mod keep;
mod keys;
mod layout;
mod online;
mod replica;
mod reply;
mod restore;
mod sealed;
mod server;
mod session;
mod shadow;
mod shadowing;
mod store;

pub(crate) use store::Redis;
