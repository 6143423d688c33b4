//! How a running version is asked whether it is well, from outside.

use serde::{Deserialize, Serialize};

use crate::version::Range;

/// How a range of versions answers for its health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Health {
    /// Versions it is true of.
    pub versions: Range,
    /// HTTP path.
    pub path: String,
    /// Where it was read.
    pub source: String,
}

/// A write, its read-back and its removal, over the product's public HTTP API.
///
/// `{api-key}` and the names under `[verify]` in `switchback.toml` are filled in; `{run}` is the run's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WritePath {
    /// Names under `[verify]` that must be set, beside `api-key`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Requests in order; each must answer with a 2xx status.
    pub requests: Vec<HttpRequest>,
}

/// One request of a write path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpRequest {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: String,
    /// Path with placeholders.
    pub path: String,
    /// JSON body with placeholders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Text that the answer must contain, with placeholders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}
