//! What an instance holds, as its API tells it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use switchback_engine::ports::Failure;
use switchback_model::Version;

use super::client::{Api, encoded};
use super::error::ApiError;
use crate::adapt::{AdaptError, KeyPair, Scope};
use crate::release::{Keys, is_version};

/// What stands where a secret is not shown.
pub(crate) const MASKED: &str = "********";
/// Packs that every instance has from the beginning.
pub(crate) const SYSTEM_PACKS: [&str; 5] = ["chatops", "core", "default", "linux", "packs"];

/// A pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pack {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// The configuration of a pack.
#[derive(Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) pack: String,
    pub(crate) values: Value,
}

/// A key of the API. It shows no hash: with it, someone could try keys.
#[derive(Clone, PartialEq)]
pub(crate) struct ApiKey {
    pub(crate) user: String,
    pub(crate) hash: String,
    pub(crate) enabled: bool,
    pub(crate) metadata: Value,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) pack: String,
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) body: Value,
}

/// What of a rule is its own; the rest belongs to the instance that holds it.
const OF_A_RULE: [&str; 9] = [
    "name",
    "pack",
    "description",
    "type",
    "trigger",
    "criteria",
    "action",
    "enabled",
    "tags",
];

impl Rule {
    /// `pack.name`.
    pub(crate) fn reference(&self) -> String {
        format!("{}.{}", self.pack, self.name)
    }

    fn read(answer: &Value) -> Self {
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        let own = OF_A_RULE
            .iter()
            .filter(|field| !answer[**field].is_null())
            .map(|field| ((*field).to_owned(), answer[*field].clone()))
            .collect();
        let mut body = Value::Object(own);
        // An instance adds to a trigger what it knows of it; a rule says only these two.
        if let Some(trigger) = body["trigger"].as_object_mut() {
            trigger.retain(|field, _| field == "type" || field == "parameters");
        }
        Self {
            pack: text("pack"),
            name: text("name"),
            file: text("metadata_file"),
            body,
        }
    }
}

impl ApiKey {
    fn read(answer: &Value) -> Self {
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        Self {
            user: text("user"),
            hash: text("key_hash"),
            enabled: answer["enabled"].as_bool().unwrap_or(true),
            metadata: answer["metadata"].clone(),
        }
    }

    /// True where the instance does not tell the hash.
    pub(crate) fn is_masked(&self) -> bool {
        self.hash.is_empty() || self.hash == MASKED
    }
}

impl Api {
    /// The version that the instance says it is, where it does.
    pub(crate) fn version(&self) -> Result<Option<Version>, ApiError> {
        for path in ["/v1/", "/"] {
            let answer = match self.get(path, &[]) {
                Ok(answer) => answer.body,
                Err(ApiError::Status { .. } | ApiError::Answer { .. }) => continue,
                Err(error) => return Err(error),
            };
            if let Some(said) = answer["version"].as_str().filter(|said| is_version(said)) {
                return Ok(Some(Version::new(said)));
            }
        }
        Ok(None)
    }

    /// Every pack but those that every instance has.
    pub(crate) fn packs(&self) -> Result<Vec<Pack>, ApiError> {
        let mut packs: Vec<Pack> = self
            .list("/v1/packs", "packs", &[])?
            .iter()
            .map(Self::pack_of)
            .filter(|pack| !SYSTEM_PACKS.contains(&pack.name.as_str()))
            .collect();
        packs.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(packs)
    }

    fn pack_of(answer: &Value) -> Pack {
        let text = |field: &str| answer[field].as_str().map(str::to_owned);
        Pack {
            name: text("ref").or_else(|| text("name")).unwrap_or_default(),
            version: text("version").unwrap_or_default(),
        }
    }

    /// One pack.
    pub(crate) fn pack(&self, name: &str) -> Result<Option<Pack>, ApiError> {
        let found = self.find(&format!("/v1/packs/{}", encoded(name)))?;
        Ok(found.as_ref().map(Self::pack_of))
    }

    /// Configurations of packs, with their secrets where `shown`.
    pub(crate) fn configs(&self, shown: bool) -> Result<Vec<Config>, ApiError> {
        let question: &[(&str, &str)] = if shown {
            &[("show_secrets", "true")]
        } else {
            &[]
        };
        let mut configs: Vec<Config> = match self.list("/v1/configs", "configurations", question) {
            Ok(listed) => listed
                .iter()
                .map(|answer| Config {
                    pack: answer["pack"].as_str().unwrap_or_default().to_owned(),
                    values: answer["values"].clone(),
                })
                .collect(),
            // Releases before 1.5 have none.
            Err(ApiError::Status { status: 404, .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        configs.sort_by(|one, other| one.pack.cmp(&other.pack));
        Ok(configs)
    }

    /// Gives a pack its configuration.
    pub(crate) fn set_config(&self, config: &Config) -> Result<(), ApiError> {
        let path = format!("/v1/configs/{}", encoded(&config.pack));
        self.put(&path, &config.values).map(drop)
    }

    /// Every key of the API, with its hash where `shown`.
    pub(crate) fn api_keys(&self, shown: bool) -> Result<Vec<ApiKey>, ApiError> {
        let question: &[(&str, &str)] = if shown {
            &[("show_secrets", "true")]
        } else {
            &[]
        };
        let listed = match self.list("/v1/apikeys", "API keys", question) {
            Err(ApiError::Status { status: 404, .. }) => Vec::new(),
            listed => listed?,
        };
        let keys: Vec<ApiKey> = listed.iter().map(ApiKey::read).collect();
        for key in keys.iter().filter(|key| !key.is_masked()) {
            self.hide(&key.hash);
        }
        Ok(keys)
    }

    /// Makes a key of the API from the hash of one that its owner has already.
    pub(crate) fn add_api_key(&self, key: &ApiKey) -> Result<(), ApiError> {
        let body = json!({
            "user": key.user,
            "key_hash": key.hash,
            "enabled": key.enabled,
            "metadata": key.metadata,
        });
        self.post("/v1/apikeys", &body).map(drop)
    }

    /// Every rule.
    pub(crate) fn rules(&self) -> Result<Vec<Rule>, ApiError> {
        let mut rules: Vec<Rule> = self
            .list("/v1/rules", "rules", &[])?
            .iter()
            .map(Rule::read)
            .collect();
        rules.sort_by_key(Rule::reference);
        Ok(rules)
    }

    /// Makes a rule.
    pub(crate) fn add_rule(&self, rule: &Rule) -> Result<(), ApiError> {
        self.post("/v1/rules", &rule.body).map(drop)
    }

    /// Every key of the datastore: the system's, and those of `users`; as text where `decrypted`.
    pub(crate) fn keys(
        &self,
        keys: Keys,
        users: &[String],
        decrypted: bool,
    ) -> Result<Vec<KeyPair>, ApiError> {
        let mut found: BTreeMap<(Scope, String), KeyPair> = BTreeMap::new();
        for question in Scope::questions(keys, users) {
            let mut asked: Vec<(&str, &str)> = question
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            if keys != Keys::Plain {
                asked.push(("decrypt", if decrypted { "true" } else { "false" }));
            }
            for answer in self.list("/v1/keys", "keys", &asked)? {
                let key = KeyPair::read(&answer).map_err(|error| self.unexpected(&error))?;
                if decrypted && key.secret {
                    self.hide(&key.value);
                }
                found.insert((key.scope.clone(), key.name.clone()), key);
            }
        }
        Ok(found.into_values().collect())
    }

    /// The value of a secret key as text.
    pub(crate) fn decrypted(&self, keys: Keys, key: &KeyPair) -> Result<KeyPair, ApiError> {
        let path = format!("/v1/keys/{}", encoded(&key.name));
        let (scope, user) = match &key.scope {
            Scope::System => (keys.scope("system"), None),
            Scope::User(user) => (keys.scope("user"), Some(user.clone())),
        };
        let (scope, user) = (scope.unwrap_or_default(), user.unwrap_or_default());
        let mut asked = vec![("decrypt", "true"), ("scope", scope.as_str())];
        if !user.is_empty() {
            asked.push(("user", user.as_str()));
        }
        let answer = self.get(&path, &asked)?.body;
        let mut read = KeyPair::read(&answer).map_err(|error| self.unexpected(&error))?;
        // Asked for one key of one user, not every release repeats whose it is.
        read.scope = key.scope.clone();
        self.hide(&read.value);
        Ok(read)
    }

    /// Puts a key into the datastore, and returns it as the instance then has it.
    pub(crate) fn set_key(&self, key: &KeyPair, ttl: Option<u64>) -> Result<KeyPair, Failure> {
        let path = format!("/v1/keys/{}", encoded(&key.name));
        let failed = |error: &ApiError| error.failure(format!("cannot load key `{}`", key.shown()));
        let answer = self
            .put(&path, &key.load(ttl))
            .map_err(|error| failed(&error))?;
        KeyPair::read(&answer).map_err(|error| failed(&self.unexpected(&error)))
    }

    /// Removes a key of the system.
    pub(crate) fn remove_key(&self, name: &str) -> Result<(), ApiError> {
        self.delete(&format!("/v1/keys/{}?scope=st2kv.system", encoded(name)))
    }

    fn unexpected(&self, error: &AdaptError) -> ApiError {
        ApiError::Answer {
            address: self.address().to_owned(),
            asked: "GET /v1/keys".to_owned(),
            why: error.to_string(),
        }
    }
}
