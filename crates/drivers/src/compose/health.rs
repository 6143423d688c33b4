//! Looks from outside, as users do. A wait goes on for as long as the service
//! gets anywhere, and ends when it ends, restarts or stands still.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::time::Duration;

use switchback_engine::ports::{Context, Failure, no_stacks, not_for_a_driver};
use switchback_model::ServiceName;
use switchback_model::event::Outcome;
use switchback_model::observed::ImagePin;
use switchback_model::plan::Check;

use super::engine_api::{Container, Status};
use super::failures::{containers_failed, failure_of};
use super::observe::published;
use super::shared::Shared;
use crate::waiting::{self, Pulse, Watched};
use crate::write_path::{self, WritePath};

/// How often a wait asks.
const LOOK: Duration = Duration::from_secs(1);
/// How long images are watched for restarts: a component that cannot start ends within a second or two.
const WATCH_SECONDS: u64 = 5;
/// A container of this host answers within this, where it can be reached at all.
const NEAR: Duration = Duration::from_millis(500);
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
        } => {
            let mut watched = Containers {
                shared,
                service,
                port: *port,
                url: url.as_deref(),
                restarts: restarts(&containers(shared, service)?),
            };
            waiting::healthy(cx, service, path, &mut watched)
        }
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
        Check::Machine { stack, .. } | Check::AsTemplate { stack, .. } => Err(no_stacks(stack)),
        Check::Counts { .. } | Check::Fits { .. } | Check::Content => Err(not_for_a_driver()),
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
    let addresses = running.map_or_else(Vec::new, |container| addresses(shared, container));
    match nearest(&addresses, port) {
        Some(address) => Ok(format!("http://{address}:{port}")),
        None => Err(Failure::new(
            "service-unreachable",
            format!("port {port} of `{service}` is not published and its container has no address"),
        )
        .state(
            service.as_str(),
            match running {
                Some(container) => format!("runs, with network `{}`", container.network_mode),
                None => "does not run".to_owned(),
            },
        )
        .hint("say how users reach it: [verify] url = \"https://…\" in switchback.toml")),
    }
}

/// Where a container's own ports are, seen from this host: in its networks, internal ones included, for
/// this host stands on the bridge of each.
fn addresses(shared: &Shared, container: &Container) -> Vec<String> {
    if container.network_mode == "host" {
        return vec!["127.0.0.1".to_owned()];
    }
    // In the network of another one, it is where that one is.
    let other = container.network_mode.strip_prefix("container:");
    match other.map(|id| shared.engine().map(|engine| engine.container(id))) {
        Some(Ok(Ok(other))) if other.network_mode == "host" => vec!["127.0.0.1".to_owned()],
        Some(Ok(Ok(other))) => other.addresses,
        _ => container.addresses.clone(),
    }
}

/// The first address where something listens; else the first, which a wait goes on asking.
fn nearest(addresses: &[String], port: u16) -> Option<&String> {
    let listens = |address: &&String| {
        let place = format!("{address}:{port}").parse();
        place.is_ok_and(|place| TcpStream::connect_timeout(&place, NEAR).is_ok())
    };
    match addresses {
        [one] => Some(one),
        several => several.iter().find(listens).or(several.first()),
    }
}

fn stable(
    shared: &Shared,
    cx: &Context<'_>,
    images: &BTreeMap<ServiceName, ImagePin>,
) -> Result<Outcome, Failure> {
    let before = images
        .keys()
        .map(|service| Ok((service, restarts(&containers(shared, service)?))))
        .collect::<Result<Vec<_>, Failure>>()?;
    for second in 0..WATCH_SECONDS {
        for (service, restarts) in &before {
            let containers = sound(shared, service, *restarts)?;
            let wanted = images.get(*service).and_then(|pin| pin.id.as_deref());
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

/// The containers of a service, as a wait looks at them.
struct Containers<'a> {
    shared: &'a Shared,
    service: &'a ServiceName,
    port: u16,
    url: Option<&'a str>,
    /// Restarts before the wait began.
    restarts: i64,
}

impl Watched for Containers<'_> {
    fn base(&self) -> Result<String, Failure> {
        base(self.shared, self.service, self.port, self.url)
    }

    fn pulse(&mut self) -> Result<Pulse, Failure> {
        let containers = sound(self.shared, self.service, self.restarts)?;
        Ok(pulse(self.shared, &containers))
    }

    fn last_words(&self) -> Option<String> {
        last_words(self.shared, std::slice::from_ref(self.service))
    }
}

/// The containers of a service; a failure where one ended or was restarted since there were `restarts_before`.
fn sound(
    shared: &Shared,
    service: &ServiceName,
    restarts_before: i64,
) -> Result<Vec<Container>, Failure> {
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
        None if restarts(&containers) > restarts_before => Some("was restarted".to_owned()),
        None => None,
    };
    let Some(broken) = broken else {
        return Ok(containers);
    };
    let mut failure = Failure::new("service-ended", format!("`{service}` {broken}"))
        .hint(format!("see why: docker compose logs --tail 50 {service}"));
    failure.output = last_words(shared, std::slice::from_ref(service));
    if let Some(output) = &failure.output {
        let last = output.lines().rfind(|line| !line.trim().is_empty());
        failure.causes.extend(last.map(str::to_owned));
    }
    Err(failure)
}

fn containers(shared: &Shared, service: &ServiceName) -> Result<Vec<Container>, Failure> {
    shared
        .containers(service)
        .map_err(|error| containers_failed(service, error))
}

fn restarts(containers: &[Container]) -> i64 {
    containers.iter().map(|container| container.restarts).sum()
}

fn pulse(shared: &Shared, containers: &[Container]) -> Pulse {
    let Ok(engine) = shared.engine() else {
        return Pulse::default();
    };
    Pulse {
        processor: containers
            .iter()
            .filter_map(|container| engine.processor_time(&container.id))
            .map(Duration::from_nanos)
            .sum(),
        last_lines: containers
            .iter()
            .flat_map(|container| engine.last_lines(&container.id, 1).unwrap_or_default())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn of_several_addresses_the_one_that_answers_is_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let here = "127.0.0.1".to_owned();
        // Nobody listens at another address of the loopback.
        let nowhere = "127.0.0.9".to_owned();
        let both = [nowhere.clone(), here.clone()];
        assert_eq!(nearest(&both, port), Some(&here));
        drop(listener);
        assert_eq!(nearest(&both, port), Some(&nowhere));
        assert_eq!(nearest(&[], port), None);
    }
}
