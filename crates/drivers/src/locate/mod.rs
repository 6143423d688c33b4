//! Where the product's datastores are, whatever kind of deployment they belong to: read from what the product itself is
//! told, and corrected by `switchback.toml`. Nothing is asked of a server; that is [`servers`](crate::servers).
//!
//! Start with [`Search`].

mod problems;
mod search;
mod service;
mod settings;
pub(crate) mod settings_file;

pub(crate) use search::Search;
pub(crate) use service::{Mount, Port, ServiceSpec, Source};
pub(crate) use settings::{Settings, on_host};
