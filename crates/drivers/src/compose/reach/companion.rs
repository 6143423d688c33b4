//! Companions: helper containers in the network of a datastore's container, which
//! outlive this process and are found again by their labels.
//!
//! ```text
//! nothing ─► running ─► ended ─► removed by `end`, by the next of its name, by `clean`
//!               │         ▲
//!               └─────────┘ itself, by signal, or because the server was started anew:
//!                           its network is another one now, which this one can never reach
//! ```

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use switchback_engine::ports::{Companion, CompanionState, Context, Failure};
use switchback_engine::process::Argv;
use switchback_engine::signal::Urgency;
use switchback_model::{RunId, ServiceName};

use super::{ContainerReach, INSIDE, second_server};
use crate::compose::commands;
use crate::compose::engine_api::{Container, Engine, EngineError, Network, Status};
use crate::compose::failures::containers_failed;
use crate::compose::labels;
use crate::compose::shared::Shared;
use crate::signals;

/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(20);
/// How long one that nobody waits for may take to end by itself. What it loses then it can take from
/// the original again.
const POLITE: Duration = Duration::from_secs(20);
/// Asks PostgreSQL and Redis alike to end at once and in order.
const AT_ONCE: &str = "SIGINT";
/// Lines of its output that are shown.
const LINES: usize = 50;

/// Starts one beside the server of `reach`.
pub(super) fn begin(
    reach: &ContainerReach,
    cx: &Context<'_>,
    name: &str,
    directory: &Path,
    argv: Argv,
) -> Result<Box<dyn Companion>, Failure> {
    let service = &reach.service;
    let what = format!("cannot start `{name}` beside `{service}`");
    let refused = |failure: Failure| {
        failure
            .state(service.as_str(), "not touched")
            .state(name, "not started")
    };
    let engine = reach.engine()?;
    if let Some(earlier) = existing(reach, cx.run, name)? {
        if (earlier.state()?) == CompanionState::Running {
            return Err(Failure::new("companion-runs", what)
                .state(name, format!("runs already in container {}", earlier.name))
                .hint("switchback resume goes on with it"));
        }
        engine
            .remove(&earlier.id, true)
            .map_err(|error| refused(error.into_failure(what.as_str())))?;
    }
    let containers = reach.containers()?;
    let original = containers
        .iter()
        .find(|container| container.status == Status::Running)
        .ok_or_else(|| {
            Failure::new("service-stopped", what.as_str())
                .cause(format!(
                    "service `{service}` does not run, so it has no network to share"
                ))
                .state(name, "not started")
                .hint(format!("docker compose up -d {service}, then resume"))
        })?;
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let owner = std::fs::metadata(&directory).map_err(|error| {
        refused(Failure::new("companion-not-started", what.as_str()).cause(error))
            .hint("switchback resume begins it anew")
    })?;
    let container_name = format!(
        "{}-switchback-{}-{service}-{name}",
        reach.shared.project.name, cx.run
    );
    let mut labels: HashMap<String, String> = labels::of_run(cx.run, cx.step).into_iter().collect();
    labels.extend([
        (labels::COMPANION.to_owned(), name.to_owned()),
        (labels::BESIDE.to_owned(), service.as_str().to_owned()),
        (labels::BESIDE_START.to_owned(), start_of(original)),
        (
            labels::OF_PROJECT.to_owned(),
            reach.shared.project.name.clone(),
        ),
    ]);
    let mut second = second_server(&container_name, original, &directory, &owner, argv, labels);
    second.network = Network::Of(&original.id);
    let id = engine.start_second(second).map_err(|error| {
        refused(error.into_failure(what.as_str())).hint(
            "see what the engine says above; when that is mended, switchback resume begins it anew",
        )
    })?;
    Ok(Box::new(CompanionContainer {
        shared: Rc::clone(&reach.shared),
        service: service.clone(),
        id,
        name: container_name,
    }))
}

/// What this run started under `name`, running or ended.
pub(super) fn find(
    reach: &ContainerReach,
    cx: &Context<'_>,
    name: &str,
) -> Result<Option<Box<dyn Companion>>, Failure> {
    Ok(existing(reach, cx.run, name)?.map(|found| Box::new(found) as Box<dyn Companion>))
}

fn existing(
    reach: &ContainerReach,
    run: &RunId,
    name: &str,
) -> Result<Option<CompanionContainer>, Failure> {
    let what = format!("cannot look for `{name}` beside `{}`", reach.service);
    let engine = reach.engine()?;
    let found = engine
        .containers(&[
            format!("{}={run}", labels::RUN),
            format!("{}={name}", labels::COMPANION),
            format!("{}={}", labels::BESIDE, reach.service),
            format!("{}={}", labels::OF_PROJECT, reach.shared.project.name),
        ])
        .map_err(|error| error.into_failure(what.as_str()))?;
    let mut companion = None;
    for container in found {
        if container.ever_started {
            companion = Some(CompanionContainer {
                shared: Rc::clone(&reach.shared),
                service: reach.service.clone(),
                id: container.id,
                name: container.name,
            });
        } else {
            // We were killed between making and starting it: it has done nothing.
            engine
                .remove(&container.id, true)
                .map_err(|error| error.into_failure(what.as_str()))?;
        }
    }
    Ok(companion)
}

/// Ends every companion of the run, all at the same time, and leaves removing to the caller.
pub(in crate::compose) fn end_all(
    engine: &Engine,
    cx: &Context<'_>,
    containers: &[Container],
) -> Result<(), EngineError> {
    let mut running: Vec<&Container> = containers
        .iter()
        .filter(|container| container.labels.contains_key(labels::COMPANION))
        .filter(|container| container.status != Status::Stopped)
        .collect();
    for container in &running {
        ask(engine, container, AT_ONCE)?;
    }
    let asked = Instant::now();
    while asked.elapsed() < POLITE && cx.stop.urgency() != Urgency::Now {
        let mut left = Vec::new();
        for container in running {
            if runs(engine, &container.id)? {
                left.push(container);
            }
        }
        running = left;
        let Some(first) = running.first() else { break };
        let doing = format!("waiting for {} to end", first.name);
        cx.progress.report(&doing, None, None, None);
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Which start of which container this is.
fn start_of(container: &Container) -> String {
    format!("{}@{}", container.id, container.started_at)
}

fn runs(engine: &Engine, id: &str) -> Result<bool, EngineError> {
    match engine.container(id) {
        Ok(container) => Ok(container.status != Status::Stopped),
        Err(EngineError::Absent(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sends `signal`. The first process of a container is spared by every signal that it does not handle,
/// so where that would have ended it elsewhere, it is ended.
fn ask(engine: &Engine, container: &Container, signal: &str) -> Result<(), EngineError> {
    let spared = container
        .pid
        .is_some_and(|pid| signals::spared(pid, &container.id, signal));
    engine.signal(&container.id, if spared { "SIGKILL" } else { signal })
}

/// A container beside a server's.
struct CompanionContainer {
    shared: Rc<Shared>,
    service: ServiceName,
    id: String,
    name: String,
}

impl CompanionContainer {
    fn engine(&self) -> Result<&Engine, Failure> {
        self.shared
            .engine()
            .map_err(|problem| containers_failed(&self.service, problem.into()))
    }

    fn failed(&self, error: EngineError) -> Failure {
        let gone = matches!(error, EngineError::Absent(_));
        let failure = error.into_failure(format!("cannot look at container {}", self.name));
        if gone {
            failure
                .state(self.name.as_str(), "removed by somebody else")
                .state(self.service.as_str(), "not touched")
                .hint("switchback resume begins it anew")
        } else {
            failure
        }
    }

    /// True where the server was started anew since: then this one stands in a network that is no more.
    fn cut_off(&self, container: &Container) -> Result<bool, Failure> {
        let servers = self
            .shared
            .containers(&self.service)
            .map_err(|error| containers_failed(&self.service, error))?;
        let mut running = servers
            .iter()
            .filter(|server| server.status == Status::Running)
            .peekable();
        let beside = container.labels.get(labels::BESIDE_START);
        Ok(running.peek().is_some() && !running.any(|server| Some(&start_of(server)) == beside))
    }

    /// Ends it without anybody to tell progress to; returns its exit code.
    fn retire(&self, engine: &Engine, container: &Container) -> Result<i64, EngineError> {
        ask(engine, container, AT_ONCE)?;
        let asked = Instant::now();
        let mut killed = false;
        loop {
            let now = engine.container(&self.id)?;
            if now.status == Status::Stopped {
                return Ok(now.exit_code);
            }
            if !killed && asked.elapsed() > POLITE {
                engine.signal(&self.id, "SIGKILL")?;
                killed = true;
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Companion for CompanionContainer {
    fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        Ok(commands::exec(&self.id, argv))
    }

    fn directory(&self) -> &str {
        INSIDE
    }

    fn state(&self) -> Result<CompanionState, Failure> {
        let engine = self.engine()?;
        let container = engine
            .container(&self.id)
            .map_err(|error| self.failed(error))?;
        let code = match container.status {
            Status::Stopped => container.exit_code,
            // One that can never reach its server again is of no use to anybody, and says so by its end.
            _ if self.cut_off(&container)? => self
                .retire(engine, &container)
                .map_err(|error| self.failed(error))?,
            _ => return Ok(CompanionState::Running),
        };
        Ok(CompanionState::Ended { code })
    }

    fn output(&self, cx: &Context<'_>) -> Result<String, Failure> {
        let lines = self
            .engine()?
            .last_lines(&self.id, LINES)
            .map_err(|error| self.failed(error))?;
        Ok(cx.commands.redactor().mask(&lines.join("\n")))
    }

    fn end(&self, cx: &Context<'_>, signal: &str) -> Result<(), Failure> {
        let engine = self.engine()?;
        let doing = format!("waiting for {} to end", self.name);
        match engine.container(&self.id) {
            Ok(container) if container.status != Status::Stopped => {
                ask(engine, &container, signal).map_err(|error| self.failed(error))?;
            }
            Ok(_) => {}
            Err(EngineError::Absent(_)) => return Ok(()),
            Err(error) => return Err(self.failed(error)),
        }
        while runs(engine, &self.id).map_err(|error| self.failed(error))? {
            cx.progress.report(&doing, None, None, None);
            if cx.stop.urgency() == Urgency::Now {
                return Err(Failure::stopped(format!("stopped {doing}"))
                    .state(self.name.as_str(), "was asked to end, and still runs")
                    .hint("switchback resume waits for it again"));
            }
            std::thread::sleep(LOOK);
        }
        engine
            .remove(&self.id, true)
            .map_err(|error| self.failed(error))
    }
}
