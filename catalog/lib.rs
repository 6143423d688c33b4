//! The built-in product definitions, as files inside the binary.
//!
//! Every folder here that holds a `product.toml` is a definition; adding one
//! takes no code. Start with [`builtin()`]; [`load`] reads one.

mod builtin;

pub use builtin::{Definition, builtin, find, load};
