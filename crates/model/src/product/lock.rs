//! Locks that outlive their holder.

use serde::{Deserialize, Serialize};

/// A mark or a hold in a datastore that keeps its holder's successors out, also once the holder is dead.
///
/// While it is held no upgrade begins: a migration would refuse, wait for ever, or run beside another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lock {
    /// Stable identifier, e.g. `bun-migration`.
    pub id: String,
    /// What it is, beginning a sentence in lowercase: `a migration of … that was begun and not ended`.
    pub what: String,
    /// The probe that tells whether it is held: `0` where it is not, else who holds it and since when, as
    /// far as can be known. It must answer also where the table or key was never made.
    pub probe: String,
    /// Editions that have it; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub editions: Vec<String>,
    /// What goes wrong while it is held.
    pub because: String,
    /// How to see whether its holder is alive, one sentence.
    pub stale: String,
    /// What shows the holder, in the language of the probe's datastore: SQL, or words for `redis-cli`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<String>,
    /// What removes it once the holder is known to be dead, in the same language.
    pub clear: String,
    /// Where it was read.
    pub source: String,
}

impl Lock {
    /// What the probe's answer says: `None` where nothing holds the lock.
    pub fn holder<'a>(&self, answer: &'a str) -> Option<&'a str> {
        let answer = answer.trim();
        (!matches!(answer, "" | "0" | "f" | "false")).then_some(answer)
    }
}
