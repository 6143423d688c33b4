//! Datastores against real servers: what must survive, and what must be said when it cannot.

mod bench;
mod cluster;
mod postgres;
