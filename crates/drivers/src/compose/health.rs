//! Looks from outside, as users do. A wait goes on for as long as the service
//! gets anywhere, and ends when it ends, restarts or stands still.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use switchback_engine::ports::{Context, Failure};
use switchback_engine::signal::Urgency;
use switchback_model::ServiceName;
use switchback_model::event::Outcome;
use switchback_model::observed::ImagePin;
use switchback_model::plan::Check;

use super::deployment::Shared;
use super::driver::failure_of;
use super::engine_api::{Container, Status};
use super::observe::published;
use super::reach::containers_failed;
use crate::http::{self, Call};
use crate::write_path::{self, WritePath};

/// How often a wait asks.
const LOOK: Duration = Duration::from_secs(1);
/// Without a new log line and without processor time for this long, nothing is under way: even a server
/// that waits for its database writes a line or spins within this time.
const STANDSTILL: Duration = Duration::from_secs(90);
/// A server that answers, but not with 200, will not change its mind after this long; 503 says "wait".
const WRONG_ANSWER: Duration = Duration::from_secs(20);
/// How long images are watched for restarts: a component that cannot start ends within a second or two.
const WATCH_SECONDS: u64 = 5;
/// Lines of log that a failure shows.
const LAST_LINES: usize = 20;

/// Carries out one check.
pub(super) fn check(shared: &Shared, cx: &Context<'_>, check: &Check) -> Result<Outcome, Failure> {
    match check {
        Check::Health {
            service,
            port,
            url,
            path,
        } => healthy(shared, cx, service, *port, url.as_deref(), path),
        Check::Stable { images } => stable(shared, cx, images),
        Check::WritePath {
            service,
            port,
            url,
            api_key,
            requests,
        } => {
            let base = base(shared, service, *port, url.as_deref())?;
            let key = shared.secret(api_key).map_err(failure_of)?;
            write_path::check(&WritePath {
                base: &base,
                key: &key,
                run: cx.run,
                requests,
            })
        }
        Check::Counts { .. } => Err(Failure::new(
            "not-for-the-driver",
            "counts are the datastore's to compare",
        )),
    }
}

/// The last lines of the services' containers, for a failure's output.
pub(super) fn last_words(shared: &Shared, services: &[ServiceName]) -> Option<String> {
    let engine = shared.engine().ok()?;
    let mut text = Vec::new();
    for service in services {
        for container in shared.containers(service).ok()? {
            let lines = engine
                .last_lines(&container.id, LAST_LINES)
                .unwrap_or_default();
            text.extend(lines);
        }
    }
    (!text.is_empty()).then(|| shared.commands.redactor().mask(&text.join("\n")))
}

/// Where the service is reached from outside, without a final slash.
fn base(
    shared: &Shared,
    service: &ServiceName,
    port: u16,
    url: Option<&str>,
) -> Result<String, Failure> {
    if let Some(url) = url {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    let containers = shared
        .containers(service)
        .map_err(|error| containers_failed(service, error))?;
    if let Some(spec) = shared.project.service(service)
        && let Some(address) = published(spec, &containers).get(&port)
    {
        return Ok(format!("http://{address}"));
    }
    let running = containers
        .iter()
        .find(|container| container.status == Status::Running);
    match running.and_then(|container| container.addresses.first()) {
        Some(address) => Ok(format!("http://{address}:{port}")),
        None => Err(Failure::new(
            "service-unreachable",
            format!("port {port} of `{service}` is not published and its container has no address"),
        )
        .hint("say how users reach it: [verify] url = \"https://…\" in switchback.toml")),
    }
}

fn healthy(
    shared: &Shared,
    cx: &Context<'_>,
    service: &ServiceName,
    port: u16,
    url: Option<&str>,
    path: &str,
) -> Result<Outcome, Failure> {
    let begun = Instant::now();
    let mut watch = Watch::new(shared, service)?;
    let mut wrong_since: Option<Instant> = None;
    loop {
        let url = format!("{}{path}", base(shared, service, port, url)?);
        let answer = http::send(&Call {
            method: "GET",
            url: &url,
            token: None,
            body: None,
        });
        let said = match &answer {
            Ok(answer) if answer.status == 200 => {
                return Ok(healthy_after(begun, format!("GET {url} answers 200")));
            }
            // The server is up and wants a password, which is the operator's business.
            Ok(answer) if answer.status == 401 => {
                return Ok(healthy_after(
                    begun,
                    format!("GET {url} answers 401: up, asks for a password"),
                ));
            }
            Ok(answer) => {
                let since = *wrong_since.get_or_insert_with(Instant::now);
                if answer.status != 503 && since.elapsed() > WRONG_ANSWER {
                    return Err(Failure::new(
                        "unhealthy",
                        format!("GET {url} answers {} in place of 200", answer.status),
                    )
                    .state(service.as_str(), "runs and answers")
                    .hint(format!(
                        "see why: docker compose logs --tail 50 {service}, then resume"
                    )));
                }
                format!("answers {}", answer.status)
            }
            Err(error) => {
                wrong_since = None;
                error.clone()
            }
        };
        watch.look(shared, service)?;
        cx.progress.report(
            &format!("waiting for {service}: {said}"),
            Some(begun.elapsed().as_secs()),
            None,
            Some("s"),
        );
        if cx.stop.urgency() != Urgency::GoOn {
            let mut failure = Failure::new("stopped", format!("stopped waiting for `{service}`"))
                .state(service.as_str(), format!("runs; {said}"))
                .hint("switchback resume looks again");
            failure.stopped = true;
            return Err(failure);
        }
        if watch.unchanged_since.elapsed() > STANDSTILL {
            let mut failure =
                Failure::new("unhealthy", format!("`{service}` stands still: {said}"))
                    .state(
                        service.as_str(),
                        format!(
                            "runs, without a log line or processor time for {} s",
                            STANDSTILL.as_secs()
                        ),
                    )
                    .hint(format!(
                        "see why: docker compose logs --tail 50 {service}, then resume"
                    ));
            failure.output = last_words(shared, std::slice::from_ref(service));
            return Err(failure);
        }
        std::thread::sleep(LOOK);
    }
}

fn healthy_after(begun: Instant, said: String) -> Outcome {
    let seconds = begun.elapsed().as_secs();
    Outcome {
        summary: match seconds {
            0 => said,
            seconds => format!("{said} after {seconds} s"),
        },
        ..Outcome::default()
    }
}

fn stable(
    shared: &Shared,
    cx: &Context<'_>,
    images: &BTreeMap<ServiceName, ImagePin>,
) -> Result<Outcome, Failure> {
    let mut watches = images
        .keys()
        .map(|service| Ok((service, Watch::new(shared, service)?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    for second in 0..WATCH_SECONDS {
        for (service, watch) in &mut watches {
            let containers = watch.look(shared, service)?;
            let wanted = images.get(service).and_then(|pin| pin.id.as_deref());
            let other = containers
                .iter()
                .find(|container| wanted.is_some_and(|wanted| wanted != container.image));
            if let Some(container) = other {
                return Err(Failure::new(
                    "other-image",
                    format!("`{service}` runs another image than planned"),
                )
                .state(
                    service.as_str(),
                    format!("{} ({})", container.reference, container.image),
                ));
            }
        }
        cx.progress.report(
            "watching for restarts",
            Some(second + 1),
            Some(WATCH_SECONDS),
            Some("s"),
        );
        std::thread::sleep(LOOK);
    }
    let names: Vec<&str> = images.keys().map(ServiceName::as_str).collect();
    Ok(Outcome {
        summary: format!("{} runs without restarting", names.join(" ")),
        ..Outcome::default()
    })
}

/// Sees whether a service gets anywhere.
struct Watch {
    restarts: i64,
    seen: (u64, Vec<String>),
    unchanged_since: Instant,
}

impl Watch {
    fn new(shared: &Shared, service: &ServiceName) -> Result<Self, Failure> {
        let containers = containers(shared, service)?;
        Ok(Self {
            restarts: restarts(&containers),
            seen: (0, Vec::new()),
            unchanged_since: Instant::now(),
        })
    }

    /// Fails where a container ended or was restarted since the last look.
    fn look(&mut self, shared: &Shared, service: &ServiceName) -> Result<Vec<Container>, Failure> {
        let containers = containers(shared, service)?;
        let ended = containers
            .iter()
            .find(|container| container.status != Status::Running);
        let broken = match ended {
            Some(container) if container.status == Status::Restarting => {
                Some("restarts again and again".to_owned())
            }
            Some(container) => Some(format!("exited with {}", container.exit_code)),
            None if containers.is_empty() => Some("has no container".to_owned()),
            None if restarts(&containers) > self.restarts => Some("was restarted".to_owned()),
            None => None,
        };
        if let Some(broken) = broken {
            let mut failure = Failure::new("service-ended", format!("`{service}` {broken}"))
                .hint(format!("see why: docker compose logs --tail 50 {service}"));
            failure.output = last_words(shared, std::slice::from_ref(service));
            if let Some(output) = &failure.output {
                failure.causes.extend(
                    output
                        .lines()
                        .rfind(|line| !line.trim().is_empty())
                        .map(str::to_owned),
                );
            }
            return Err(failure);
        }
        let seen = pulse(shared, &containers);
        if seen != self.seen {
            self.seen = seen;
            self.unchanged_since = Instant::now();
        }
        Ok(containers)
    }
}

fn containers(shared: &Shared, service: &ServiceName) -> Result<Vec<Container>, Failure> {
    shared
        .containers(service)
        .map_err(|error| containers_failed(service, error))
}

fn restarts(containers: &[Container]) -> i64 {
    containers.iter().map(|container| container.restarts).sum()
}

/// Processor time in steps of 10 ms, and the last line of each log. An idle server's timers stay below a step.
fn pulse(shared: &Shared, containers: &[Container]) -> (u64, Vec<String>) {
    let Ok(engine) = shared.engine() else {
        return (0, Vec::new());
    };
    let time = containers
        .iter()
        .filter_map(|container| engine.processor_time(&container.id))
        .sum::<u64>();
    let lines = containers
        .iter()
        .flat_map(|container| engine.last_lines(&container.id, 1).unwrap_or_default())
        .collect();
    (time / 10_000_000, lines)
}
