//! Answers in the shape of the real gateway from HTTP to gRPC.

use serde_json::{Value, json};

use crate::identity;

/// A status and a JSON body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    pub(super) fn bad(field: &str) -> Self {
        Self::error(
            400,
            3,
            &format!("error:pkg/errors:validation (invalid `{field}`)"),
        )
    }

    pub(super) fn unauthenticated() -> Self {
        Self::error(
            401,
            16,
            "error:pkg/auth/rights:unauthenticated (call was not authenticated)",
        )
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::error(
            404,
            5,
            &format!("error:pkg/identityserver/store:{what}_not_found ({what} not found)"),
        )
    }

    pub(super) fn taken(what: &str) -> Self {
        Self::error(
            409,
            6,
            &format!(
                "error:pkg/identityserver/store:{what}_already_exists ({what} already exists)"
            ),
        )
    }

    pub(super) fn unavailable(cause: &str) -> Self {
        Self::error(
            503,
            14,
            &format!("error:pkg/util/store:unavailable (database unavailable) {cause}"),
        )
    }

    /// A table or column that this release expects and the database lacks ends here, too.
    pub(super) fn driver_error(problem: &postgres::Error) -> Self {
        let mut answer = Self::error(500, 2, "error:pkg/util/store:driver (driver error)");
        answer.body["details"] = json!([{ "name": "driver", "message": identity::told(problem) }]);
        answer
    }

    fn error(status: u16, code: u8, message: &str) -> Self {
        Self {
            status,
            body: json!({ "code": code, "message": message }),
        }
    }
}
