//! The datastore of keys, as releases differ in it.

use serde_json::{Value, json};

use super::http::{Answer, Request};
use super::state::{State, Stored};

impl State {
    /// Sets a key as its owner would.
    pub fn set_key(&mut self, user: Option<&str>, name: &str, value: &str, secret: bool) {
        let scope = if user.is_some() { "user" } else { "system" };
        let stored = Stored {
            value: value.to_owned(),
            secret,
            sealed_by: self.datastore_key,
            expires: None,
        };
        let place = (
            scope.to_owned(),
            user.unwrap_or_default().to_owned(),
            name.to_owned(),
        );
        self.keys.insert(place, stored);
    }

    /// Empties the datastore.
    pub fn clear_keys(&mut self) {
        self.keys.clear();
    }

    /// How many keys there are.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Each key with its plain value: the picture is for comparison.
    pub(super) fn key_picture(&self) -> Value {
        self.keys
            .iter()
            .map(|((scope, user, name), key)| json!([scope, user, name, key.value, key.secret]))
            .collect()
    }

    pub(super) fn list_keys(&self, request: &Request) -> Answer {
        let scope = bare(request.asked("scope").unwrap_or("system"));
        // A client that says nothing is the user that the stand-in's one API key belongs to.
        let user = request.asked("user").unwrap_or("st2admin");
        let mut listed = Vec::new();
        for (place, key) in &self.keys {
            let wanted = match (scope, place.0.as_str()) {
                _ if !self.is_from((1, 5)) => true,
                ("all", "system") | ("system", "system") => true,
                ("all" | "user", "user") => place.1 == user,
                _ => false,
            };
            if !wanted {
                continue;
            }
            match self.key_answer(place, key, request.asked("decrypt") == Some("true")) {
                Ok(answer) => listed.push(answer),
                Err(answer) => return answer,
            }
        }
        self.page(request, listed)
    }

    pub(super) fn get_key(&self, request: &Request, name: &str) -> Answer {
        let place = self.place(request.asked("scope"), request.asked("user"), name);
        match self.keys.get(&place) {
            None => Answer::fault(404, &format!("KeyValuePair \"{name}\" not found")),
            Some(key) => self
                .key_answer(&place, key, request.asked("decrypt") == Some("true"))
                .map_or_else(|answer| answer, Answer::found),
        }
    }

    pub(super) fn put_key(&mut self, request: &Request, name: &str) -> Answer {
        let body = &request.body;
        let Some(value) = body["value"].as_str() else {
            return Answer::fault(400, "value must be a string");
        };
        let secret = body["secret"] == true && !self.forgets_secrets && self.is_from((1, 5));
        // Ciphertext is stored as it is, and can be read only with the datastore key that made it.
        let (value, sealed_by) = match (secret && body["encrypted"] == true, opened(value)) {
            (true, Some((by, plain))) => (plain, by),
            (true, None) => return Answer::fault(400, "value is not encrypted"),
            (false, _) => (value.to_owned(), self.datastore_key),
        };
        let place = self.place(body["scope"].as_str(), body["user"].as_str(), name);
        let stored = Stored {
            value,
            secret,
            sealed_by,
            expires: body["ttl"]
                .as_u64()
                .map(|ttl| format!("2099-01-01T00:00:{:02}.000000Z", ttl % 60)),
        };
        self.keys.insert(place.clone(), stored.clone());
        self.key_answer(&place, &stored, false)
            .map_or_else(|answer| answer, Answer::found)
    }

    pub(super) fn delete_key(&mut self, request: &Request, name: &str) -> Answer {
        let place = self.place(request.asked("scope"), request.asked("user"), name);
        match self.keys.remove(&place) {
            Some(_) => Answer::nothing(204),
            None => Answer::fault(404, &format!("KeyValuePair \"{name}\" not found")),
        }
    }

    fn place(
        &self,
        scope: Option<&str>,
        user: Option<&str>,
        name: &str,
    ) -> (String, String, String) {
        let scope = if self.is_from((1, 5)) {
            bare(scope.unwrap_or("system"))
        } else {
            "system"
        };
        let user = if scope == "user" {
            user.unwrap_or("st2admin")
        } else {
            ""
        };
        (scope.to_owned(), user.to_owned(), name.to_owned())
    }

    fn key_answer(
        &self,
        (scope, user, name): &(String, String, String),
        key: &Stored,
        decrypted: bool,
    ) -> Result<Value, Answer> {
        let mut answer =
            json!({ "name": name, "value": key.value, "expire_timestamp": key.expires });
        if !self.is_from((1, 5)) {
            return Ok(answer);
        }
        if key.secret && decrypted && key.sealed_by != self.datastore_key {
            return Err(Answer::fault(500, "Internal Server Error"));
        }
        let encrypted = key.secret && !decrypted;
        if encrypted {
            answer["value"] = json!(sealed(key.sealed_by, &key.value));
        }
        let prefix = if self.is_from((2, 1)) { "st2kv." } else { "" };
        answer["scope"] = json!(format!("{prefix}{scope}"));
        answer["secret"] = json!(key.secret);
        answer["encrypted"] = json!(encrypted);
        if !user.is_empty() {
            answer["user"] = json!(user);
        }
        Ok(answer)
    }
}

fn bare(scope: &str) -> &str {
    scope.strip_prefix("st2kv.").unwrap_or(scope)
}

/// Stands for encryption: unreadable to the eye, and bound to the key that made it.
fn sealed(by: u8, plain: &str) -> String {
    let hidden: String = plain
        .bytes()
        .map(|byte| format!("{:02X}", byte ^ 0x5A))
        .collect();
    format!("30303030{by:02X}{hidden}")
}

fn opened(cipher: &str) -> Option<(u8, String)> {
    let hex = cipher.strip_prefix("30303030")?;
    let bytes: Option<Vec<u8>> = (0..hex.len() / 2)
        .map(|place| u8::from_str_radix(hex.get(place * 2..place * 2 + 2)?, 16).ok())
        .collect();
    let (by, hidden) = bytes?
        .split_first()
        .map(|(by, rest)| (*by, rest.to_vec()))?;
    let plain = hidden.iter().map(|byte| byte ^ 0x5A).collect();
    String::from_utf8(plain).ok().map(|plain| (by, plain))
}
