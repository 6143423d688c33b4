//! For tests only: a simulated deployment, crash points, a clock that jumps, and
//! one contract suite for every driver and datastore, real or simulated.
//!
//! A product never depends on this crate. Start with [`scenario`] for what is
//! simulated and with [`sweep`] for what is done to it.

pub mod aws;
pub mod clock;
pub mod content;
pub mod contract;
pub mod crash;
mod data;
mod driver;
mod hand_work;
mod host;
mod instances;
mod migration;
mod packages;
pub mod plans;
pub mod scenario;
pub mod stackstorm;
mod store;
pub mod sweep;
pub mod world;

pub use crash::{CrashPoints, Crashed};
pub use scenario::Scenario;
pub use world::World;
