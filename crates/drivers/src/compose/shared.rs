//! What a deployment, its driver and its reaches have in common: the project as it was read, and the engine.

use std::cell::OnceCell;
use std::path::PathBuf;

use switchback_engine::process::{Argv, Commands, Secret};
use switchback_model::config::{Config, SecretRef};
use switchback_model::observed::{Access, DatastoreLocation, ImagePin};
use switchback_model::product::Product;
use switchback_model::{Problem, ServiceName, pattern};

use super::commands::{self, Compose};
use super::credentials;
use super::engine_api::{Container, Engine, EngineError};
use super::images::pin_of;
use super::labels::{ONE_OFF, PROJECT, SERVICE};
use super::layout::{self, Layout};
use super::places::Files;
use super::problems;
use super::project::Project;
use crate::formats::reference::Reference;
use crate::formats::uri;
use crate::locate::{ServiceSpec, Settings};
use crate::servers::Asker;

/// What the deployment, its driver and its reaches have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) directory: PathBuf,
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) product: Product,
    pub(super) commands: Commands,
    pub(super) compose: Compose,
    pub(super) layout: Layout,
    pub(super) project: Project,
    pub(super) engine: OnceCell<Engine>,
}

impl Shared {
    /// The engine; connected to when first needed, because much can be told without it.
    pub(super) fn engine(&self) -> Result<&Engine, Problem> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let connected = Engine::connect(&self.engine_host())?;
        Ok(self.engine.get_or_init(|| connected))
    }

    /// Where the client would talk to: `DOCKER_HOST`, else its context.
    fn engine_host(&self) -> String {
        const DEFAULT: &str = "unix:///var/run/docker.sock";
        if let Some(host) = std::env::var("DOCKER_HOST")
            .ok()
            .filter(|host| !host.is_empty())
        {
            return host;
        }
        let context = std::env::var("DOCKER_CONTEXT")
            .ok()
            .filter(|context| !context.is_empty())
            .or_else(credentials::current_context);
        let Some(context) = context else {
            return DEFAULT.to_owned();
        };
        let argv = Argv::new("docker", ["context", "inspect", &context])
            .args(["--format", "{{.Endpoints.docker.Host}}"]);
        self.commands
            .capture(&argv)
            .map_or_else(|_| DEFAULT.to_owned(), |host| host.trim().to_owned())
    }

    /// The files that decide the project, as they are now.
    pub(super) fn files(&self) -> Result<Files, Problem> {
        Files::read(
            &self.layout.compose,
            &self.layout.env_files,
            &layout::environment(),
        )
    }

    /// The official images of PostgreSQL 18 and newer keep their data elsewhere than those before, unless they are
    /// told where: in what is mounted now they would find nothing.
    pub(super) fn keeps_its_directory(
        &self,
        service: &ServiceName,
        to: &str,
    ) -> Result<(), Problem> {
        const MOVED: u32 = 18;
        let spec = self.project.service(service);
        let told = spec.is_some_and(|spec| spec.environment.contains_key("PGDATA"));
        let is_postgres = spec.is_some_and(|spec| {
            let reference = Reference::parse(&spec.image);
            reference.repository.rsplit('/').next() == Some("postgres")
        });
        let major: u32 = to
            .split('.')
            .next()
            .and_then(|it| it.parse().ok())
            .unwrap_or(0);
        if is_postgres && !told && major >= MOVED {
            return Err(problems::directory_moves(service, to));
        }
        Ok(())
    }

    /// The containers of a service, without one-off ones.
    pub(super) fn containers(
        &self,
        service: &ServiceName,
    ) -> Result<Vec<Container>, ContainersError> {
        let labels = [
            format!("{PROJECT}={}", self.project.name),
            format!("{SERVICE}={service}"),
            format!("{ONE_OFF}=False"),
        ];
        Ok(self.engine()?.containers(&labels)?)
    }

    /// The first container of a service that runs.
    pub(super) fn running_container(
        &self,
        service: &ServiceName,
    ) -> Result<Option<Container>, ContainersError> {
        let containers = self.containers(service)?;
        Ok(containers
            .into_iter()
            .find(|container| container.status == super::engine_api::Status::Running))
    }

    /// The services that run the product's own image.
    pub(super) fn components(&self) -> Vec<&ServiceSpec> {
        self.project
            .services
            .iter()
            .filter(|service| self.is_component(&service.image))
            .collect()
    }

    /// True for the product's own images, of the edition in use where that is said.
    pub(super) fn is_component(&self, image: &str) -> bool {
        let reference = Reference::parse(image);
        self.editions()
            .any(|edition| edition.images.iter().any(|known| reference.is_of(known)))
    }

    /// True for images that must carry the product's version without being its own.
    pub(super) fn is_companion(&self, image: &str) -> bool {
        let reference = Reference::parse(image);
        self.editions().any(|edition| {
            edition
                .companions
                .iter()
                .any(|known| reference.is_of(known))
        })
    }

    fn editions(&self) -> impl Iterator<Item = &switchback_model::product::Edition> {
        let said = self.config.edition.as_deref();
        self.product
            .editions
            .iter()
            .filter(move |edition| said.is_none_or(|said| said == edition.id))
    }

    /// Where a volume's data is on this host.
    pub(super) fn mountpoint(&self, volume: &str) -> Option<String> {
        self.engine().ok()?.mountpoint(volume).ok()
    }

    /// The settings of a service: environment and mounted configuration files.
    pub(super) fn settings(&self, service: &ServiceSpec) -> Settings {
        Settings::read(service, &self.product, &|volume| self.mountpoint(volume))
    }

    /// Pins one reference.
    pub(super) fn pin(&self, reference: &str) -> Result<ImagePin, Problem> {
        let engine = self.engine()?;
        let refused =
            |error: EngineError| problems::image_unavailable(reference, &error.to_string());
        if let Some(image) = engine.image(reference).map_err(refused)? {
            return Ok(pin_of(reference, &image));
        }
        let parsed = Reference::parse(reference);
        let credentials = credentials::of_registry(parsed.registry(), &self.commands);
        let digest = engine
            .registry_digest(reference, credentials)
            .map_err(refused)?;
        Ok(ImagePin {
            reference: reference.to_owned(),
            id: None,
            digest: Some(digest),
        })
    }

    /// Reads a secret where it is, and registers it.
    pub(super) fn secret(&self, reference: &SecretRef) -> Result<Secret, Problem> {
        let secret = crate::secret::read(reference, &self.directory, &|service, variable| {
            let service = self.project.service(service)?;
            self.settings(service).get(variable).cloned()
        })?;
        self.commands.redactor().register(secret.expose());
        Ok(secret)
    }

    /// Lends the means to ask datastores.
    pub(super) fn asking<T>(&self, ask: impl FnOnce(&Asker<'_>) -> T) -> T {
        ask(&Asker {
            commands: &self.commands,
            secret: &|reference| self.secret(reference),
            inside: &|location, argv| self.inside(location, argv),
        })
    }

    /// The command as it has to be started on this host.
    fn inside(&self, location: &DatastoreLocation, argv: Argv) -> Result<Argv, String> {
        let Access::Container { service } = &location.access else {
            return Ok(argv);
        };
        match self.running_container(service) {
            Ok(Some(container)) => Ok(commands::exec(&container.id, argv)),
            Ok(None) => Err(format!("service `{service}` does not run")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Everything that could show up in output and must not.
    pub(super) fn register_secrets(&self) {
        let redactor = self.commands.redactor();
        for service in &self.project.services {
            for (name, value) in Settings::read(service, &self.product, &|_| None).all() {
                let value = value.expose();
                if let Some(password) = uri::password_in(value) {
                    redactor.register(&password);
                }
                let named = self
                    .product
                    .secrets
                    .iter()
                    .any(|pattern| pattern::matches(pattern, &name));
                if named && is_worth_hiding(value) {
                    redactor.register(value);
                }
            }
        }
    }
}

/// A URI is hidden by its password, so that the rest of it can be shown; a password that is nothing but the
/// name of the administrator is no secret, and hiding it would make every other line unreadable.
fn is_worth_hiding(value: &str) -> bool {
    !value.contains("://") && !matches!(value, "root" | "postgres" | "true" | "false")
}

/// Asking for containers can fail before and after the engine answers.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContainersError {
    /// No connection.
    #[error("{0}")]
    NoEngine(Problem),
    /// The engine said no.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<Problem> for ContainersError {
    fn from(problem: Problem) -> Self {
        Self::NoEngine(problem)
    }
}

impl From<ContainersError> for Problem {
    fn from(error: ContainersError) -> Self {
        match error {
            ContainersError::NoEngine(problem) => problem,
            ContainersError::Engine(error) => {
                problems::engine_unreachable("the Docker Engine", &error.to_string())
            }
        }
    }
}
