//! Runs plans: intent on disk → guard → act → verify → outcome on disk, and the
//! same loop again after a crash.
//!
//! It knows nothing of Docker, PostgreSQL or any product: it drives the ports
//! in [`ports`], which the crates `drivers` and `datastores` implement. Start
//! there, then read the loop.

pub mod ports;
pub mod process;
pub mod redact;
pub mod signal;
