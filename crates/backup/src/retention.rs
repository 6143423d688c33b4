//! Which backups a retention keeps, and why. The rules are restic's: the newest
//! of each of the last N days (weeks, months) that have a backup at all. They are
//! decided here, so that a list can say what the next prune will do.

use serde::Serialize;

use switchback_model::calendar::Moment;

use crate::stored::{BackupId, Stored};

/// What is kept. All rules together: a backup that any of them keeps stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// The newest.
    pub last: Option<u32>,
    /// The newest of each day.
    pub daily: Option<u32>,
    /// The newest of each week, from Monday.
    pub weekly: Option<u32>,
    /// The newest of each month.
    pub monthly: Option<u32>,
}

/// One rule of a retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// `keep-last`.
    Last,
    /// `keep-daily`.
    Daily,
    /// `keep-weekly`.
    Weekly,
    /// `keep-monthly`.
    Monthly,
}

/// A rule that keeps a backup: it is the `place`-th of `of`. The next newer one moves it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Keeps {
    /// The rule.
    pub rule: Rule,
    /// From 1, the newest.
    pub place: u32,
    /// How many the rule keeps.
    pub of: u32,
}

/// What a retention means for one backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which backup.
    pub id: BackupId,
    /// The rules that keep it.
    pub by: Vec<Keeps>,
    /// True where no rule does: the next prune removes it.
    pub expired: bool,
}

impl Retention {
    /// True where nothing was said: everything is kept for ever.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// Judges backups, each datastore of each deployment and machine for itself. The newest of
    /// each is always kept, whatever the rules say: a retention never leaves nothing.
    pub fn judge(&self, stored: &[Stored]) -> Vec<Kept> {
        let mut newest_first: Vec<&Stored> = stored.iter().collect();
        // Of two of the same second any may be the newer one; the id makes it the same one each time.
        newest_first.sort_by(|one, other| {
            (other.made, other.snapshot.as_str()).cmp(&(one.made, one.snapshot.as_str()))
        });
        let mut judged: Vec<Kept> = Vec::with_capacity(stored.len());
        let mut groups: Vec<(Group<'_>, [Bucket; 4])> = Vec::new();
        for backup in newest_first {
            let group = Group::of(backup);
            let at = match groups.iter().position(|(known, _)| *known == group) {
                Some(at) => at,
                None => {
                    groups.push((group, self.buckets()));
                    groups.len() - 1
                }
            };
            let by: Vec<Keeps> = groups[at]
                .1
                .iter_mut()
                .filter_map(|bucket| bucket.take(backup.made))
                .collect();
            judged.push(Kept {
                id: backup.id.clone(),
                expired: by.is_empty() && !self.is_unlimited(),
                by,
            });
        }
        judged
    }

    fn buckets(&self) -> [Bucket; 4] {
        [
            Bucket::new(Rule::Last, Some(self.last.unwrap_or(0).max(1))),
            Bucket::new(Rule::Daily, self.daily),
            Bucket::new(Rule::Weekly, self.weekly),
            Bucket::new(Rule::Monthly, self.monthly),
        ]
    }
}

/// Backups that stand for each other.
#[derive(PartialEq, Eq)]
struct Group<'a> {
    deployment: &'a str,
    datastore: &'a str,
    host: &'a str,
}

impl<'a> Group<'a> {
    fn of(backup: &'a Stored) -> Self {
        Self {
            deployment: &backup.labels.deployment,
            datastore: backup.labels.datastore.as_str(),
            host: &backup.host,
        }
    }
}

/// One rule on its way from the newest backup to the oldest.
struct Bucket {
    rule: Rule,
    of: u32,
    taken: u32,
    last: Option<(i64, i64, u32)>,
}

impl Bucket {
    fn new(rule: Rule, of: Option<u32>) -> Self {
        Self {
            rule,
            of: of.unwrap_or(0),
            taken: 0,
            last: None,
        }
    }

    fn take(&mut self, made: Moment) -> Option<Keeps> {
        let day = made.day();
        let period = match self.rule {
            Rule::Last => None,
            Rule::Daily => Some((day.year, i64::from(day.month), day.day)),
            Rule::Weekly => Some((day.week().0, day.week().1, 0)),
            Rule::Monthly => Some((day.year, i64::from(day.month), 0)),
        };
        let same_period = period.is_some() && period == self.last;
        if self.taken == self.of || same_period {
            return None;
        }
        self.last = period;
        self.taken += 1;
        Some(Keeps {
            rule: self.rule,
            place: self.taken,
            of: self.of,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::Labels;
    use crate::stored::Snapshot;

    fn at(id: &str, time: &str, datastore: &str) -> Stored {
        let tags = format!(
            "switchback deployment:tts datastore:{datastore} product:tts version:1 run:r-1 round:1 kind:files state:proven"
        );
        let tags: Vec<&str> = tags.split(' ').collect();
        let text = serde_json::json!({ "id": id, "time": time, "hostname": "a", "tags": tags });
        let snapshot: Snapshot = serde_json::from_value(text).expect("a snapshot");
        let stored = snapshot.stored().expect("ours");
        assert!(Labels::from_tags(&stored.labels.tags()).is_some());
        stored
    }

    fn expired(retention: Retention, stored: &[Stored]) -> Vec<String> {
        let mut ids: Vec<String> = retention
            .judge(stored)
            .into_iter()
            .filter(|kept| kept.expired)
            .map(|kept| kept.id.to_string())
            .collect();
        ids.sort();
        ids
    }

    #[test]
    fn nothing_expires_where_nothing_was_said() {
        let stored = [
            at("1", "2026-11-01T00:00:00Z", "a"),
            at("2", "2020-01-01T00:00:00Z", "a"),
        ];
        assert_eq!(expired(Retention::default(), &stored), [""; 0]);
    }

    #[test]
    fn the_newest_of_each_datastore_stays_whatever_is_said() {
        let none = Retention {
            daily: Some(0),
            ..Retention::default()
        };
        let stored = [
            at("1", "2026-11-01T00:00:00Z", "a"),
            at("2", "2020-01-01T00:00:00Z", "a"),
            at("3", "2019-01-01T00:00:00Z", "b"),
        ];
        assert_eq!(expired(none, &stored), ["b-2"]);
    }

    #[test]
    fn days_without_a_backup_do_not_count() {
        let two_days = Retention {
            daily: Some(2),
            ..Retention::default()
        };
        let stored = [
            at("1", "2026-11-20T23:00:00Z", "a"),
            at("2", "2026-11-20T01:00:00Z", "a"),
            at("3", "2026-10-01T12:00:00Z", "a"),
            at("4", "2026-09-30T12:00:00Z", "a"),
        ];
        assert_eq!(expired(two_days, &stored), ["b-2", "b-4"]);
        let judged = two_days.judge(&stored);
        assert_eq!(
            judged[2].by,
            [Keeps {
                rule: Rule::Daily,
                place: 2,
                of: 2
            }]
        );
    }
}
