//! The product with its data in PostgreSQL, on a machine that is reached by SSH only.

mod case;
mod machine;

pub(super) use case::case;
