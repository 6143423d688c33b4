//! Patterns in which `*` stands for any run of characters.

pub(crate) use switchback_model::pattern::matches;
