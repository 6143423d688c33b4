//! How much there is of a kind of content, and what changes when any of it does.

use switchback_model::Digest;

use crate::adapt::KeyPair;
use crate::api::{ApiKey, Config, Rule};

/// `1 key`, `2 keys`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Changes when any key does.
pub(crate) fn trace_of_keys(keys: &[KeyPair]) -> Digest {
    Digest::of(keys.iter().map(KeyPair::trace).collect::<String>())
}

/// Changes when a configuration does, but for what the instance masks in it.
pub(crate) fn trace_of_configs(configs: &[Config]) -> Digest {
    let lines = configs
        .iter()
        .map(|config| format!("{} {}\n", config.pack, config.values));
    Digest::of(lines.collect::<String>())
}

/// Changes when an API key comes, goes or is disabled.
pub(crate) fn trace_of_api_keys(keys: &[ApiKey]) -> Digest {
    let mut lines: Vec<String> = keys
        .iter()
        .map(|key| format!("{} {} {}\n", key.user, key.enabled, key.metadata))
        .collect();
    lines.sort();
    Digest::of(lines.concat())
}

/// Changes when a rule does.
pub(crate) fn trace_of_rules(rules: &[Rule]) -> Digest {
    let lines = rules
        .iter()
        .map(|rule| format!("{} {}\n", rule.reference(), rule.body));
    Digest::of(lines.collect::<String>())
}
