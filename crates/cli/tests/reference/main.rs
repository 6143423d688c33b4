//! Keeps `docs/reference` true: what can be generated from the program or its source is, and the annotated
//! configuration is read by the code that reads everybody's.
//!
//! `UPDATE_REFERENCE=1 cargo test --package switchback --test reference` writes the pages anew.

mod commands;
mod configuration;
mod definition;
mod errors;
mod page;
mod records;
mod source;
