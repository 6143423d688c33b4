//! The way to a datastore's server in a container of the project.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use switchback_engine::ports::{Companion, Context, Failure, Reach, SCRATCH_DIRECTORY, Scratch};
use switchback_engine::process::Argv;
use switchback_model::ServiceName;
use switchback_model::observed::ImagePin;

use super::commands;
use super::engine_api::{Container, Engine, EngineError, Network, SecondServer, Status};
use super::failures::{command_failed, containers_failed};
use super::labels;
use super::shared::Shared;
use crate::courtesy;

mod companion;

pub(super) use companion::end_all;

/// Where a helper container sees the directory that it reads.
const INSIDE: &str = "/switchback";
/// Lines of a second server's output that are shown.
const LINES: usize = 30;
/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(200);

/// Reaches the server that a service runs. The container is looked up each time.
#[derive(Debug)]
pub(super) struct ContainerReach {
    shared: Rc<Shared>,
    service: ServiceName,
}

impl ContainerReach {
    pub(super) fn new(shared: Rc<Shared>, service: ServiceName) -> Self {
        Self { shared, service }
    }

    fn containers(&self) -> Result<Vec<Container>, Failure> {
        self.shared
            .containers(&self.service)
            .map_err(|error| containers_failed(&self.service, error))
    }

    fn engine(&self) -> Result<&Engine, Failure> {
        self.shared
            .engine()
            .map_err(|problem| containers_failed(&self.service, problem.into()))
    }

    fn runs(&self) -> Result<bool, Failure> {
        Ok(self
            .containers()?
            .iter()
            .any(|container| container.status == Status::Running))
    }

    fn wait(&self, cx: &Context<'_>, doing: &str, wanted: bool) -> Result<(), Failure> {
        // Compose has returned: what is left is the engine's own bookkeeping, a matter of moments.
        for _ in 0..50 {
            if self.runs()? == wanted {
                return Ok(());
            }
            cx.progress.report(doing, None, None, None);
            std::thread::sleep(LOOK);
        }
        Err(Failure::new(
            "service-state",
            format!(
                "`{}` does not {}",
                self.service,
                if wanted { "run" } else { "stop" }
            ),
        )
        .hint(format!(
            "see why: docker compose logs --tail 50 {}",
            self.service
        )))
    }
}

impl Reach for ContainerReach {
    fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        let containers = self.containers()?;
        let running = containers
            .iter()
            .find(|container| container.status == Status::Running);
        match running {
            Some(container) => Ok(commands::exec(&container.id, argv)),
            None => Err(Failure::new(
                "service-stopped",
                format!("service `{}` does not run", self.service),
            )
            .hint(format!("docker compose up -d {}", self.service))),
        }
    }

    fn give_way(&self, process: i32) {
        for container in self.containers().unwrap_or_default() {
            courtesy::give_way_inside(&container.id, process);
        }
    }

    fn running(&self, _: &Context<'_>) -> Result<bool, Failure> {
        self.runs()
    }

    fn stop(&self, cx: &Context<'_>) -> Result<(), Failure> {
        if !self.runs()? {
            return Ok(());
        }
        let argv = self
            .shared
            .compose
            .stop(std::slice::from_ref(&self.service));
        cx.commands.capture(&argv).map_err(|error| {
            command_failed(
                error,
                "stop-failed",
                format!("cannot stop `{}`", self.service),
            )
        })?;
        self.wait(cx, &format!("waiting for {} to stop", self.service), false)
    }

    fn start(&self, cx: &Context<'_>) -> Result<(), Failure> {
        if self.runs()? {
            return Ok(());
        }
        let services = std::slice::from_ref(&self.service);
        // A container that exists is started as it is; only one that vanished is made anew.
        let argv = if self.containers()?.is_empty() {
            self.shared.compose.up(services)
        } else {
            self.shared.compose.start(services)
        };
        cx.commands.capture(&argv).map_err(|error| {
            command_failed(
                error,
                "start-failed",
                format!("cannot start `{}`", self.service),
            )
        })?;
        self.wait(cx, &format!("waiting for {} to start", self.service), true)
    }

    fn scratch(
        &self,
        cx: &Context<'_>,
        directory: &Path,
        argv: Argv,
    ) -> Result<Box<dyn Scratch>, Failure> {
        self.second(cx, None, directory, argv)
    }

    fn image(&self) -> Option<ImagePin> {
        let containers = self.containers().ok()?;
        let original = containers.first()?;
        Some(ImagePin {
            reference: original.reference.clone(),
            id: Some(original.image.clone()),
            digest: None,
        })
    }

    fn scratch_of(
        &self,
        cx: &Context<'_>,
        image: &ImagePin,
        directory: &Path,
        argv: Argv,
    ) -> Result<Box<dyn Scratch>, Failure> {
        self.second(cx, Some(image), directory, argv)
    }

    fn accompany(
        &self,
        cx: &Context<'_>,
        name: &str,
        directory: &Path,
        argv: Argv,
    ) -> Result<Box<dyn Companion>, Failure> {
        companion::begin(self, cx, name, directory, argv)
    }

    fn companion(
        &self,
        cx: &Context<'_>,
        name: &str,
    ) -> Result<Option<Box<dyn Companion>>, Failure> {
        companion::find(self, cx, name)
    }
}

impl ContainerReach {
    /// A second server without a network, of `image` where it shall be another one than the original's.
    fn second(
        &self,
        cx: &Context<'_>,
        image: Option<&ImagePin>,
        directory: &Path,
        argv: Argv,
    ) -> Result<Box<dyn Scratch>, Failure> {
        let containers = self.containers()?;
        let original = containers.first().ok_or_else(|| {
            Failure::new(
                "service-absent",
                format!("service `{}` has no container to double", self.service),
            )
        })?;
        let what = format!(
            "cannot start a second `{}` to read the backup",
            self.service
        );
        let owner = std::fs::metadata(directory)
            .map_err(|error| Failure::new("scratch-failed", what.as_str()).cause(error))?;
        let name = format!(
            "{}-switchback-{}-{}-scratch-{}",
            self.shared.project.name, cx.run, cx.step, self.service
        );
        let engine = self.engine()?;
        // One of an earlier try that was killed.
        engine
            .remove(&name, true)
            .map_err(|error| error.into_failure(what.as_str()))?;
        let mut labels: HashMap<String, String> =
            labels::of_run(cx.run, cx.step).into_iter().collect();
        labels.insert(labels::SCRATCH.to_owned(), self.service.as_str().to_owned());
        labels.insert(
            labels::OF_PROJECT.to_owned(),
            self.shared.project.name.clone(),
        );
        let mut second = second_server(&name, original, directory, &owner, argv, labels);
        if let Some(image) = image {
            second.image = image.id.as_deref().unwrap_or(&image.reference);
        }
        let id = engine
            .start_second(second)
            .map_err(|error| error.into_failure(what.as_str()))?;
        Ok(Box::new(ScratchContainer {
            shared: Rc::clone(&self.shared),
            id,
        }))
    }
}

/// A second container like `original`, on `directory` as that directory's owner, without a network.
fn second_server<'a>(
    name: &'a str,
    original: &'a Container,
    directory: &'a Path,
    owner: &std::fs::Metadata,
    argv: Argv,
    labels: HashMap<String, String>,
) -> SecondServer<'a> {
    let environment = argv
        .env
        .iter()
        .map(|(name, value)| format!("{name}={}", value.expose()));
    SecondServer {
        name,
        image: &original.image,
        // A server must be able to write where it reads, and PostgreSQL refuses to be root.
        user: (owner.uid() != 0).then(|| format!("{}:{}", owner.uid(), owner.gid())),
        environment: environment.collect(),
        command: std::iter::once(argv.program)
            .chain(argv.args)
            .map(|word| word.replace(SCRATCH_DIRECTORY, INSIDE))
            .collect(),
        directory,
        inside: INSIDE,
        network: Network::None,
        shared_memory: original.shared_memory,
        labels,
    }
}

/// A helper container; removed when dropped, and by its label after a crash.
struct ScratchContainer {
    shared: Rc<Shared>,
    id: String,
}

impl Scratch for ScratchContainer {
    fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        Ok(commands::exec(&self.id, argv))
    }

    fn directory(&self) -> &str {
        INSIDE
    }

    fn running(&self) -> Result<bool, Failure> {
        let what = "cannot look at the second server that reads the backup";
        match self.engine(what)?.container(&self.id) {
            Ok(container) => Ok(container.status != Status::Stopped),
            Err(EngineError::Absent(_)) => Ok(false),
            Err(error) => Err(error.into_failure(what)),
        }
    }

    fn output(&self) -> Result<String, Failure> {
        let what = "cannot read what the second server wrote";
        let lines = self
            .engine(what)?
            .last_lines(&self.id, LINES)
            .map_err(|error| error.into_failure(what))?;
        let redactor = self.shared.commands.redactor();
        Ok(redactor.mask(&lines.join("\n")))
    }
}

impl ScratchContainer {
    fn engine(&self, what: &str) -> Result<&Engine, Failure> {
        self.shared
            .engine()
            .map_err(|problem| Failure::new(&problem.code, what).cause(&problem))
    }
}

impl Drop for ScratchContainer {
    fn drop(&mut self) {
        if let Ok(engine) = self.shared.engine() {
            let _ = engine.remove(&self.id, true);
        }
    }
}
