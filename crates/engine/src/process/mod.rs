//! Child processes: described as values ([`Argv`]), run by one runner
//! ([`Commands`]) that redacts, reports progress, and leaves nothing behind.
//!
//! Each child leads a process group of its own, dies with this process
//! (`setpriv --pdeathsig`, where installed) and is noted in a registry on disk,
//! so that recovery finds and ends what a killed switchback left running.

mod argv;
mod captured;
mod input;
mod last_words;
mod outcome;
mod registry;
mod run;

pub use argv::{Argv, Secret};
pub use input::Input;
pub use last_words::last_words;
pub use outcome::{CommandError, Finished, Output};
pub use registry::end_leftovers;
pub use run::Commands;
