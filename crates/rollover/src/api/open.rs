//! Both instances of a roll-over, opened.

use std::path::Path;

use switchback_engine::redact::Redactor;
use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::rollover::{Instance, RollOver};

use super::client::Api;

/// Both instances, each with its key.
pub(crate) fn open(content: &RollOver, redactor: &Redactor) -> Result<(Api, Api), Problem> {
    let open = |instance: &Instance| -> Result<Api, Problem> {
        let key = switchback_drivers::plain_secret(&instance.key, Path::new("."))
            .unwrap_or_else(|| Err(no_service(instance)))?;
        Ok(Api::new(&instance.api, key, redactor))
    };
    Ok((open(&content.from)?, open(&content.into)?))
}

fn no_service(instance: &Instance) -> Problem {
    Problem::new(
        Exit::Usage,
        "secret-missing",
        format!(
            "the API key of {} is in no service that can be seen from here",
            instance.api
        ),
    )
    .hint("give it as `env:VARIABLE` or `file:PATH`")
}
