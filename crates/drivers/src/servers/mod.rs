//! What a datastore's server tells of itself while it runs, whatever kind of deployment keeps it: asked through its
//! own client program, changing nothing.

mod ask;
mod probes;
mod problems;
mod server;

pub(crate) use probes::Asker;
pub(crate) use server::Server;
