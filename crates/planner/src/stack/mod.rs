//! Plans for deployments that stacks describe: what an update of a stack changes, whether that is safe, and in which
//! order stacks are updated.
//!
//! ```text
//! stack ─┐                              ┌─ parameters that differ
//! old ───┼─► carry ─► wishes ─► review ─┼─ what we predict          ─► dangers
//! new ───┘   (values)                   └─ what the provider says
//! path ──► rounds ─► moves ─► updates, snapshots, migrations, looks ─► Plan
//! ```
//!
//! Start with [`review()`] for one stack and [`build()`] for all of them.

mod absent;
mod added;
mod back;
mod build;
mod carry;
mod certificates;
mod composer;
mod copies;
mod cost;
mod danger;
mod differences;
mod facts;
mod input;
mod keep;
mod machines;
mod marks;
mod migrations;
mod moves;
mod obstacles;
mod predict;
mod recognise;
mod recovery;
mod refusals;
mod resolve;
mod review;
mod rounds;
mod safety;
mod simulated;
mod updates;

pub use back::{BackInput, way_back};
pub use build::{build, build_reviewed};
pub use carry::{Carried, Carrying, Unanswered, carry};
pub use copies::{Copies, CopyInput, LeftOut, Operations, copies, operations};
pub use cost::{Bill, Billed, bill};
pub use danger::Danger;
pub use differences::{ParameterDifference, TemplateDifference};
pub use input::{Input, Offered, Wanted};
pub use obstacles::obstacles;
pub use predict::{Cause, Predicted};
pub use recognise::recognise;
pub use recovery::{RecoveryInput, recovery};
pub use review::{Disagreement, Review, Reviewed, Reviews, review};
pub use rounds::templates_wanted;
