//! What goes wrong while a run goes: each halts or refuses with three parts, changes nothing it should
//! not, and goes on once it is mended.

mod holders;
mod interruptions;
mod refusals;
mod scene;
mod world;
