//! A backup in the repository, and how it is called.

use std::fmt;

use serde::{Deserialize, Serialize};
use switchback_engine::ports::Failure;
use switchback_model::calendar::Moment;

use crate::labels::{self, Labels, PROVEN};
use crate::restic::Restic;

/// How many digits of a snapshot's id name a backup: as many as restic shows.
const DIGITS: usize = 8;

/// `b-` and the first digits of the snapshot's first id, so that `restic restore 90fe12ab` means the
/// same. It stays when restic gives the snapshot a new id because its tags changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BackupId(String);

impl BackupId {
    /// From the id of a snapshot.
    pub(crate) fn of(snapshot: &str) -> Self {
        Self(format!("b-{}", snapshot.get(..DIGITS).unwrap_or(snapshot)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A backup in the repository.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// What it is called.
    pub id: BackupId,
    /// The snapshot's id as it is now.
    pub snapshot: String,
    /// What it is of.
    pub labels: Labels,
    /// When the data were as they are in it.
    pub made: Moment,
    /// Bytes before deduplication and compression.
    pub bytes: u64,
    /// The machine that stored it.
    pub host: String,
    /// The tag that says on which day it was last fetched and read.
    pub(crate) proof: Option<String>,
}

impl Stored {
    /// The day on which it was last fetched and read, e.g. `2026-11-21`.
    pub fn proven_on(&self) -> Option<&str> {
        self.proof.as_deref()?.strip_prefix(PROVEN)
    }
}

/// A snapshot as `restic snapshots --json` tells it.
#[derive(Deserialize)]
pub(crate) struct Snapshot {
    id: String,
    #[serde(default)]
    original: Option<String>,
    time: String,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    summary: Option<Summary>,
}

#[derive(Deserialize)]
struct Summary {
    #[serde(default)]
    total_bytes_processed: u64,
}

impl Snapshot {
    /// As a backup of ours; `None` where somebody else made it.
    pub(crate) fn stored(self) -> Option<Stored> {
        let tags = self.tags.unwrap_or_default();
        Some(Stored {
            id: BackupId::of(self.original.as_deref().unwrap_or(&self.id)),
            labels: Labels::from_tags(&tags)?,
            made: Moment::parse(&self.time)?,
            bytes: self
                .summary
                .map_or(0, |summary| summary.total_bytes_processed),
            snapshot: self.id,
            host: self.hostname,
            proof: tags.into_iter().find(|tag| tag.starts_with(PROVEN)),
        })
    }
}

/// The one backup whose id begins with `said`, with or without `b-`.
pub(crate) fn find<'a>(stored: &'a [Stored], said: &str) -> Result<&'a Stored, Failure> {
    let full = format!("b-{}", said.strip_prefix("b-").unwrap_or(said));
    let found: Vec<&Stored> = stored
        .iter()
        .filter(|backup| backup.id.as_str().starts_with(&full))
        .collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::new(
            "backup-missing",
            format!("no backup in the repository is called `{said}`"),
        )
        .hint("see what there is: `switchback backup list`")),
        many => {
            let ids: Vec<String> = many
                .iter()
                .map(|backup| format!("`{}`", backup.id))
                .collect();
            Err(Failure::new(
                "backup-ambiguous",
                format!("`{said}` may be {}", ids.join(" or ")),
            )
            .hint("give more of its id"))
        }
    }
}

/// Every backup of ours, oldest first.
pub(crate) fn list(restic: &Restic) -> Result<Vec<Stored>, Failure> {
    let text = restic.ask(&["snapshots", "--no-lock", "--tag", labels::OURS])?;
    // A repository of an older restic may say a word before its answer.
    let answer = text.lines().find(|line| line.starts_with(['[', 'n']));
    let snapshots: Option<Vec<Snapshot>> =
        serde_json::from_str(answer.unwrap_or("null")).map_err(|error| {
            Failure::new("restic-answer", "the list of snapshots cannot be read")
                .cause(error)
                .state("repository", "unchanged")
                .hint("see what restic itself says: `restic snapshots`")
        })?;
    let mut stored: Vec<Stored> = snapshots
        .unwrap_or_default()
        .into_iter()
        .filter_map(Snapshot::stored)
        .collect();
    stored.sort_by(|one, other| (one.made, &one.snapshot).cmp(&(other.made, &other.snapshot)));
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(id: &str, original: Option<&str>, tags: &str) -> Snapshot {
        let text = serde_json::json!({
            "id": id,
            "original": original,
            "time": "2026-11-21T07:50:31Z",
            "hostname": "a",
            "tags": tags.split(' ').collect::<Vec<_>>(),
            "summary": { "total_bytes_processed": 7 },
        });
        serde_json::from_value(text).expect("a snapshot")
    }

    const TAGS: &str = "switchback deployment:tts datastore:identity product:tts version:3.23.2 \
                        run:r-1 round:1 kind:postgres state:proven";

    #[test]
    fn an_id_stays_when_tags_change() {
        let first = snapshot("90fe12ab00", None, TAGS).stored().expect("ours");
        let later = snapshot(
            "77777777aa",
            Some("90fe12ab00"),
            &format!("{TAGS} proven:2026-11-22"),
        )
        .stored()
        .expect("ours");
        assert_eq!(first.id, later.id);
        assert_eq!(first.proven_on(), None);
        assert_eq!(later.proven_on(), Some("2026-11-22"));
        assert_eq!(later.snapshot, "77777777aa");
    }

    #[test]
    fn any_unique_prefix_names_a_backup() {
        let stored: Vec<Stored> = ["90fe12ab00", "90aa000000"]
            .iter()
            .filter_map(|id| snapshot(id, None, TAGS).stored())
            .collect();
        assert_eq!(
            find(&stored, "b-90f").expect("one").id.as_str(),
            "b-90fe12ab"
        );
        assert_eq!(find(&stored, "90fe").expect("one").snapshot, "90fe12ab00");
        assert_eq!(
            find(&stored, "b-9").expect_err("two").what,
            "`b-9` may be `b-90fe12ab` or `b-90aa0000`"
        );
        assert_eq!(
            find(&stored, "b-1").expect_err("none").code,
            "backup-missing"
        );
    }
}
