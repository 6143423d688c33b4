//! Stand-ins for AWS that others wrote, and images for what runs in them.

mod images;
mod standins;

pub use images::{Containers, Image};
pub use standins::{ACCOUNT, Kind, StandIn};
