//! Decides, never acts: finds the way between two versions, makes the plan that walks it, plans the
//! way back, and checks any plan independently of how it was made.
//!
//! Pure: no I/O, clock, randomness. Whatever it must know of the world is an argument, so that equal
//! inputs make equal plans, byte for byte.
//!
//! Start with [`path::find`], then [`build()`]; [`rollback()`] and [`check()`] stand by themselves.
//! [`outline()`] shows a plan in short form, for tests and logs; [`shape()`] what of it is the same elsewhere.

pub mod path;
pub mod scenario;
pub mod stack;

mod build;
mod check;
mod draft;
mod experience;
mod measured;
mod outline;
mod rollback;

pub use build::{
    EngineWish, Input, Note, Place, Planned, Weight, build, engines_wanted, first_obstacle,
    images_needed, lock_held, locks_unasked, obstacles, versions_set,
};
pub use check::{Objection, check, check_against, refusal};
pub use experience::Experience;
pub use measured::measured;
pub use outline::{outline, shape};
pub use rollback::{Proven, roll_over_stays, rollback};
