//! What is looked at from outside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::engine_change::EngineChange;
use crate::id::{DatastoreName, RunId, ServiceName};
use crate::observed::ImagePin;
use crate::product::HttpRequest;

/// Something to look at from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "look")]
pub enum Check {
    /// HTTP GET answers 200.
    Health {
        /// The service that answers.
        service: ServiceName,
        /// Container port.
        port: u16,
        /// Base URL where the operator gave one.
        url: Option<String>,
        /// Path.
        path: String,
    },
    /// The services' containers run these images and do not restart.
    Stable {
        /// The images, by service.
        images: BTreeMap<ServiceName, ImagePin>,
    },
    /// A write, its read-back and its removal succeed.
    WritePath {
        /// The service that answers.
        service: ServiceName,
        /// Container port.
        port: u16,
        /// Base URL where the operator gave one.
        url: Option<String>,
        /// API key, by reference.
        api_key: crate::config::SecretRef,
        /// Requests with names filled in; `{api-key}` and `{run}` still open.
        requests: Vec<HttpRequest>,
    },
    /// A server of another version can be what this one is: its roles, databases, schemas, extensions and
    /// settings are tried there, without their data. Changes nothing.
    Fits {
        /// Which datastore.
        datastore: DatastoreName,
        /// From which version to which.
        engine: EngineChange,
    },
    /// Nothing shrank against the sealed backup but what the plan names.
    Counts {
        /// Which datastore.
        datastore: DatastoreName,
        /// The run whose backup is compared with; the current one where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        /// True where contents must be exactly equal (after a rollback, before the service starts).
        exact: bool,
    },
    /// Everything that a roll-over brought is compared once more, piece by piece.
    Content,
    /// Resources of a stack are as its template says.
    AsTemplate {
        /// The stack.
        stack: String,
        /// Their names in its template.
        logical: Vec<String>,
    },
    /// A machine that a stack made runs, passes the provider's own look at it, and has its volumes.
    Machine {
        /// The stack that makes it.
        stack: String,
        /// Its name in that stack's template.
        logical: String,
        /// What is known to fail meanwhile, and is no failure.
        meanwhile: Option<String>,
    },
}
