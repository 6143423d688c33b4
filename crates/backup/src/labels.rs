//! What a snapshot's tags say: of what it is, from when in the product's life.
//!
//! `switchback deployment:tts datastore:identity product:the-things-stack
//! version:3.23.2 run:r-7c1d0001 round:1 kind:postgres state:proven`

use std::fmt::Write as _;

use switchback_model::plan::BackupState;
use switchback_model::product::DatastoreKind;
use switchback_model::{DatastoreName, ProductId, RunId};

/// Marks a snapshot as ours.
pub(crate) const OURS: &str = "switchback";
/// What the tag of a proof begins with; a day follows.
pub(crate) const PROVEN: &str = "proven:";

/// What a backup is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// Name of the deployment.
    pub deployment: String,
    /// The product.
    pub product: ProductId,
    /// The version that ran when it was made.
    pub version: String,
    /// The run that made it.
    pub run: RunId,
    /// Which backup of that run.
    pub round: u32,
    /// The datastore.
    pub datastore: DatastoreName,
    /// What keeps the datastore.
    pub kind: DatastoreKind,
    /// How far it had come before it was stored.
    pub state: BackupState,
}

impl Labels {
    /// As tags.
    pub(crate) fn tags(&self) -> Vec<String> {
        let mut tags = vec![OURS.to_owned()];
        let named = [
            ("deployment", self.deployment.as_str()),
            ("datastore", self.datastore.as_str()),
            ("product", self.product.as_str()),
            ("version", self.version.as_str()),
            ("run", self.run.as_str()),
        ];
        tags.extend(named.map(|(name, value)| format!("{name}:{}", escaped(value))));
        tags.push(format!("round:{}", self.round));
        tags.push(format!("kind:{}", word(self.kind)));
        tags.push(format!("state:{}", word(self.state)));
        tags
    }

    /// From tags; `None` where they are not all there.
    pub(crate) fn from_tags(tags: &[String]) -> Option<Self> {
        if tags.iter().all(|tag| tag != OURS) {
            return None;
        }
        let value = |name: &str| {
            tags.iter()
                .find_map(|tag| tag.strip_prefix(name)?.strip_prefix(':'))
        };
        Some(Self {
            deployment: unescaped(value("deployment")?),
            product: ProductId::new(unescaped(value("product")?)),
            version: unescaped(value("version")?),
            run: RunId::new(unescaped(value("run")?)),
            round: value("round")?.parse().ok()?,
            datastore: DatastoreName::new(unescaped(value("datastore")?)),
            kind: read(value("kind")?)?,
            state: read(value("state")?)?,
        })
    }
}

/// A unit variant as it is written everywhere else.
fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn read<T: serde::de::DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

/// A comma would end a tag, and white space is hard to type: both travel as `%2C`.
fn escaped(value: &str) -> String {
    value.chars().fold(String::new(), |mut text, c| {
        if c == ',' || c == '%' || c.is_control() || c.is_whitespace() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                // Writing to a string cannot fail.
                let _ = write!(text, "%{byte:02X}");
            }
        } else {
            text.push(c);
        }
        text
    })
}

fn unescaped(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = value
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escape {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The tags that a snapshot of one deployment has, as restic's `--tag` takes them.
pub(crate) fn of_deployment(deployment: &str) -> String {
    format!("{OURS},deployment:{}", escaped(deployment))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(deployment: &str, version: &str) -> Labels {
        Labels {
            deployment: deployment.to_owned(),
            product: ProductId::new("the-things-stack"),
            version: version.to_owned(),
            run: RunId::new("r-7c1d0001"),
            round: 2,
            datastore: DatastoreName::new("identity"),
            kind: DatastoreKind::Postgres,
            state: BackupState::Proven,
        }
    }

    #[test]
    fn tags_are_what_a_person_would_search_for() {
        assert_eq!(
            labels("tts", "3.23.2").tags().join(" "),
            "switchback deployment:tts datastore:identity product:the-things-stack version:3.23.2 \
             run:r-7c1d0001 round:2 kind:postgres state:proven"
        );
        assert_eq!(of_deployment("a, b"), "switchback,deployment:a%2C%20b");
    }

    #[test]
    fn a_snapshot_of_somebody_else_is_not_ours() {
        let tags = ["deployment:tts".to_owned(), "nightly".to_owned()];
        assert_eq!(Labels::from_tags(&tags), None);
    }

    proptest! {
        #[test]
        fn every_name_comes_back(deployment in ".*", version in ".*") {
            let labels = labels(&deployment, &version);
            let tags = labels.tags();
            prop_assert!(tags.iter().all(|tag| !tag.contains(',')));
            prop_assert_eq!(Labels::from_tags(&tags), Some(labels));
        }
    }
}
