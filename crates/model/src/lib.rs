//! Values that every part of switchback shares: ids, versions, product
//! definitions, observations, plans, events, problems.
//!
//! This crate never does I/O, has no clock and no randomness. Start with
//! [`plan`] (what will be done), [`observed`] (what was found) and [`event`]
//! (what happened); [`product`] is the language of the catalog.

pub mod amount;
pub mod calendar;
pub mod command_line;
pub mod config;
pub mod contents;
pub mod digest;
pub mod event;
pub mod exit;
pub mod hand_work;
pub mod id;
pub mod observed;
pub mod pattern;
pub mod plan;
pub mod problem;
pub mod product;
pub mod rate;
pub mod rehearsal;
pub mod rollover;
pub mod stack;
pub mod structure;
pub mod version;

pub use config::{Config, SecretRef};
pub use contents::Contents;
pub use digest::Digest;
pub use event::Event;
pub use id::{DatastoreName, MigrationId, PlanId, ProductId, RunId, ServiceName, StepNumber};
pub use observed::Observed;
pub use plan::Plan;
pub use problem::Problem;
pub use rate::Rate;
pub use rehearsal::Rehearsal;
pub use structure::Structure;
pub use version::{Scheme, Version};
