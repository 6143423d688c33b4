//! Puts together what the files, Compose, the engine and the datastores say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use switchback_model::observed::{
    Access, Datastore, Deployment, File, Filesystem, ImagePin, Observed, Service, ServiceState,
    VersionPlace,
};
use switchback_model::{Digest, Problem, ServiceName, Version};

use super::engine_api::{Container, Status};
use super::images::pin_of;
use super::places::Files;
use super::shared::Shared;
use super::versions::{self, Named, Places};
use super::{problems, updaters};
use crate::filesystem::{self, Directories, Use};
use crate::formats::reference::Reference;
use crate::locate::{Search, ServiceSpec, on_host, settings_file};
use crate::schedules::{self, About, Scheduled};
use crate::servers::Server;

/// Label by which images tell their version.
const VERSION_LABEL: &str = "org.opencontainers.image.version";

/// Which deployment this is, without asking the engine.
pub(super) fn identity(shared: &Shared) -> Deployment {
    Deployment {
        name: shared.name.clone(),
        directory: shared.directory.to_string_lossy().into_owned(),
        driver: "compose".to_owned(),
        project: shared.project.name.clone(),
    }
}

/// Looks at everything.
pub(super) fn observe(shared: &Shared, directories: &Directories) -> Result<Observed, Problem> {
    let files = shared.files()?;
    let components = shared.components();
    let Some(component) = components.first() else {
        let images = shared
            .project
            .services
            .iter()
            .map(|service| service.image.clone())
            .collect::<Vec<_>>();
        return Err(problems::product_not_found(&shared.product.name, &images));
    };
    let mut look = Look {
        shared,
        containers: containers(shared)?,
        problems: Vec::new(),
    };
    let places = look.places(&files)?;
    let services = look.services()?;
    let datastores = look.datastores(component)?;
    let probes = shared.asking(|asker| asker.answers(&shared.product, &datastores));
    let filesystems = look.filesystems(directories, &datastores);
    look.neighbours()?;
    look.schedules(&datastores);
    look.problems.splice(0..0, places.problems);
    Ok(Observed {
        deployment: identity(shared),
        version: look.version(&places.places, component)?,
        services,
        files: digests(&files)?,
        version_places: places.places,
        datastores,
        filesystems,
        probes,
        problems: look.problems,
    })
}

/// One look: everything found so far.
struct Look<'a> {
    shared: &'a Shared,
    containers: BTreeMap<ServiceName, Vec<Container>>,
    problems: Vec<Problem>,
}

fn containers(shared: &Shared) -> Result<BTreeMap<ServiceName, Vec<Container>>, Problem> {
    shared
        .project
        .services
        .iter()
        .map(|service| Ok((service.name.clone(), shared.containers(&service.name)?)))
        .collect()
}

impl Look<'_> {
    fn places(&self, files: &Files) -> Result<Places, Problem> {
        let mut named = Vec::new();
        for service in &self.shared.project.services {
            if service.image.is_empty() {
                continue;
            }
            let component = self.shared.is_component(&service.image);
            named.push(Named {
                service: &service.name,
                image: &service.image,
                versioned: component || self.shared.is_companion(&service.image),
                labelled: if component {
                    self.labelled(&service.image)?
                } else {
                    None
                },
            });
        }
        versions::find(files, &named, &|tag| version_in(self.shared, tag))
    }

    /// The version that a local image's label tells.
    fn labelled(&self, image: &str) -> Result<Option<String>, Problem> {
        let image = self.shared.engine()?.image(image).ok().flatten();
        Ok(image.and_then(|image| image.labels.get(VERSION_LABEL).cloned()))
    }

    fn version(
        &self,
        places: &[VersionPlace],
        component: &ServiceSpec,
    ) -> Result<Version, Problem> {
        if let Some(place) = places
            .iter()
            .find(|place| place.services.contains(&component.name))
        {
            let length = version_in(self.shared, &place.text);
            if let Some(length) = length {
                return Ok(Version::new(&place.text[..length]));
            }
        }
        if let Some(labelled) = self.labelled(&component.image)? {
            return Ok(Version::new(labelled.trim_start_matches('v')));
        }
        let tag = Reference::parse(&component.image)
            .tag
            .map_or("latest", |(tag, _)| tag);
        let version = version_in(self.shared, tag).map_or(tag, |length| &tag[..length]);
        Ok(Version::new(version))
    }

    fn services(&mut self) -> Result<Vec<Service>, Problem> {
        let mut services = Vec::new();
        for spec in &self.shared.project.services {
            let containers = &self.containers.get(&spec.name).cloned().unwrap_or_default();
            let component = self.shared.is_component(&spec.image);
            let state = state_of(containers);
            if component && state == ServiceState::Restarting {
                self.problems.push(problems::service_restarting(&spec.name));
            }
            let running = self.running(spec, containers, component)?;
            let count = containers
                .iter()
                .filter(|container| container.status == Status::Running)
                .count();
            let replicas = match state {
                ServiceState::Running => u32::try_from(count).unwrap_or(u32::MAX),
                _ => spec.replicas,
            };
            services.push(Service {
                name: spec.name.clone(),
                component,
                image: spec.image.clone(),
                running,
                state,
                replicas,
                published: published(spec, containers),
            });
        }
        Ok(services)
    }

    /// What a service's containers were made from; a difference from the file is a problem.
    fn running(
        &mut self,
        spec: &ServiceSpec,
        containers: &[Container],
        component: bool,
    ) -> Result<Option<ImagePin>, Problem> {
        let Some(container) = containers.first() else {
            return Ok(None);
        };
        let engine = self.shared.engine()?;
        let image = engine.image(&container.image).ok().flatten();
        let pin = image.map_or_else(
            || ImagePin {
                reference: spec.image.clone(),
                id: Some(container.image.clone()),
                digest: None,
            },
            |image| pin_of(&spec.image, &image),
        );
        let declared = engine.image(&spec.image).ok().flatten();
        let differs = container.reference != spec.image
            && declared
                .as_ref()
                .is_none_or(|declared| declared.id != container.image);
        let moved = declared.is_some_and(|declared| declared.id != container.image);
        if component && (differs || moved) {
            let running = if differs {
                &container.reference
            } else {
                &container.image
            };
            self.problems
                .push(problems::running_differs(&spec.name, &spec.image, running));
        }
        Ok(Some(pin))
    }

    fn datastores(&mut self, component: &ServiceSpec) -> Result<Vec<Datastore>, Problem> {
        let shared = self.shared;
        let settings = shared.settings(component);
        let containers = &self.containers;
        let locate = |service: &ServiceName, path: &str| {
            let mounted = containers
                .get(service)
                .and_then(|containers| containers.first());
            mounted
                .and_then(|container| in_mounts(&container.mounts, path))
                .or_else(|| {
                    on_host(shared.project.service(service)?, path, &|volume| {
                        shared.mountpoint(volume)
                    })
                })
        };
        let search = Search {
            services: &shared.project.services,
            component,
            settings: &settings,
            config: &shared.config,
            directory: &shared.directory,
            read: &settings_file::here,
            on_host: &locate,
        };
        let found = search.all(&shared.product, &mut self.problems);
        let mut datastores = Vec::new();
        for (defined, mut seen) in found {
            if let Access::Container { service } = &seen.location.access {
                self.server_problems(defined, service);
            }
            self.ask(&mut seen);
            datastores.push(seen);
        }
        Ok(datastores)
    }

    /// What speaks against a datastore's server.
    fn server_problems(
        &mut self,
        datastore: &switchback_model::product::Datastore,
        service: &ServiceName,
    ) {
        let Some(spec) = self.shared.project.service(service) else {
            return;
        };
        let reference = Reference::parse(&spec.image);
        let unsupported = datastore
            .unsupported
            .iter()
            .find(|server| reference.is_of(&server.image));
        if let Some(server) = unsupported {
            self.problems.push(problems::datastore_unsupported(
                datastore.name.as_str(),
                service,
                server,
            ));
        }
        let moving = reference.digest.is_none()
            && reference
                .tag
                .as_ref()
                .is_none_or(|(tag, _)| !tag.contains(|c: char| c.is_ascii_digit()));
        if moving && !spec.image.is_empty() {
            self.problems
                .push(problems::datastore_moving(service, &spec.image));
        }
    }

    /// Version, size and count, as far as the server tells.
    fn ask(&mut self, datastore: &mut Datastore) {
        let server = match &datastore.location.access {
            Access::Container { service } => {
                let containers = self.containers.get(service).map_or(&[][..], Vec::as_slice);
                if state_of(containers) != ServiceState::Running {
                    let name = datastore.name.as_str();
                    self.problems
                        .push(problems::datastore_stopped(name, service));
                    return;
                }
                Server {
                    name: format!("service `{service}`"),
                    look: format!("look at its log: docker compose logs --tail 50 {service}"),
                }
            }
            Access::Local => Server::outside(),
        };
        let problem = self.shared.asking(|asker| asker.look(datastore, &server));
        self.problems.extend(problem);
    }

    /// Containers outside of our hands that replace or restart those of this project.
    fn neighbours(&mut self) -> Result<(), Problem> {
        // An engine that would not tell has said so before.
        let neighbours = self
            .shared
            .engine()?
            .neighbours(&updaters::suspect)
            .unwrap_or_default();
        let ours = self.containers.values().flatten();
        let found = updaters::problems_of(&neighbours, ours);
        self.problems.extend(found);
        Ok(())
    }

    /// What this host does by the clock with the project or its data.
    fn schedules(&mut self, datastores: &[Datastore]) {
        let directory = self.shared.directory.to_string_lossy();
        let data = datastores
            .iter()
            .filter_map(|datastore| datastore.location.directory.as_deref());
        let containers = self.containers.values().flatten();
        let about = About {
            directories: std::iter::once(directory.as_ref()).chain(data).collect(),
            names: std::iter::once(self.shared.project.name.as_str())
                .chain(containers.map(|container| container.name.as_str()))
                // Every command line with `docker` in it would name that project.
                .filter(|name| !["docker", "compose"].contains(name))
                .collect(),
            in_containers: true,
        };
        let found = schedules::look(Path::new("/"), &about);
        self.problems.extend(found.iter().map(Scheduled::problem));
    }

    fn filesystems(&self, directories: &Directories, datastores: &[Datastore]) -> Vec<Filesystem> {
        let mut uses = vec![
            Use::new(&directories.backups, "backup", true),
            Use::new(&directories.journal, "journal", true),
            Use::new(&self.shared.directory, "compose", true),
            Use::new(std::env::temp_dir(), "temporary", true),
        ];
        let engine = self.shared.engine().ok();
        if let Some(root) = engine.and_then(|engine| engine.root().ok().flatten()) {
            uses.push(Use::new(root, "docker", false));
        }
        for datastore in datastores {
            if let Some(directory) = &datastore.location.directory {
                uses.push(Use::new(directory, datastore.name.as_str(), false));
            }
        }
        filesystem::look(&uses)
    }
}

/// How much of `tag`, from its start, is an exact version of the product; `None` where it is none.
pub(super) fn version_in(shared: &Shared, tag: &str) -> Option<usize> {
    let product = &shared.product;
    let known = |text: &str| {
        product
            .releases
            .iter()
            .any(|release| release.version.as_str() == text)
    };
    if known(tag) {
        return Some(tag.len());
    }
    // A suffix names a variant of the image: `3.23.2-amd64`.
    let variant = tag
        .match_indices(['-', '+'])
        .map(|(at, _)| at)
        .find(|at| known(&tag[..*at]));
    if let Some(length) = variant {
        return Some(length);
    }
    let numbers = tag.split(['-', '+']).next().unwrap_or_default();
    let exact = numbers.split('.').count() >= 3 && product.scheme.parse(&Version::new(tag)).is_ok();
    exact.then_some(tag.len())
}

/// What a service's containers do.
pub(super) fn state_of(containers: &[Container]) -> ServiceState {
    let any = |status: Status| {
        containers
            .iter()
            .any(|container| container.status == status)
    };
    if any(Status::Restarting) {
        ServiceState::Restarting
    } else if any(Status::Running) {
        ServiceState::Running
    } else if containers.is_empty() {
        ServiceState::Absent
    } else {
        ServiceState::Stopped
    }
}

/// Where the service's ports can be reached: what runs wins over what the file says.
pub(super) fn published(spec: &ServiceSpec, containers: &[Container]) -> BTreeMap<u16, String> {
    let mut published: BTreeMap<u16, String> = spec
        .ports
        .iter()
        .filter_map(|port| Some((port.target, port.published.clone()?)))
        .collect();
    for container in containers {
        published.extend(container.published.clone());
    }
    published
}

/// `path` of a container on this host.
fn in_mounts(mounts: &BTreeMap<String, String>, path: &str) -> Option<String> {
    let (target, source) = mounts
        .iter()
        .filter(|(target, _)| Path::new(path).starts_with(target))
        .max_by_key(|(target, _)| target.len())?;
    let inner = Path::new(path).strip_prefix(target).ok()?;
    Some(if inner.as_os_str().is_empty() {
        source.clone()
    } else {
        Path::new(source).join(inner).to_string_lossy().into_owned()
    })
}

fn digests(files: &Files) -> Result<Vec<File>, Problem> {
    files
        .all()
        .iter()
        .map(|path| {
            let bytes = fs::read(path).map_err(|error| problems::file_unreadable(path, &error))?;
            Ok(File {
                path: path.to_string_lossy().into_owned(),
                digest: Digest::of(bytes),
            })
        })
        .collect()
}
