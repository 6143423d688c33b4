//! Paths of StackStorm: cases that were derived by hand from its documentation and code, and what holds of
//! every pair of releases on every distribution.

mod cases;
mod properties;
mod queries;
mod stories;
