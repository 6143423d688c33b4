//! The hash chain over all events of a journal: whoever changes, removes or
//! inserts one breaks every later link.

use switchback_model::{Digest, RunId};

/// The link before the first event.
pub(crate) const ORIGIN: &str = "switchback journal 1";

/// One event as it is stored.
pub(crate) struct Row {
    pub(crate) position: u64,
    pub(crate) run: RunId,
    pub(crate) sequence: u64,
    pub(crate) at: u64,
    pub(crate) kind: String,
    pub(crate) body: String,
    pub(crate) previous: String,
    pub(crate) hash: String,
}

/// What an audit of the whole chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Events that were checked.
    pub events: u64,
    /// Runs that they belong to.
    pub runs: u64,
    /// Hash of the last event: kept elsewhere, it proves that nothing was cut off since.
    pub head: String,
}

impl Row {
    /// The hash that this row must have. No field can contain the separator: ids and kinds are
    /// single words, and JSON escapes line breaks.
    pub(crate) fn computed(&self) -> String {
        Digest::of(format!(
            "{}\n{}\n{}\n{}\n{}\n{}\n{}",
            self.previous, self.position, self.run, self.sequence, self.at, self.kind, self.body
        ))
        .as_str()
        .to_owned()
    }

    /// What does not fit after `previous`, where something does not.
    pub(crate) fn broken(&self, previous: &str, position: u64) -> Option<&'static str> {
        if self.position != position {
            Some("an event before it is missing")
        } else if self.previous != previous {
            Some("it does not follow the event before it")
        } else if self.hash != self.computed() {
            Some("its content was changed")
        } else {
            None
        }
    }
}
