//! Checksums that do not depend on the order in which things are read.

use sha2::{Digest as _, Sha256};
use switchback_model::contents::Collection;

/// Counts things and adds up their digests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    count: u64,
    sum: u128,
}

impl Tally {
    /// Counts one thing, described unambiguously by `parts`.
    pub(crate) fn add<'a>(&mut self, parts: impl IntoIterator<Item = &'a [u8]>) {
        self.add_digest(digest(parts));
    }

    /// Counts one thing by its digest.
    pub(crate) fn add_digest(&mut self, digest: u128) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(digest);
    }

    /// What [`Tally::collection`] told once.
    pub(crate) fn of(collection: &Collection) -> Self {
        let sum = collection.checksum.as_deref().unwrap_or_default();
        Self {
            count: collection.count,
            sum: u128::from_str_radix(sum, 16).unwrap_or(0),
        }
    }

    /// Takes back what was added.
    pub(crate) fn remove_digest(&mut self, digest: u128) {
        self.count = self.count.saturating_sub(1);
        self.sum = self.sum.wrapping_sub(digest);
    }

    /// True where nothing was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// As contents speak of it.
    pub(crate) fn collection(self) -> Collection {
        Collection {
            count: self.count,
            checksum: Some(format!("{:032x}", self.sum)),
        }
    }
}

/// A digest of `parts` in which neither their borders nor their order can be mistaken.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u128 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&hasher.finalize()[..16]);
    u128::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(things: &[[&str; 2]]) -> Collection {
        let mut tally = Tally::default();
        for thing in things {
            tally.add(thing.iter().map(|part| part.as_bytes()));
        }
        tally.collection()
    }

    #[test]
    fn what_was_added_can_be_taken_back() {
        let mut tally = Tally::of(&of(&[["a", "1"], ["b", "2"]]));
        tally.remove_digest(digest([&b"a"[..], b"1"]));
        tally.add_digest(digest([&b"c"[..], b"3"]));
        assert_eq!(tally.collection(), of(&[["b", "2"], ["c", "3"]]));
        assert!(Tally::default().is_empty() && !tally.is_empty());
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        assert_eq!(of(&[["a", "1"], ["b", "2"]]), of(&[["b", "2"], ["a", "1"]]));
        assert_ne!(of(&[["a", "1"], ["b", "2"]]), of(&[["a", "2"], ["b", "1"]]));
        assert_ne!(of(&[["ab", "c"]]), of(&[["a", "bc"]]));
        assert_ne!(of(&[["a", "1"]]), of(&[["a", "1"], ["a", "1"]]));
    }
}
