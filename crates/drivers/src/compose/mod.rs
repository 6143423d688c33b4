//! Docker Compose: observe through `docker compose config`, the Engine API and
//! the files; change through the operator's own `docker compose` and files.
//!
//! Start with [`Deployment`]. What is pure (commands, edits, interpolation) is
//! apart from what acts, and tested to the character.

mod deployment;

pub use deployment::{Deployment, Directories};
pub use recognise::{Recognised, recognise};

mod recognise;
