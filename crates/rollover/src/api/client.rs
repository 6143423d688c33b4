//! One instance over HTTP.

use std::time::Duration;

use serde_json::Value;
use switchback_engine::process::Secret;
use switchback_engine::redact::Redactor;
use ureq::Body;
use ureq::http::{Request, Response};

use super::error::ApiError;

/// How long one request may take: a list of a hundred objects of a busy instance takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest answer that is read: a hundred rules or keys, each of them large.
const LONGEST: u64 = 256 << 20;

/// An instance. Asks one thing at a time.
pub(crate) struct Api {
    base: String,
    key: Secret,
    agent: ureq::Agent,
    redactor: Redactor,
}

/// What came back, with success.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Value,
    /// How many there are in all, where it is told.
    pub(crate) total: Option<usize>,
}

impl Api {
    /// An instance whose API is at `base`; its key is masked wherever `redactor` masks.
    pub(crate) fn new(base: &str, key: Secret, redactor: &Redactor) -> Self {
        redactor.register(key.expose());
        let base = base
            .trim_end_matches('/')
            .trim_end_matches("/v1")
            .to_owned();
        Self {
            agent: switchback_drivers::http_agent(&base, true, PATIENCE),
            base,
            key,
            redactor: redactor.clone(),
        }
    }

    /// Its address.
    pub(crate) fn address(&self) -> &str {
        &self.base
    }

    /// Keeps a secret from being shown anywhere.
    pub(crate) fn hide(&self, secret: &str) {
        self.redactor.register(secret);
    }

    /// Asks for `path`, with a question.
    pub(crate) fn get(&self, path: &str, question: &[(&str, &str)]) -> Result<Answer, ApiError> {
        let mut url = format!("{}{path}", self.base);
        for (place, (name, value)) in question.iter().enumerate() {
            url.push(if place == 0 { '?' } else { '&' });
            url.push_str(&format!("{}={}", encoded(name), encoded(value)));
        }
        self.send("GET", path, &url, None)
    }

    /// As [`Api::get`]; `None` where there is no such thing.
    pub(crate) fn find(&self, path: &str) -> Result<Option<Value>, ApiError> {
        match self.get(path, &[]) {
            Ok(answer) => Ok(Some(answer.body)),
            Err(ApiError::Status { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes something.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        let url = format!("{}{path}", self.base);
        Ok(self.send("POST", path, &url, Some(body))?.body)
    }

    /// Puts something in its place.
    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        let url = format!("{}{path}", self.base);
        Ok(self.send("PUT", path, &url, Some(body))?.body)
    }

    /// Removes something; what is not there is removed.
    pub(crate) fn delete(&self, path: &str) -> Result<(), ApiError> {
        let url = format!("{}{path}", self.base);
        match self.send("DELETE", path, &url, None) {
            Ok(_) | Err(ApiError::Status { status: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        url: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ApiError> {
        let mut response = self
            .request(method, url, body)
            .map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        let total = response
            .headers()
            .get("X-Total-Count")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let text = response
            .body_mut()
            .with_config()
            .limit(LONGEST)
            .read_to_string()
            .map_err(|error| self.unreachable(&error))?;
        let body = self.understood(&format!("{method} {path}"), status, &text)?;
        Ok(Answer { body, total })
    }

    fn request(
        &self,
        method: &str,
        url: &str,
        body: Option<&Value>,
    ) -> Result<Response<Body>, ureq::Error> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("St2-Api-Key", self.key.expose())
            .header("Accept", "application/json");
        match body {
            Some(body) => {
                let request = request.header("Content-Type", "application/json");
                self.agent.run(request.body(body.to_string())?)
            }
            None => self.agent.run(request.body(())?),
        }
    }

    /// What was said with success; nothing where that was nothing.
    fn understood(&self, asked: &str, status: u16, text: &str) -> Result<Value, ApiError> {
        let address = self.base.clone();
        match status {
            200..=299 if text.trim().is_empty() => Ok(Value::Null),
            200..=299 => serde_json::from_str(text).map_err(|error| ApiError::Answer {
                address,
                asked: asked.to_owned(),
                why: error.to_string(),
            }),
            401 => Err(ApiError::Key { address, status }),
            _ => Err(ApiError::Status {
                address,
                asked: asked.to_owned(),
                status,
                said: self.redactor.mask(&fault(text)),
            }),
        }
    }

    fn unreachable(&self, why: &dyn std::fmt::Display) -> ApiError {
        ApiError::Unreachable {
            address: self.base.clone(),
            why: why.to_string(),
        }
    }
}

/// What an answer that is no success says.
fn fault(text: &str) -> String {
    let said = serde_json::from_str::<Value>(text)
        .ok()
        .and_then(|body| body["faultstring"].as_str().map(str::to_owned))
        .unwrap_or_else(|| text.trim().to_owned());
    said.chars().take(300).collect()
}

/// For a segment of a path or a value of a question.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keys_may_hold_anything() {
        assert_eq!(encoded("a.b-c_d~1"), "a.b-c_d~1");
        assert_eq!(encoded("svc:x/y z?"), "svc%3Ax%2Fy%20z%3F");
    }

    #[test]
    fn faults_are_what_the_api_says() {
        assert_eq!(fault(r#"{"faultstring": "no such pack"}"#), "no such pack");
        assert_eq!(
            fault("<html>bad gateway</html>\n"),
            "<html>bad gateway</html>"
        );
    }
}
