//! API keys: `NNSXS.<key id>.<secret>`, the secret stored as a digest.

use sha2::{Digest, Sha256};

use super::answer::Answer;
use super::{Asked, Worker};
use crate::release::Release;

impl Worker<'_> {
    /// Accepts any key that is stored and not expired: rights are not played.
    pub(super) fn authenticate(&mut self, asked: &Asked<'_>) -> Result<(), Answer> {
        let mut parts = asked.token.unwrap_or_default().splitn(3, '.');
        let (Some("NNSXS"), Some(id), Some(secret)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Answer::unauthenticated());
        };
        let known = if self.context.release >= Release::new(3, 13, 0) {
            "SELECT key FROM api_keys WHERE api_key_id = $1 AND (expires_at IS NULL OR expires_at > now())"
        } else {
            "SELECT key FROM api_keys WHERE api_key_id = $1"
        };
        let stored: Option<String> = self
            .sql(|client| client.query_opt(known, &[&id]))?
            .map(|row| row.get(0));
        match stored {
            Some(stored) if stored == digest(secret) => Ok(()),
            _ => Err(Answer::unauthenticated()),
        }
    }
}

/// How a secret is stored.
fn digest(secret: &str) -> String {
    let hex: String = Sha256::digest(secret)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256${hex}")
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn the_format_that_fixtures_write() {
        assert_eq!(
            digest("abc"),
            "sha256$ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
