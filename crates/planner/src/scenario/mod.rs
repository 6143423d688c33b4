//! Scenarios of a definition: scripts of `observe`, `plan`, `crash`, `rollback` and what they print. They
//! are played on an imagined deployment, so that whoever writes a definition sees what it comes to without
//! having the product. Start with [`play`].
//!
//! ```text
//! # A comment.
//! > observe PRODUCT EDITION VERSION [PROBE=ANSWER | backup:DATASTORE=METHOD | no-shadow:DATASTORE=WHY |
//!           no-DATASTORE | free=GB]…
//! > plan VERSION         the plan's outline, or why it is refused
//! > notes VERSION        what was decided on the way
//! > crash STEP           the process dies in the middle of that step of the last plan
//! > finish               every step of the last plan is done
//! > rollback             the way back from there
//! ```
//!
//! Every datastore can have a shadow where nothing says otherwise (`WHY` has `-` for spaces).
//!
//! An edition of `-` is for products without editions. A lock is free where no answer says otherwise.

mod imagined;
mod script;

pub use script::{Mistake, play};
