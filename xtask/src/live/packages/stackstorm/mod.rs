//! StackStorm as its packages install it, by switchback's own definition of it. The programs are stand-ins that do
//! what an upgrade sees of the real ones; what holds the data speaks MongoDB's protocol.

mod case;
mod database;
mod family;
mod remote;

pub(super) use case::cases;
