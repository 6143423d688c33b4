//! Stand-ins for AWS that others wrote, images for what runs in them, and templates of releases.

mod images;
mod releases;
mod standins;

pub use images::{Containers, Image};
pub use releases::as_released;
pub use standins::{ACCOUNT, Kind, StandIn};
