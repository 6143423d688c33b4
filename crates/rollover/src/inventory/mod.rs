//! What there is at the old instance, and whether the new one is empty. Only looks.

mod files;
mod found;
mod look;
mod traces;

pub(crate) use files::{digest_of_beginning, pack, read_log};
pub(crate) use found::{FoundPack, source_id};
pub use found::{Inventory, Wish};
pub(crate) use look::api_made;
pub use look::inventory;
pub(crate) use traces::{
    count, trace_of_api_keys, trace_of_configs, trace_of_keys, trace_of_rules,
};
