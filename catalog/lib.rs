//! The built-in product definitions, as files inside the binary.
