//! The language of the catalog: what a product's own engineers write about its
//! releases, stops, migrations and datastores. Facts with sources, never code.
//!
//! These are plain values; [`parse`] reads them from TOML with diagnostics that
//! point at file, line and column, [`lint`] checks them against each other.

mod action;
mod condition;
mod datastore;
mod definition;
pub mod diagnostic;
mod engine;
mod exec;
mod health;
mod host;
mod kind;
pub mod lint;
mod lock;
mod migration;
mod notice;
mod order;
pub mod parse;
mod release;
mod template;

pub use action::{Action, Climb, Moment, Role};
pub use condition::{Condition, Probe, ProbeCondition};
pub use datastore::{Datastore, Deletion, SettingsFile, UnsupportedServer};
pub use definition::{Advice, Component, Edition, Product};
pub use engine::{Engine, EngineUsual, EngineWorks};
pub use exec::{Exec, ExecService, filled, names_in};
pub use health::{Health, HttpRequest, WritePath};
pub use host::{Conffile, DeadEnd, Distribution, Feature, Package, Service};
pub use kind::{DatastoreKind, ServerChange};
pub use lock::Lock;
pub use migration::{Migration, NotRepeatable};
pub use notice::{EngineRequirement, Notice, NoticeKind, Procedure, ProcedureKind, Remark};
pub use order::{Move, MoveKind, Order};
pub use release::{Demand, Poisoned, Release, Stop, StopKind};
pub use template::*;
