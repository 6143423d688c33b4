//! Turns a path and an observation into a plan: stages, steps, guards, ways back, forecast.
//!
//! ```text
//! observation ─► obstacles ─► cast (which services) ─┐
//! path ────────► legs ───────────────────────────────┼─► stages ─► forecast ─► Plan + notes
//! configuration ────────────► keeping (which backups)┘
//! ```
//!
//! Start with [`build`]. Every choice is made here, so that executing a plan needs none.

mod actions;
mod cast;
mod climbs;
pub(crate) mod costs;
mod engines;
pub(crate) mod estimates;
mod forecast;
mod guards;
mod hand_work;
mod images;
mod input;
mod keeping;
mod notices;
mod pins;
mod plan;
mod preconditions;
mod reference;
mod route;
mod servers;
pub(crate) mod space;
mod stages;
mod steps;
mod verification;
mod wayback;

pub use engines::{EngineWish, engines_wanted};
pub use images::{images_needed, versions_set};
pub use input::{Input, Note, Place, Planned, Weight};
pub use plan::build;
pub use preconditions::{first_obstacle, lock_held, locks_unasked, obstacles};
