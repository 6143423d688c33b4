//! The language of the catalog: what a product's own engineers write about its
//! releases, stops, migrations and datastores. Facts with sources, never code.
//!
//! These are plain values; [`parse`] reads them from TOML with diagnostics that
//! point at file, line and column, [`lint`] checks them against each other.

mod action;
mod definition;
pub mod diagnostic;
mod engine;
mod exec;
mod host;
pub mod lint;
mod lock;
mod order;
pub mod parse;
mod template;

pub use action::{Action, Climb, Moment, Role};
pub use definition::*;
pub use engine::{Engine, EngineUsual, EngineWorks};
pub use exec::{Exec, ExecService, filled, names_in};
pub use host::{Conffile, DeadEnd, Distribution, Feature, Package, Service};
pub use lock::Lock;
pub use order::{Move, MoveKind, Order};
pub use template::*;
