//! What a datastore holds, as far as counting and checksumming can tell: the
//! common currency of proving a backup and of comparing before with after.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::amount::plural;

/// The contents of one datastore at one position, collection by collection.
///
/// A collection is a table (`public.users`), a Redis key type of a database
/// (`db0/hash`), a directory: whatever the datastore can count by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// Counts and checksums by collection name.
    pub collections: BTreeMap<String, Collection>,
}

/// How much one collection holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// Rows, keys or files.
    pub count: u64,
    /// Order-independent checksum of the content, where the datastore can compute one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// One difference between two contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The collection that differs.
    pub collection: String,
    /// What the first side holds; `None` where it has no such collection.
    pub before: Option<Collection>,
    /// What the second side holds; `None` where it has no such collection.
    pub after: Option<Collection>,
}

impl Contents {
    /// `77 objects in 24 collections`.
    pub fn in_words(&self) -> String {
        let collections = self.collections.len() as u64;
        format!(
            "{} in {}",
            plural(self.total(), "object", "objects"),
            plural(collections, "collection", "collections")
        )
    }

    /// Everything that is not the same on both sides, in collection order.
    pub fn differences(&self, after: &Self) -> Vec<Difference> {
        let names: std::collections::BTreeSet<&String> = self
            .collections
            .keys()
            .chain(after.collections.keys())
            .collect();
        names
            .into_iter()
            .filter_map(|name| {
                let (old, new) = (self.collections.get(name), after.collections.get(name));
                (old != new).then(|| Difference {
                    collection: name.clone(),
                    before: old.cloned(),
                    after: new.cloned(),
                })
            })
            .collect()
    }

    /// Collections that lost rows or vanished: what an upgrade may only do where the definition says so.
    pub fn shrunk(&self, after: &Self) -> Vec<Difference> {
        self.differences(after)
            .into_iter()
            .filter(|difference| {
                let before = difference.before.as_ref().map_or(0, |found| found.count);
                let after = difference.after.as_ref().map_or(0, |found| found.count);
                after < before
            })
            .collect()
    }

    /// Rows, keys or files altogether.
    pub fn total(&self) -> u64 {
        self.collections
            .values()
            .map(|collection| collection.count)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(counts: &[(&str, u64)]) -> Contents {
        let collections = counts
            .iter()
            .map(|(name, count)| {
                (
                    (*name).to_owned(),
                    Collection {
                        count: *count,
                        checksum: None,
                    },
                )
            })
            .collect();
        Contents { collections }
    }

    #[test]
    fn a_vanished_collection_shrank_and_a_new_one_did_not() {
        let before = holding(&[("users", 3), ("contact_infos", 7)]);
        let after = holding(&[("users", 4), ("notifications", 1)]);
        let shrunk: Vec<String> = before
            .shrunk(&after)
            .into_iter()
            .map(|difference| difference.collection)
            .collect();
        assert_eq!(shrunk, ["contact_infos"]);
    }

    #[test]
    fn equal_contents_do_not_differ() {
        let contents = holding(&[("users", 3)]);
        assert_eq!(contents.differences(&contents), []);
    }
}
