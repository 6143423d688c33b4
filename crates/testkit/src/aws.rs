//! Stand-ins for AWS that others wrote, images for what runs in them, templates of releases, and answers that were written
//! down.

mod images;
mod releases;
mod replay;
mod standins;

pub use images::{Containers, Image};
pub use releases::as_released;
pub use replay::Replay;
pub use standins::{ACCOUNT, Kind, StandIn, signature};
