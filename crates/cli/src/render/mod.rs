//! Values in, text or JSON out. Nothing here decides, asks or acts: the live
//! run, `log` and every listing go through the same functions.
//!
//! Start with [`screen`] (where text goes and how wide it may be), then
//! [`plan`], [`run`] and [`problem`].

pub(crate) mod backups;
pub(crate) mod downtime;
pub(crate) mod keeping;
pub(crate) mod live;
pub(crate) mod markdown;
pub(crate) mod measure;
pub(crate) mod path;
pub(crate) mod plan;
pub(crate) mod problem;
pub(crate) mod rehearsal;
pub(crate) mod rehearsed_stacks;
pub(crate) mod run;
pub(crate) mod screen;
pub(crate) mod step;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod updates;
pub(crate) mod waiting;
pub(crate) mod wrap;
