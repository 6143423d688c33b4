//! Proves that the product takes, returns and removes data, over its public API.

use switchback_engine::ports::Failure;
use switchback_engine::process::Secret;
use switchback_model::RunId;
use switchback_model::event::Outcome;
use switchback_model::product::HttpRequest;

use crate::http::{self, Call};

/// A write, its read-back and its removal.
pub(crate) struct WritePath<'a> {
    /// Without a final slash.
    pub(crate) base: &'a str,
    pub(crate) key: &'a Secret,
    pub(crate) run: &'a RunId,
    pub(crate) requests: &'a [HttpRequest],
}

/// Sends the requests in order. What an earlier try left is removed first, and what this one made is
/// removed also when it fails in the middle.
pub(crate) fn check(path: &WritePath<'_>) -> Result<Outcome, Failure> {
    path.tidy();
    for request in path.requests {
        if let Err(failure) = path.send(request) {
            path.tidy();
            return Err(failure);
        }
    }
    let methods: Vec<&str> = path
        .requests
        .iter()
        .map(|request| request.method.as_str())
        .collect();
    Ok(Outcome {
        summary: format!("{} succeed", methods.join(", ")),
        ..Outcome::default()
    })
}

impl WritePath<'_> {
    fn tidy(&self) {
        for request in self
            .requests
            .iter()
            .filter(|request| request.method == "DELETE")
        {
            let _ = self.send(request);
        }
    }

    fn send(&self, request: &HttpRequest) -> Result<(), Failure> {
        let filled = |text: &str| {
            text.replace("{api-key}", self.key.expose())
                .replace("{run}", self.run.as_str())
        };
        let url = format!("{}{}", self.base, filled(&request.path));
        let body = request.body.as_deref().map(filled);
        let shown = format!(
            "{} {}{}",
            request.method,
            self.base,
            request.path.replace("{run}", self.run.as_str())
        );
        let answer = http::send(&Call {
            method: &request.method,
            url: &url,
            token: Some(self.key.expose()),
            body: body.as_deref(),
        })
        .map_err(|error| {
            Failure::new("write-path-failed", format!("{shown} got no answer")).cause(error)
        })?;
        let start: String = answer.body.chars().take(300).collect();
        if !(200..300).contains(&answer.status) {
            let failure = Failure::new(
                "write-path-failed",
                format!("{shown} answers {}", answer.status),
            )
            .cause(start);
            return Err(match answer.status {
                401 | 403 => failure.hint("check [verify] api-key in switchback.toml: it needs rights to write and delete"),
                _ => failure.hint("a product that starts and cannot write often misses a migration: look at its log"),
            });
        }
        match request.expect.as_deref().map(filled) {
            Some(wanted) if !answer.body.contains(&wanted) => Err(Failure::new(
                "write-path-failed",
                format!("{shown} does not answer with `{wanted}`"),
            )
            .cause(start)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn requests() -> Vec<HttpRequest> {
        let request =
            |method: &str, path: &str, body: Option<&str>, expect: Option<&str>| HttpRequest {
                method: method.to_owned(),
                path: path.to_owned(),
                body: body.map(str::to_owned),
                expect: expect.map(str::to_owned),
            };
        vec![
            request(
                "POST",
                "/devices",
                Some(r#"{"id":"x-{run}"}"#),
                Some("x-{run}"),
            ),
            request("GET", "/devices/x-{run}", None, Some("x-{run}")),
            request("DELETE", "/devices/x-{run}", None, None),
        ]
    }

    /// Runs against a server that fails at `broken`; returns the result and what the server saw.
    fn run(broken: &'static str) -> (Result<Outcome, Failure>, Vec<String>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let address = http::tests::serve(move |method, path, token, body| {
            log.lock()
                .expect("no panic")
                .push(format!("{method} {path}"));
            assert_eq!(token, "Bearer s3cret");
            let status = if method == broken { 500 } else { 200 };
            (status, format!("{body} {path}"))
        });
        let result = check(&WritePath {
            base: &format!("http://{address}"),
            key: &Secret::new("s3cret"),
            run: &RunId::new("r-1"),
            requests: &requests(),
        });
        let seen = seen.lock().expect("no panic").clone();
        (result, seen)
    }

    #[test]
    fn writes_reads_and_removes() {
        let (result, seen) = run("none");
        assert_eq!(result.expect("passes").summary, "POST, GET, DELETE succeed");
        assert_eq!(
            seen,
            [
                "DELETE /devices/x-r-1",
                "POST /devices",
                "GET /devices/x-r-1",
                "DELETE /devices/x-r-1"
            ]
        );
    }

    #[test]
    fn a_failure_in_the_middle_leaves_nothing_behind() {
        let (result, seen) = run("GET");
        let failure = result.expect_err("fails");
        assert_eq!(failure.code, "write-path-failed");
        assert!(failure.what.contains("answers 500") && !format!("{failure:?}").contains("s3cret"));
        assert_eq!(
            seen.last().map(String::as_str),
            Some("DELETE /devices/x-r-1")
        );
    }
}
