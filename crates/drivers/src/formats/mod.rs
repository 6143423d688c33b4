//! Texts that other programs write, taken apart: values in, values out, no I/O and nothing of a driver.

pub(crate) mod dotenv;
pub(crate) mod reference;
pub(crate) mod uri;
pub(crate) mod yaml;
