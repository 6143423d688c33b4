//! Carries a plan out: one module per kind of content.

mod api_keys;
mod configs;
mod install;
mod keys;
mod logs;
mod port;
mod repositories;
mod rules;
mod sides;

pub use port::carrier;
