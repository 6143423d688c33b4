//! What both kinds of deployment can be asked.

use std::path::Path;

use anyhow::Result;

use crate::tool::Answer;

/// A deployment, in containers or as local processes.
pub(crate) trait Site {
    /// Its directory.
    fn dir(&self) -> &Path;

    /// The answer of PostgreSQL, one row a line, fields between bars.
    fn sql(&self, query: &str) -> Result<String>;

    /// The answer of Redis, one value a line.
    fn redis(&self, words: &[&str]) -> Result<String>;

    /// Sends many commands, in the protocol's own form.
    fn feed_redis(&self, commands: &[u8]) -> Result<()>;

    /// A command of the product, as the guide has it. The answer, whatever the exit code.
    fn product(&self, words: &[&str]) -> Result<Answer>;
}
