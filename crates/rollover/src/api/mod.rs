//! StackStorm's HTTP API, as far as a roll-over needs it.

mod client;
mod content;
mod error;
mod open;
mod pages;

pub(crate) use client::Api;
pub(crate) use content::{ApiKey, Config, MASKED, Rule};
pub(crate) use error::ApiError;
pub(crate) use open::open;
