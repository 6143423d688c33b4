//! The look at both instances.

use std::collections::BTreeSet;
use std::path::Path;

use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_model::{Problem, Version};

use super::files;
use super::found::{FoundPack, Inventory, Wish};
use super::traces::count;
use crate::adapt::KeyPair;
use crate::api::{Api, ApiError, ApiKey, Rule, open};
use crate::git::{self, PackState};
use crate::refusals;
use crate::release::Keys;

/// Looks at both instances. A refusal where one of them cannot be looked at; whether what was found can be rolled
/// over, [`crate::plan()`] says.
pub fn inventory(
    wish: Wish,
    commands: &Commands,
    redactor: &Redactor,
) -> Result<Inventory, Problem> {
    let mut content = wish.content;
    let (old, new) = open(&content, redactor)?;
    let from = version(&old, "old", "--from-version", wish.from)?;
    let to = version(&new, "new", "--to-version", wish.to)?;
    let root = content.from.files.clone();
    let root = root
        .as_deref()
        .map(Path::new)
        .ok_or_else(|| refusals::no_files(old.address()))?;
    let unread = |error: std::io::Error| refusals::files_unread(root, &error);
    let asked = |error: ApiError| refusals::not_told(&error);

    let api_keys = old.api_keys(true).map_err(asked)?;
    let mut users: BTreeSet<String> = content.users.drain(..).collect();
    users.extend(files::users(root).map_err(unread)?);
    users.extend(
        api_keys
            .iter()
            .map(|key| key.user.clone())
            .filter(|user| !user.is_empty()),
    );
    content.users = users.into_iter().collect();

    let era = Keys::of(&from);
    let keys = old.keys(era, &content.users, false).map_err(asked)?;
    let undecipherable = undecipherable(&old, era, &keys).map_err(asked)?;
    let shown = old.configs(true).map_err(asked)?;
    let masked_configs: Vec<String> = shown
        .iter()
        .filter(|config| is_masked(&config.values))
        .map(|config| config.pack.clone())
        .collect();
    let packs = packs(&old, root, commands)?;
    let all = old.rules().map_err(asked)?;
    let rules = api_made(&all, root).map_err(unread)?;
    Ok(Inventory {
        pointing_here: pointing_here(&all, &api_keys, root),
        pack_rules: all.len() - rules.len(),
        occupied: occupied(&new, &to, &content.users).map_err(asked)?,
        logs: files::audit_logs(root).map_err(unread)?,
        by_hand: files::by_hand(root),
        configs: old.configs(false).map_err(asked)?,
        masked_api_keys: api_keys.iter().filter(|key| key.is_masked()).count(),
        content,
        from,
        to,
        packs,
        keys,
        undecipherable,
        masked_configs,
        api_keys,
        rules,
    })
}

fn version(
    api: &Api,
    which: &str,
    option: &str,
    said: Option<Version>,
) -> Result<Version, Problem> {
    let told = api.version().map_err(|error| refusals::not_told(&error))?;
    told.or(said)
        .ok_or_else(|| refusals::version_unknown(which, api.address(), option))
}

/// Secrets whose text the instance can no longer make: encrypted with a key that it does not have any more.
fn undecipherable(old: &Api, era: Keys, keys: &[KeyPair]) -> Result<Vec<String>, ApiError> {
    let mut lost = Vec::new();
    for key in keys.iter().filter(|key| key.secret) {
        match old.decrypted(era, key) {
            Ok(read) if !read.encrypted => {}
            Ok(_) | Err(ApiError::Status { .. }) => lost.push(key.shown()),
            Err(error) => return Err(error),
        }
    }
    Ok(lost)
}

fn packs(old: &Api, root: &Path, commands: &Commands) -> Result<Vec<FoundPack>, Problem> {
    let mut found = Vec::new();
    for pack in old.packs().map_err(|error| refusals::not_told(&error))? {
        let directory = files::pack(root, &pack.name);
        if !directory.is_dir() {
            return Err(refusals::pack_without_files(&pack.name, &directory));
        }
        let looked = |failure| refusals::pack_unread(&pack.name, failure);
        let state = git::state(commands, &directory).map_err(looked)?;
        let commit = match &state {
            PackState::Versioned { commit, .. } => commit.clone(),
            PackState::Unversioned => {
                let scratch =
                    Scratch::new().map_err(|error| refusals::files_unread(root, &error))?;
                git::commit_of_files(commands, &directory, &scratch.0).map_err(looked)?
            }
        };
        found.push(FoundPack {
            name: pack.name,
            version: pack.version,
            state,
            commit,
        });
    }
    Ok(found)
}

/// A directory for a repository that only serves to name a commit.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let name = format!("switchback-pack-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        std::fs::create_dir(&directory)?;
        Ok(Self(directory))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Rules that no pack's files define: they were made through the API, and come with no pack.
pub(crate) fn api_made(rules: &[Rule], root: &Path) -> std::io::Result<Vec<Rule>> {
    let mut made = Vec::new();
    for rule in rules.iter().filter(|rule| rule.file.is_empty()) {
        if !files::rules_of(&files::pack(root, &rule.pack))?.contains(&rule.name) {
            made.push(rule.clone());
        }
    }
    Ok(made)
}

/// Who outside speaks to the old instance by its address.
fn pointing_here(rules: &[Rule], api_keys: &[ApiKey], root: &Path) -> Vec<String> {
    let mut pointing = Vec::new();
    for rule in rules {
        if rule.body["trigger"]["type"] == "core.st2.webhook" {
            let path = rule.body["trigger"]["parameters"]["url"]
                .as_str()
                .unwrap_or("?");
            pointing.push(format!(
                "senders of the webhook /v1/webhooks/{} (rule {})",
                path.trim_start_matches('/'),
                rule.reference()
            ));
        }
    }
    let users: BTreeSet<&str> = api_keys.iter().map(|key| key.user.as_str()).collect();
    pointing.extend(
        users
            .into_iter()
            .map(|user| format!("clients with an API key of {user}")),
    );
    if files::has_chatops(root) {
        pointing.push("ChatOps (st2chatops.env)".to_owned());
    }
    pointing
}

/// What the new instance holds that a roll-over would meet.
fn occupied(new: &Api, to: &Version, users: &[String]) -> Result<Vec<String>, ApiError> {
    let mut occupied = Vec::new();
    for pack in new.packs()? {
        occupied.push(format!("pack `{}` {}", pack.name, pack.version));
    }
    let keys = new.keys(Keys::of(to), users, false)?;
    if !keys.is_empty() {
        let names: Vec<String> = keys.iter().map(KeyPair::shown).collect();
        occupied.push(format!(
            "{} in the datastore: {}",
            count(keys.len(), "key"),
            crate::compare::some(&names)
        ));
    }
    // The rules of `chatops` come with every instance, and old releases do not say from which file.
    let own = new
        .rules()?
        .into_iter()
        .filter(|rule| rule.file.is_empty() && rule.pack != "chatops");
    for rule in own {
        occupied.push(format!("rule `{}`", rule.reference()));
    }
    for config in new.configs(false)? {
        occupied.push(format!("configuration of `{}`", config.pack));
    }
    Ok(occupied)
}

fn is_masked(values: &serde_json::Value) -> bool {
    use serde_json::Value;
    match values {
        Value::String(text) => text == crate::api::MASKED,
        Value::Array(items) => items.iter().any(is_masked),
        Value::Object(fields) => fields.values().any(is_masked),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mask_is_found_wherever_it_hides() {
        assert!(is_masked(&json!({"a": [{"token": "********"}]})));
        assert!(!is_masked(&json!({"a": ["*", {"token": "***"}]})));
    }
}
