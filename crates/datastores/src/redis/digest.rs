//! What a key's digest is made of, such that the server can make it as well: SHA-1, which its scripts
//! have, over framed bytes. Its twin is `digest.lua`.
//!
//! Values are read element by element and not with `DUMP`, whose bytes depend on how a server happens to
//! keep them in memory.

use sha1::{Digest as _, Sha1};
use switchback_model::digest::hex;

/// Digests of elements without an order: added lane by lane, for a script has no larger numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lanes([u32; 4]);

impl Lanes {
    /// Adds one element, made of these parts.
    pub(super) fn add<'a>(&mut self, parts: impl IntoIterator<Item = &'a [u8]>) {
        let digest = framed(parts);
        for (lane, bytes) in self.0.iter_mut().zip(digest.chunks(4)) {
            let number = bytes
                .iter()
                .fold(0, |number, byte| number << 8 | u32::from(*byte));
            *lane = lane.wrapping_add(number);
        }
    }

    /// As a script writes it.
    pub(super) fn text(self) -> String {
        self.0.iter().map(|lane| format!("{lane:08x}")).collect()
    }
}

/// What stands for a value; `None` for types of modules, which are only counted. A stream's lacks its groups.
pub(super) fn body(kind: &str, values: &[Vec<u8>]) -> Option<Vec<u8>> {
    let unordered = |width: usize| {
        let mut lanes = Lanes::default();
        for element in values.chunks(width) {
            lanes.add(element.iter().map(Vec::as_slice));
        }
        lanes.text().into_bytes()
    };
    Some(match kind {
        "string" => values.first().cloned().unwrap_or_default(),
        "set" => unordered(1),
        "hash" | "zset" => unordered(2),
        "list" | "stream" => hex(&framed(values.iter().map(Vec::as_slice))).into_bytes(),
        _ => return None,
    })
}

/// The digest of a key with its type and value.
pub(super) fn of_key(key: &[u8], kind: &str, body: &[u8]) -> u128 {
    let mut first = [0; 16];
    first.copy_from_slice(&framed([key, kind.as_bytes(), body])[..16]);
    u128::from_be_bytes(first)
}

/// SHA-1 over parts, each with its length before it, so that no border can be mistaken.
fn framed<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 20] {
    let mut hasher = Sha1::new();
    for part in parts {
        hasher.update(format!("{}:", part.len()));
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, texts: &[&str]) -> u128 {
        let values: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        of_key(b"key", kind, &body(kind, &values).expect("a known type"))
    }

    #[test]
    fn only_lists_have_an_order() {
        assert_eq!(of("set", &["a", "b"]), of("set", &["b", "a"]));
        assert_eq!(
            of("hash", &["f", "1", "g", "2"]),
            of("hash", &["g", "2", "f", "1"])
        );
        assert_ne!(
            of("hash", &["f", "1", "g", "2"]),
            of("hash", &["f", "2", "g", "1"])
        );
        assert_ne!(of("list", &["a", "b"]), of("list", &["b", "a"]));
        assert_ne!(of("list", &["ab", "c"]), of("list", &["a", "bc"]));
        assert_ne!(of("set", &["a"]), of("list", &["a"]));
        assert_eq!(body("ReJSON-RL", &[]), None);
    }
}
