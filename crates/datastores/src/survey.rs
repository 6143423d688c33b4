//! What can be told about a datastore cheaply, for planning and `doctor`.

/// A quick look at a datastore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Version of its server, e.g. `15.6`.
    pub engine: Option<String>,
    /// Bytes it occupies.
    pub size: Option<u64>,
    /// Rows, keys or files, as far as cheap to tell (PostgreSQL: the statistics' estimate).
    pub count: Option<u64>,
}
