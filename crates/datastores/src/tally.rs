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
    fn order_does_not_matter_and_everything_else_does() {
        assert_eq!(of(&[["a", "1"], ["b", "2"]]), of(&[["b", "2"], ["a", "1"]]));
        assert_ne!(of(&[["a", "1"], ["b", "2"]]), of(&[["a", "2"], ["b", "1"]]));
        assert_ne!(of(&[["ab", "c"]]), of(&[["a", "bc"]]));
        assert_ne!(of(&[["a", "1"]]), of(&[["a", "1"], ["a", "1"]]));
    }
}
