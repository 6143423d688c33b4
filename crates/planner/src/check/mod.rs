//! An independent linter of any plan: built here, edited by hand, or sent by someone else.
//!
//! It shares no logic with the builder, so that a defect in one does not hide in the other: it walks
//! the steps with a small picture of the world ([`world`]) and objects to whatever is not safe there.
//! Start with [`check`]; [`check_against`] also asks the product's definition.

mod backups;
mod climbs;
mod content;
mod copies;
mod engines;
mod guards;
mod hand_work;
mod objection;
mod product;
mod recoveries;
mod restores;
mod shape;
mod stacks;
mod walk;
mod world;

pub use objection::{Objection, refusal};
pub use product::check_against;
pub use walk::check;
