//! Keys of the datastore as every release can mean them: what an old one leaves out is put in.

use serde_json::{Value, json};

use crate::release::Keys;

/// Where a key is seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    /// By everyone.
    System,
    /// By this user.
    User(String),
}

/// One key of the datastore. It shows no value: values may be secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyPair {
    pub(crate) scope: Scope,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) secret: bool,
    /// True where the value is what the instance's own datastore key made of it.
    pub(crate) encrypted: bool,
    /// When it ends by itself.
    pub(crate) expires: Option<String>,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

/// Why an answer is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AdaptError {
    #[error("a key without a name")]
    NoName,
    #[error("key `{name}` has the scope `{scope}`, which is neither system nor user")]
    Scope { name: String, scope: String },
    #[error("key `{name}` is a user's, and nobody says whose")]
    NoUser { name: String },
}

impl KeyPair {
    /// What an instance answered, whatever its release leaves out: without a scope it is the system's, without
    /// `secret` it is none; a value that is no text becomes JSON.
    pub(crate) fn read(answer: &Value) -> Result<Self, AdaptError> {
        let text = |field: &str| answer[field].as_str().map(str::to_owned);
        let is = |field: &str| answer[field].as_bool().unwrap_or(false);
        let mut name = text("name")
            .filter(|name| !name.is_empty())
            .ok_or(AdaptError::NoName)?;
        let said = text("scope").unwrap_or_else(|| "system".to_owned());
        let scope = match said.strip_prefix("st2kv.").unwrap_or(&said) {
            "system" => Scope::System,
            "user" => match (
                text("user").filter(|user| !user.is_empty()),
                name.split_once(':'),
            ) {
                (Some(user), _) => Scope::User(user),
                // As the database itself writes it: `stanley:token`.
                (None, Some((user, bare))) => {
                    let user = user.to_owned();
                    name = bare.to_owned();
                    Scope::User(user)
                }
                (None, None) => return Err(AdaptError::NoUser { name }),
            },
            _ => return Err(AdaptError::Scope { name, scope: said }),
        };
        let value = match &answer["value"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        Ok(Self {
            scope,
            name,
            value,
            secret: is("secret"),
            encrypted: is("encrypted"),
            expires: text("expire_timestamp").filter(|when| !when.is_empty()),
        })
    }

    /// What the new instance is given. Its release is 2.1 or later, so scopes are prefixed.
    pub(crate) fn load(&self, ttl: Option<u64>) -> Value {
        let mut body =
            json!({ "name": self.name, "value": self.value, "scope": self.scope.prefixed() });
        if let Scope::User(user) = &self.scope {
            body["user"] = json!(user);
        }
        if self.secret {
            body["secret"] = json!(true);
        }
        if let Some(ttl) = ttl {
            body["ttl"] = json!(ttl);
        }
        body
    }

    /// Which key it is.
    pub(crate) fn identity(&self) -> (&Scope, &str) {
        (&self.scope, &self.name)
    }

    /// Which key it is, for people.
    pub(crate) fn shown(&self) -> String {
        match &self.scope {
            Scope::System => self.name.clone(),
            Scope::User(user) => format!("{} of {user}", self.name),
        }
    }

    /// A line that changes when the key does. What is secret comes in only as its own encryption hides it.
    pub(crate) fn trace(&self) -> String {
        let value = match (self.secret, self.encrypted) {
            (true, false) => "",
            _ => self.value.as_str(),
        };
        let expires = self.expires.as_deref().unwrap_or_default();
        format!(
            "{:?}\n",
            (
                &self.scope,
                &self.name,
                self.secret,
                self.encrypted,
                value,
                expires
            )
        )
    }
}

impl Scope {
    /// As releases from 2.1 write it.
    pub(crate) fn prefixed(&self) -> &'static str {
        match self {
            Self::System => "st2kv.system",
            Self::User(_) => "st2kv.user",
        }
    }

    /// The questions that list everything: the system's keys, and those of each user.
    pub(crate) fn questions(keys: Keys, users: &[String]) -> Vec<Vec<(String, String)>> {
        let Some(system) = keys.scope("system") else {
            return vec![Vec::new()];
        };
        let mut questions = vec![vec![("scope".to_owned(), system)]];
        for user in users {
            questions.push(vec![
                ("scope".to_owned(), keys.scope("user").unwrap_or_default()),
                ("user".to_owned(), user.clone()),
            ]);
        }
        questions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapted(before: Value) -> Value {
        KeyPair::read(&before).expect("a key").load(None)
    }

    #[test]
    fn what_an_old_release_leaves_out_is_put_in() {
        assert_eq!(
            adapted(json!({"name": "api_host", "value": "10.0.0.1"})),
            json!({"name": "api_host", "value": "10.0.0.1", "scope": "st2kv.system"})
        );
        assert_eq!(
            adapted(
                json!({"name": "api_host", "value": "10.0.0.1", "scope": "system", "secret": false, "encrypted": false})
            ),
            json!({"name": "api_host", "value": "10.0.0.1", "scope": "st2kv.system"})
        );
        assert_eq!(
            adapted(
                json!({"name": "tok", "value": "abc", "scope": "user", "user": "stanley", "secret": false})
            ),
            json!({"name": "tok", "value": "abc", "scope": "st2kv.user", "user": "stanley"})
        );
        assert_eq!(
            adapted(json!({"name": "stanley:tok", "value": "abc", "scope": "st2kv.user"})),
            json!({"name": "tok", "value": "abc", "scope": "st2kv.user", "user": "stanley"})
        );
        assert_eq!(
            adapted(json!({"name": "cfg", "value": {"a": 1}})),
            json!({"name": "cfg", "value": "{\"a\":1}", "scope": "st2kv.system"})
        );
        assert_eq!(
            adapted(
                json!({"name": "dbpass", "value": "x", "scope": "st2kv.system", "secret": true})
            ),
            json!({"name": "dbpass", "value": "x", "scope": "st2kv.system", "secret": true})
        );
    }

    #[test]
    fn a_key_that_nobody_understands_is_no_key() {
        let read = |answer: Value| KeyPair::read(&answer).expect_err("no key");
        assert_eq!(read(json!({"value": "x"})), AdaptError::NoName);
        assert!(matches!(
            read(json!({"name": "a", "scope": "galaxy"})),
            AdaptError::Scope { .. }
        ));
        assert!(matches!(
            read(json!({"name": "a", "scope": "user"})),
            AdaptError::NoUser { .. }
        ));
    }

    #[test]
    fn a_secret_shows_nowhere() {
        let answer =
            json!({"name": "dbpass", "value": "hunter2", "scope": "st2kv.system", "secret": true});
        let key = KeyPair::read(&answer).expect("a key");
        assert!(!format!("{key:?}{}", key.trace()).contains("hunter2"));
    }

    #[test]
    fn every_scope_is_asked_for_as_its_release_calls_it() {
        let users = vec!["alice".to_owned()];
        assert_eq!(Scope::questions(Keys::Plain, &users), [Vec::new()]);
        let asked = Scope::questions(Keys::Scoped, &users);
        assert_eq!(asked[0], [("scope".to_owned(), "system".to_owned())]);
        let asked = Scope::questions(Keys::Prefixed, &users);
        assert_eq!(asked[1][0], ("scope".to_owned(), "st2kv.user".to_owned()));
        assert_eq!(asked[1][1], ("user".to_owned(), "alice".to_owned()));
    }
}
