//! Finds the way from one version to another: which releases it passes
//! through, which migrations run where, what to know on the way. Or the reason
//! why there is none. Pure: a definition and a question in, an answer out.
//!
//! Start with [`find()`]. [`Report`] is the stable JSON of either answer;
//! [`Refusal::sentences`] says in words why there is no way.
//!
//! ```text
//!   query ──► ground ──► stops ──► legs ──► Path ──► Report
//!            (versions,  (which,   (which migration
//!             edition)    where)    runs where)
//!                └──────────┴─────────┴──► Refusal ──► Report, Problem
//! ```

mod act;
mod actions;
mod answer;
mod because;
mod condition;
mod crossed;
mod engine;
mod feature;
mod find;
mod ground;
mod host;
mod hosted;
mod legs;
mod query;
mod questions;
mod refusal;
mod remarks;
mod report;
mod reported;
mod said;
mod sentences;
mod stops;
mod templates;

pub use act::{Act, StagePackage};
pub use answer::{Path, Question};
pub use because::Because;
pub use crossed::{Change, PathNotice, PathProcedure};
pub use find::find;
pub use ground::{newest, next_goal};
pub use legs::{Leg, OptionalMigration, Run};
pub use query::{Policy, Query};
pub use refusal::{End, Hint, Reason, Refusal, Unknown};
pub use report::{FORMAT, Outcome, Report};
pub use stops::{Considered, Verdict};
pub use templates::PathTemplate;
