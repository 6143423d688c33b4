//! PostgreSQL kept by a dump.

mod crashes;
mod refusals;
mod site;
mod whole;

pub(crate) use site::filled;
