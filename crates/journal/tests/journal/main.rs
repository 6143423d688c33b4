//! The record on disk: its chain, its format, its leases, and what an operator is told when it is not as
//! it should be.

mod leases;
mod place;
mod record;
