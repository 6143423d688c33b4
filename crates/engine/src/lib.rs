//! Runs plans: intent on disk → guard → act → verify → outcome on disk, and the
//! same loop again after a crash.
//!
//! It knows nothing of Docker, PostgreSQL or any product: it drives the ports
//! in [`ports`], which the crates `drivers` and `datastores` implement. Start
//! there, then with [`Engine::run`].

mod admission;
mod clean;
pub mod clock;
pub mod content;
mod counts;
mod downtime;
mod engine;
mod failure;
mod guard;
mod halt;
mod hand_work;
mod heartbeat;
mod listener;
mod order;
pub mod ports;
pub mod process;
mod recover;
pub mod redact;
mod run;
pub mod signal;
mod standing;
mod step;
mod walk;
mod words;

pub use engine::Engine;
pub use hand_work::{Awaited, HAND_WORK, SAID_BY, awaited};
pub use listener::{Listener, Recorder};
pub use order::{Ended, Order};
pub use standing::last_standing;
