//! Decides, never acts.

pub mod path;
