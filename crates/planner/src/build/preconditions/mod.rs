//! What keeps a deployment from being upgraded at all, whatever the path. Everything is looked at
//! before anything is planned, and all of it is told at once by `doctor`. Start with [`obstacles()`].

mod advice;
mod engines;
mod locks;
mod obstacles;
mod stores;
mod versions;

pub(crate) use engines::{is_numbered, major};
pub use locks::{lock_held, locks_unasked};
pub use obstacles::{first_obstacle, obstacles};
