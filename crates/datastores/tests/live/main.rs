//! Datastores against real servers: what must survive, and what must be said when it cannot.

mod bench;
mod capture;
mod cluster;
mod files;
mod postgres;
mod redis;
mod redis_server;
