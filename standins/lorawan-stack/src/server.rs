//! `start`: all components in one process, behind one HTTP listener.

mod answer;
mod auth;
mod identities;
mod registries;

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use postgres::Client;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tiny_http::{Header, Request, Response, Server};

use self::answer::Answer;
use crate::log::info;
use crate::redis::Redis;
use crate::release::Release;
use crate::{Context, faults, identity};

/// Requests answered at once.
const WORKERS: usize = 4;

/// What one worker holds: connections, made at need and thrown away after an error.
struct Worker<'a> {
    context: &'a Context,
    sql: Option<Client>,
    redis: Option<Redis>,
}

/// A request, taken apart.
struct Asked<'a> {
    method: &'a str,
    path: Vec<&'a str>,
    token: Option<&'a str>,
    body: serde_json::Value,
}

/// Constructs every component, then listens until a signal comes.
pub(crate) fn start(context: &Context) -> Result<()> {
    info!("Setting up core component");
    info!("Setting up Identity Server");
    identity::check_at_start(context)?;
    for name in [
        "Gateway Server",
        "Network Server",
        "Application Server",
        "Join Server",
    ] {
        info!("Setting up {name}");
    }
    Redis::connect(&context.config)?;
    faults::at_start()?;
    let address = context.config.get_or("http.listen", ":1885");
    let address = if address.starts_with(':') {
        format!("0.0.0.0{address}")
    } else {
        address
    };
    let server = Server::http(&address).map_err(|problem| {
        anyhow!("error:pkg/component:listen (could not listen on `{address}`) {problem}")
    })?;
    let server = Arc::new(server);
    info!(
        "Listening for connections  address={address} namespace=web protocol=HTTP version={}",
        context.release
    );

    let mut signals = Signals::new([SIGTERM, SIGINT]).context("cannot listen to signals")?;
    let waker = Arc::clone(&server);
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            info!("Received signal, exiting...  signal={signal}");
            // Requests under way get this long to end, as the real server's shutdown gives them.
            for _ in 0..WORKERS {
                waker.unblock();
            }
            std::thread::sleep(Duration::from_secs(2));
            std::process::exit(0);
        }
    });
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| serve(&server, context));
        }
    });
    Ok(())
}

fn serve(server: &Server, context: &Context) {
    let mut worker = Worker {
        context,
        sql: None,
        redis: None,
    };
    // An error means that the listener was unblocked: the process is to end.
    while let Ok(request) = server.recv() {
        worker.answer(request);
    }
}

impl Worker<'_> {
    fn answer(&mut self, mut request: Request) {
        let mut text = String::new();
        let readable = request
            .as_reader()
            .take(1 << 20)
            .read_to_string(&mut text)
            .is_ok();
        let method = request.method().to_string();
        let url = request
            .url()
            .split('?')
            .next()
            .unwrap_or_default()
            .to_owned();
        let header = request
            .headers()
            .iter()
            .find(|header| header.field.equiv("Authorization"))
            .map(|header| header.value.as_str().to_owned());
        let asked = Asked {
            method: &method,
            path: url.split('/').filter(|part| !part.is_empty()).collect(),
            token: header
                .as_deref()
                .and_then(|value| value.strip_prefix("Bearer ")),
            body: serde_json::from_str(&text).unwrap_or_default(),
        };
        let answer = if readable {
            self.route(&asked)
        } else {
            Answer::bad("body")
        };
        let mut response =
            Response::from_string(answer.body.to_string()).with_status_code(answer.status);
        if let Ok(kind) = Header::from_bytes("Content-Type", "application/json") {
            response.add_header(kind);
        }
        // A caller that went away is no fault of ours.
        drop(request.respond(response));
    }

    fn route(&mut self, asked: &Asked<'_>) -> Answer {
        match asked.path.as_slice() {
            ["healthz", rest @ ..] => self.health(rest),
            ["metrics"] => Answer::ok(serde_json::json!({})),
            ["api", "v3", path @ ..] => {
                let path = path.to_vec();
                let outcome = self
                    .authenticate(asked)
                    .and_then(|()| match path.as_slice() {
                        ["auth_info"] => Ok(Answer::ok(serde_json::json!({"is_admin": true}))),
                        [
                            registry @ ("ns" | "as" | "js"),
                            "applications",
                            application,
                            "devices",
                            rest @ ..,
                        ] => self.registry(registry, application, rest, asked),
                        ["applications", application, "devices", rest @ ..] => {
                            self.devices(application, rest, asked)
                        }
                        path => self.identities(path, asked),
                    });
                outcome.unwrap_or_else(|refused| refused)
            }
            _ => Answer::not_found("route"),
        }
    }

    /// No check is registered on the real handler either: an answer says that the listener is up, and nothing of databases.
    fn health(&self, rest: &[&str]) -> Answer {
        let old = self.context.release < Release::new(3, 24, 0);
        match rest {
            ["live" | "ready"] if old => Answer::ok(serde_json::json!({})),
            [] if !old => Answer::ok(serde_json::json!({})),
            _ => Answer::not_found("route"),
        }
    }

    /// Runs a query; a connection that failed is not used again.
    fn sql<T>(
        &mut self,
        work: impl FnOnce(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<T, Answer> {
        if self.sql.as_ref().is_none_or(Client::is_closed) {
            self.sql = Some(
                identity::connect(self.context)
                    .map_err(|problem| Answer::unavailable(&format!("{problem:#}")))?,
            );
        }
        let Some(client) = self.sql.as_mut() else {
            return Err(Answer::unavailable("no connection"));
        };
        work(client).map_err(|problem| Answer::driver_error(&problem))
    }

    /// Runs Redis commands; a connection that failed is not used again.
    fn redis<T>(&mut self, work: impl FnOnce(&mut Redis) -> Result<T>) -> Result<T, Answer> {
        let mut redis = match self.redis.take() {
            Some(redis) => redis,
            None => Redis::connect(&self.context.config)
                .map_err(|problem| Answer::unavailable(&format!("{problem:#}")))?,
        };
        let outcome =
            work(&mut redis).map_err(|problem| Answer::unavailable(&format!("{problem:#}")))?;
        self.redis = Some(redis);
        Ok(outcome)
    }
}
