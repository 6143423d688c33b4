//! What a server is called where it is spoken of.

/// The server of a datastore, as people know it.
pub(crate) struct Server {
    /// E.g. "service `postgres`".
    pub(crate) name: String,
    /// What to do or type to see why it is silent.
    pub(crate) look: String,
}

impl Server {
    /// One that only its address is known of.
    pub(crate) fn outside() -> Self {
        Self {
            name: "the server".to_owned(),
            look: "see that it runs, and what it writes into its log".to_owned(),
        }
    }
}
