//! Redis and Valkey, in two ways.
//!
//! A *shadow* is a replica that appends: compared with the original while both
//! are up, ended at its last position, exchanged for it by renames. Start with
//! `shadow.rs`.
//!
//! A *dump* is a copy of the append-only files and the snapshot, taken while the
//! server is stopped; proven by a second server that loads them; brought back by
//! exchanging files. Start with `keep.rs`.
//!
//! Both work with the single append-only file, with the parts of Redis 7 and
//! later, and with snapshots alone: see `layout.rs`.

mod client;
mod commands;
mod compare;
mod contents;
mod digest;
mod engine;
mod exchange;
mod groups;
mod keep;
mod key;
mod keys;
mod layout;
mod online;
mod promote;
mod replica;
mod reply;
mod restore;
mod sealed;
mod server;
mod session;
mod shadow;
mod shadowing;
mod store;
mod tls;

pub(crate) use store::Redis;
