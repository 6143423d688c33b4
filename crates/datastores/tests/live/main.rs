//! Datastores against real servers: what must survive, and what must be said when it cannot.

mod bench;
mod capture;
mod certificate;
mod cluster;
mod files;
mod mistral;
mod mongodb;
mod mongodb_server;
mod mongodb_set;
mod no_room;
mod postgres;
mod postgres_shadow;
mod promoted;
mod redis;
mod redis_server;
mod redis_shadow;
