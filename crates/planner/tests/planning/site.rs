//! A deployment as an observation would find it, with files that edits really change.

use std::collections::BTreeMap;

use switchback_catalog as catalog;
use switchback_model::config::{Config, DatastoreConfig};
use switchback_model::observed::{
    Access, Datastore, DatastoreLocation, Deployment, File, Filesystem, ImagePin, Observed,
    Pinning, Service, ServiceState, Shadowing, VersionPlace,
};
use switchback_model::plan::{Act, FileEdit, Plan};
use switchback_model::product::{DatastoreKind, Product};
use switchback_model::{Digest, Problem, ProductId, RunId, StepNumber, Version};
use switchback_planner::path::{Path, Query, Refusal, find};
use switchback_planner::{
    EngineWish, Experience, Input, Planned, Proven, build, engines_wanted, images_needed, rollback,
    versions_set,
};

const DIRECTORY: &str = "/srv/lorawan";
pub(crate) const GB: u64 = 1_000_000_000;

/// A deployment and what its files say.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) product: Product,
    pub(crate) config: Config,
    pub(crate) observed: Observed,
    /// What earlier runs measured.
    pub(crate) experience: Experience,
    files: BTreeMap<String, String>,
}

impl Site {
    /// The Things Stack on Compose, as its documentation sets it up.
    pub(crate) fn things_stack(edition: &str, version: &str) -> Self {
        let product = catalog::load("the-things-stack")
            .expect("the catalog has The Things Stack")
            .expect("its definition is well-formed");
        let repository = match edition {
            "enterprise" => "thethingsindustries/lorawan-stack",
            _ => "thethingsnetwork/lorawan-stack",
        };
        let mut site = Self::new(product, Some(edition), version);
        site.add_component("stack", repository);
        if edition == "enterprise" {
            let grafana = "ghcr.io/thethingsindustries/lorawan-stack-noc-grafana";
            site.add_service("grafana", grafana, false);
        }
        site.add_server("identity", DatastoreKind::Postgres, "postgres", "15.6", GB);
        site.add_server("redis", DatastoreKind::Redis, "redis", "7.2.4", GB / 5);
        site.add_files("blobs", GB / 25);
        site.write_files();
        for lock in &site.product.locks {
            let answers = &mut site.observed.probes;
            answers.insert(lock.probe.clone(), "0".to_owned());
        }
        site
    }

    /// An empty deployment of any product.
    pub(crate) fn new(product: Product, edition: Option<&str>, version: &str) -> Self {
        let config = Config {
            name: Some("lorawan".to_owned()),
            edition: edition.map(str::to_owned),
            ..Config::of(ProductId::new(product.id.as_str()))
        };
        let observed = Observed {
            deployment: Deployment {
                name: "lorawan".to_owned(),
                directory: DIRECTORY.to_owned(),
                driver: "compose".to_owned(),
                project: "lorawan".to_owned(),
            },
            version: Version::new(version),
            services: Vec::new(),
            files: Vec::new(),
            version_places: Vec::new(),
            datastores: Vec::new(),
            filesystems: filesystems(),
            probes: BTreeMap::new(),
            problems: Vec::new(),
        };
        Self {
            product,
            config,
            observed,
            experience: Experience::default(),
            files: BTreeMap::new(),
        }
    }

    /// A running service with the product's own image.
    pub(crate) fn add_component(&mut self, name: &str, repository: &str) {
        self.add_service(name, repository, true);
    }

    /// A running service whose image carries the product's version.
    pub(crate) fn add_service(&mut self, name: &str, repository: &str, component: bool) {
        let image = format!("{repository}:{}", self.observed.version);
        self.observed.services.push(Service {
            name: name.into(),
            component,
            running: Some(pin(&image)),
            image,
            state: ServiceState::Running,
            replicas: 1,
            published: BTreeMap::from([(1885, "127.0.0.1:1885".to_owned())]),
        });
    }

    /// A datastore with a server in a container.
    pub(crate) fn add_server(
        &mut self,
        name: &str,
        kind: DatastoreKind,
        service: &str,
        engine: &str,
        size: u64,
    ) {
        let image = format!("{service}:{}", engine.split('.').next().unwrap_or(engine));
        if !self
            .observed
            .services
            .iter()
            .any(|known| known.name.as_str() == service)
        {
            self.observed.services.push(Service {
                name: service.into(),
                component: false,
                running: Some(pin(&image)),
                image,
                state: ServiceState::Running,
                replicas: 1,
                published: BTreeMap::new(),
            });
        }
        self.observed.datastores.push(Datastore {
            name: name.into(),
            location: DatastoreLocation {
                access: Access::Container {
                    service: service.into(),
                },
                host: Some("localhost".to_owned()),
                database: (kind == DatastoreKind::Postgres).then(|| "ttn_lorawan".to_owned()),
                directory: Some(format!("/var/lib/docker/volumes/lorawan_{service}/_data")),
                ..nowhere(kind)
            },
            engine: Some(engine.to_owned()),
            size: Some(size),
            count: Some(1_000),
            shadow: Shadowing::Unknown,
            log_rate: None,
        });
    }

    /// A datastore whose server the host has beside the product, and whose files are its own business.
    pub(crate) fn add_neighbour(&mut self, name: &str, kind: DatastoreKind, engine: &str) {
        self.observed.datastores.push(Datastore {
            name: name.into(),
            location: DatastoreLocation {
                host: Some("127.0.0.1".to_owned()),
                database: Some(name.to_owned()),
                ..nowhere(kind)
            },
            engine: Some(engine.to_owned()),
            size: Some(GB),
            count: Some(1_000),
            shadow: Shadowing::Impossible {
                because: "the server is no member of a replica set, and nothing else can follow it"
                    .to_owned(),
            },
            log_rate: None,
        });
    }

    /// A datastore of plain files.
    pub(crate) fn add_files(&mut self, name: &str, size: u64) {
        self.observed.datastores.push(Datastore {
            name: name.into(),
            location: DatastoreLocation {
                directory: Some(format!("{DIRECTORY}/{name}")),
                ..nowhere(DatastoreKind::Files)
            },
            engine: None,
            size: Some(size),
            count: Some(10),
            shadow: Shadowing::Unknown,
            log_rate: None,
        });
    }

    /// Writes one compose file that names every service's image, and an environment file that decides nothing.
    pub(crate) fn write_files(&mut self) {
        let mut text = String::from("services:\n");
        for service in &self.observed.services {
            text.push_str(&format!(
                "  {}:\n    image: {}\n",
                service.name, service.image
            ));
        }
        self.files
            .insert(format!("{DIRECTORY}/docker-compose.yml"), text);
        self.files
            .insert(format!("{DIRECTORY}/.env"), "MODE=production\n".to_owned());
        self.look_at_files();
    }

    /// What an observation would say about the files as they are now.
    fn look_at_files(&mut self) {
        self.observed.files = self
            .files
            .iter()
            .map(|(path, text)| File {
                path: path.clone(),
                digest: Digest::of(text),
            })
            .collect();
        let version = self.observed.version.as_str().to_owned();
        let mut places = Vec::new();
        for (path, text) in &self.files {
            let mut from = 0;
            while let Some(found) = text[from..].find(&format!(":{version}\n")) {
                let offset = from + found + 1;
                let before = &text[..offset];
                let service = before
                    .lines()
                    .rev()
                    .nth(1)
                    .and_then(|line| line.trim().strip_suffix(':'))
                    .expect("the image stands below its service");
                places.push(VersionPlace {
                    path: path.clone(),
                    offset,
                    text: version.clone(),
                    line: before.lines().count(),
                    services: vec![service.into()],
                    pinning: Pinning::Exact,
                });
                from = offset;
            }
        }
        self.observed.version_places = places;
    }

    /// Says what a probe answered.
    pub(crate) fn answer(mut self, probe: &str, answer: &str) -> Self {
        self.observed
            .probes
            .insert(probe.to_owned(), answer.to_owned());
        self
    }

    /// Says how a datastore is backed up.
    pub(crate) fn backup(mut self, datastore: &str, method: &str) -> Self {
        let config = DatastoreConfig {
            backup: Some(method.to_owned()),
            ..DatastoreConfig::default()
        };
        self.config.datastores.insert(datastore.into(), config);
        self
    }

    /// The service with this name.
    pub(crate) fn service(&mut self, name: &str) -> &mut Service {
        self.observed
            .services
            .iter_mut()
            .find(|service| service.name.as_str() == name)
            .expect("the service is there")
    }

    /// The datastore with this name.
    pub(crate) fn datastore(&mut self, name: &str) -> &mut Datastore {
        self.observed
            .datastores
            .iter_mut()
            .find(|datastore| datastore.name.as_str() == name)
            .expect("the datastore is there")
    }

    /// The way to `to`.
    pub(crate) fn path(&self, to: &str) -> Path {
        self.way(to).expect("there is a path")
    }

    /// The way to `to`, where there is one.
    pub(crate) fn way(&self, to: &str) -> Result<Path, Refusal> {
        let mut query = Query::new(self.observed.version.as_str(), to)
            .driver(self.observed.deployment.driver.as_str())
            .answers(&self.observed.probes);
        if let Some(edition) = &self.config.edition {
            query = query.edition(edition.clone());
        }
        for feature in &self.config.features {
            query = query.feature(feature);
        }
        find(&self.product, &query)
    }

    /// The plan to `to`.
    pub(crate) fn plan(&self, to: &str) -> Result<Planned, Problem> {
        let path = self.path(to);
        let pins = images_needed(&self.product, &self.config, &self.observed, &path)
            .into_iter()
            .map(|reference| (reference.clone(), pin(&reference)))
            .collect();
        let versions = versions_set(&self.product, &path);
        let wishes = engines_wanted(&self.product, &self.config, &self.observed)?;
        let mut after = self.clone();
        let engine_edits = after.write_servers(&wishes);
        build(&Input {
            product: &self.product,
            config: &self.config,
            observed: &self.observed,
            path: &path,
            pins: &pins,
            edits: &after.edits(&versions),
            engine_edits: &engine_edits,
            experience: &self.experience,
            parent: None,
        })
    }

    /// Says which version the server of a datastore shall have.
    pub(crate) fn engine(mut self, datastore: &str, version: &str) -> Self {
        let config = self.config.datastores.entry(datastore.into()).or_default();
        config.engine = Some(version.to_owned());
        self
    }

    /// Writes the tags of servers as a driver's edits would, last place first, and tells the edits.
    fn write_servers(&mut self, wishes: &[EngineWish]) -> Vec<FileEdit> {
        let path = format!("{DIRECTORY}/docker-compose.yml");
        let mut edits = Vec::new();
        for wish in wishes {
            let text = self.files[&path].clone();
            let named = format!("  {}:\n    image: ", wish.service);
            let from = text.find(&named).expect("the service is there") + named.len();
            let image = text[from..].lines().next().expect("it has an image");
            let tag = image.rfind(':').expect("it has a tag") + 1;
            let end = image.find('-').unwrap_or(image.len());
            let old = image[tag..end].to_owned();
            let offset = from + tag;
            let mut edited = text.clone();
            edited.replace_range(offset..offset + old.len(), &wish.to);
            edits.push(FileEdit {
                path: path.clone(),
                offset,
                before: Digest::of(&text),
                after: Digest::of(&edited),
                old,
                new: wish.to.clone(),
            });
            self.files.insert(path.clone(), edited);
        }
        if !wishes.is_empty() {
            self.look_at_files();
        }
        edits
    }

    /// The way back from `proven`.
    pub(crate) fn way_back(&self, plan: &Plan, proven: &Proven) -> Result<Plan, Problem> {
        rollback(plan, proven, &self.experience, &self.observed)
    }

    /// What a driver's edits would be: last place first, digests chained.
    fn edits(&self, versions: &[Version]) -> BTreeMap<Version, Vec<FileEdit>> {
        let mut files = self.files.clone();
        let mut places = self.observed.version_places.clone();
        let mut all = BTreeMap::new();
        for version in versions {
            let mut edits = Vec::new();
            for place in places.iter_mut().rev() {
                let text = &files[&place.path];
                let mut edited = text.clone();
                let end = place.offset + place.text.len();
                edited.replace_range(place.offset..end, version.as_str());
                edits.push(FileEdit {
                    path: place.path.clone(),
                    offset: place.offset,
                    old: std::mem::replace(&mut place.text, version.as_str().to_owned()),
                    new: version.as_str().to_owned(),
                    before: Digest::of(text),
                    after: Digest::of(&edited),
                });
                files.insert(place.path.clone(), edited);
            }
            // Places further on in a file have moved by what was written before them.
            let lengths: Vec<usize> = edits.iter().rev().map(|edit| edit.old.len()).collect();
            let mut moved: BTreeMap<String, isize> = BTreeMap::new();
            for (place, old) in places.iter_mut().zip(lengths) {
                let shift = moved.entry(place.path.clone()).or_default();
                place.offset = place.offset.strict_add_signed(*shift);
                *shift += version.as_str().len() as isize - old as isize;
            }
            all.insert(version.clone(), edits);
        }
        all
    }

    /// Does what the files see of a step.
    pub(crate) fn execute(&mut self, act: &Act) {
        let Act::Set { edits, .. } = act else {
            return;
        };
        for edit in edits {
            let text = self.files.get_mut(&edit.path).expect("the file is there");
            assert_eq!(Digest::of(&*text), edit.before, "the edit fits the file");
            text.replace_range(edit.offset..edit.offset + edit.old.len(), &edit.new);
            assert_eq!(Digest::of(&*text), edit.after, "the edit does what it says");
        }
        self.observed.files = self
            .files
            .iter()
            .map(|(path, text)| File {
                path: path.clone(),
                digest: Digest::of(text),
            })
            .collect();
    }

    /// The text of the files, to compare.
    pub(crate) fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }
}

/// A run that finished every step before `step`, and began it where `begun` says so.
pub(crate) fn proven_until(plan: &Plan, step: u32, begun: bool) -> Proven {
    let finished: std::collections::BTreeSet<StepNumber> = plan
        .steps()
        .map(|(_, step)| step.number)
        .filter(|number| number.0 < step)
        .collect();
    let mut all = finished.clone();
    all.extend(begun.then_some(StepNumber(step)));
    Proven {
        run: RunId::new("r-0001"),
        begun: all,
        finished,
        writing_seconds: None,
    }
}

/// An image that is here.
pub(crate) fn pin(reference: &str) -> ImagePin {
    ImagePin {
        reference: reference.to_owned(),
        id: Some(format!("sha256:{}", Digest::of(reference))),
        digest: None,
    }
}

fn nowhere(kind: DatastoreKind) -> DatastoreLocation {
    DatastoreLocation {
        kind,
        access: Access::Local,
        host: None,
        port: None,
        database: None,
        user: None,
        password: None,
        directory: None,
        server_directory: None,
        options: std::collections::BTreeMap::new(),
    }
}

fn filesystems() -> Vec<Filesystem> {
    let filesystem = |path: &str, uses: &[&str], device: &str| Filesystem {
        path: path.to_owned(),
        uses: uses.iter().map(|text| (*text).to_owned()).collect(),
        device: device.to_owned(),
        free: 50 * GB,
        total: 100 * GB,
        writable: true,
    };
    vec![
        filesystem("/var/lib/switchback", &["backup", "journal"], "root"),
        filesystem("/var/lib/docker", &["docker"], "docker"),
    ]
}
