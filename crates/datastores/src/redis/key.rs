//! What is known of one key.

/// A key, and what a server says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: Vec<u8>,
    pub(super) about: About,
}

/// What a server says about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// There is no such key.
    Gone,
    /// There is.
    Here {
        /// Its type.
        kind: String,
        /// Whether it vanishes by itself.
        expires: bool,
        /// Of its name, type and value; `None` for types of modules.
        digest: Option<u128>,
    },
}
