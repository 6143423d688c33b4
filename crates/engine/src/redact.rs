//! Masks secrets by value in everything that is shown, journaled or stored.

use std::sync::{Arc, RwLock};

/// Bytes of the shortest value that is masked: shorter ones (`root`, `admin`) would mask ordinary words and paths.
const SHORTEST: usize = 6;

/// Knows every secret that was resolved in this process, and masks them.
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Arc<RwLock<Vec<String>>>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor(•••)")
    }
}

impl Redactor {
    /// Masks `secret` from now on, as it is and as a URI or JSON string would carry it.
    pub fn register(&self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let json = serde_json::to_string(secret).unwrap_or_default();
        let forms = [
            secret.to_owned(),
            json.trim_matches('"').to_owned(),
            percent_encoded(secret),
        ];
        let mut secrets = self
            .secrets
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for form in forms {
            if !secrets.contains(&form) {
                secrets.push(form);
            }
        }
        // Longest first, so that no part of a longer secret stays visible.
        secrets.sort_by_key(|known| std::cmp::Reverse(known.len()));
    }

    /// `text` with every known secret replaced by `•••`.
    pub fn mask(&self, text: &str) -> String {
        let secrets = self
            .secrets
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        secrets.iter().fold(text.to_owned(), |masked, secret| {
            if masked.contains(secret.as_str()) {
                masked.replace(secret.as_str(), "•••")
            } else {
                masked
            }
        })
    }
}

fn percent_encoded(secret: &str) -> String {
    use std::fmt::Write as _;
    secret.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_a_secret_in_every_form_it_travels_in() {
        let redactor = Redactor::default();
        redactor.register("p#s\"w/rd");
        let shown = redactor.mask(r#"a p#s"w/rd b "p#s\"w/rd" c postgres://u:p%23s%22w%2Frd@h"#);
        assert_eq!(shown, r#"a ••• b "•••" c postgres://u:•••@h"#);
    }

    #[test]
    fn a_secret_inside_a_longer_one_leaves_no_rest() {
        let redactor = Redactor::default();
        redactor.register("hunter2");
        redactor.register("hunter2-more");
        assert_eq!(redactor.mask("hunter2-more"), "•••");
        assert!(!format!("{redactor:?}").contains("hunter2"));
    }
}
