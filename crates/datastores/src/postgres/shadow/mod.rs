//! A PostgreSQL shadow: a base backup that follows the original as a standby.
//!
//! ```text
//! nothing ─► copying ─► following ─► compared ─► sealed ─► in place
//!              │  ▲        │  ▲          │
//!     half a copy │        │  └──────────┤ its server was ended: started again
//!                 └────────┴─────────────┘ the original's log went on without it, or it was refuted
//! ```
//!
//! The manifest says how far it is; companions of the run make the copy and
//! follow. Nothing is written to the original but one record of its log at the
//! seal, and no slot outlives its connection. Start with `prepare.rs`.

mod control;
mod copy;
mod facts;
mod follower;
mod layout;
mod moment;
mod possible;
mod prepare;
mod programs;
mod promote;
mod prove;
mod restore;
mod seal;
mod sealed;
mod sequences;
mod sql;
mod verify;

pub(super) use control::{Control, State};
pub(super) use follower::{server, stopped};
pub(super) use layout::Layout;
