//! A deployment as an observation would find it, made from nothing but a definition.

use std::collections::BTreeMap;

use switchback_model::config::{Config, DatastoreConfig};
use switchback_model::observed::{
    Access, Datastore, DatastoreLocation, Deployment, File, Filesystem, ImagePin, Observed,
    Pinning, Service, ServiceState, Shadowing, VersionPlace,
};
use switchback_model::plan::{Act, FileEdit};
use switchback_model::product::{self, DatastoreKind, Edition, Exec, Product};
use switchback_model::{Digest, Problem, Version};

use crate::path::{Query, find};
use crate::{Experience, Input, Planned, build, images_needed, versions_set};

const GB: u64 = 1_000_000_000;

/// A deployment on Compose, with every service and datastore of the definition, and what its files say.
pub(super) struct Imagined<'a> {
    product: &'a Product,
    config: Config,
    observed: Observed,
    files: BTreeMap<String, String>,
}

impl<'a> Imagined<'a> {
    /// One that runs `version`; an edition of `-` is none.
    pub(super) fn new(product: &'a Product, edition: &str, version: &str) -> Result<Self, String> {
        let edition = match edition {
            "-" => None,
            name => Some(
                product
                    .editions
                    .iter()
                    .find(|edition| edition.id == name)
                    .ok_or_else(|| format!("{} has no edition `{name}`", product.name))?,
            ),
        };
        let directory = format!("/srv/{}", product.id);
        let mut site = Self {
            product,
            config: config(product, edition),
            observed: observed(product, &directory, version),
            files: BTreeMap::new(),
        };
        match processes(product) {
            Some(exec) => site.add_processes(exec),
            None => site.add_services(edition),
        }
        for datastore in &product.datastores {
            site.add_datastore(datastore, &directory);
        }
        match processes(product) {
            Some(_) => site.write_current(&directory),
            None => site.write_files(&directory),
        }
        for lock in &product.locks {
            let answers = &mut site.observed.probes;
            answers.insert(lock.probe.clone(), "0".to_owned());
        }
        Ok(site)
    }

    /// What an observation would find now.
    pub(super) fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Makes one thing other than it usually is.
    pub(super) fn option(&mut self, option: &str) -> Result<(), String> {
        if let Some(wanted) = option.strip_prefix("no-").filter(|_| !option.contains('=')) {
            let datastores = &mut self.observed.datastores;
            let before = datastores.len();
            datastores.retain(|known| known.name.as_str() != wanted);
            return match datastores.len() {
                after if after == before => Err(format!("there is no datastore `{wanted}`")),
                _ => Ok(()),
            };
        }
        let (name, value) = option.split_once('=').ok_or_else(|| {
            format!(
                "`{option}` is none of PROBE=ANSWER, backup:DATASTORE=METHOD, no-shadow:DATASTORE=WHY, no-DATASTORE, free=GB"
            )
        })?;
        if name == "free" {
            let free: u64 = value
                .parse()
                .map_err(|_| format!("`{value}` is no number of GB"))?;
            for filesystem in &mut self.observed.filesystems {
                filesystem.free = free * GB;
            }
        } else if let Some(datastore) = name.strip_prefix("no-shadow:") {
            let mut all = self.observed.datastores.iter_mut();
            let found = all.find(|known| known.name.as_str() == datastore);
            let found = found.ok_or_else(|| format!("there is no datastore `{datastore}`"))?;
            found.shadow = Shadowing::Impossible {
                because: value.replace('-', " "),
            };
        } else if let Some(datastore) = name.strip_prefix("backup:") {
            let config = self.config.datastores.entry(datastore.into()).or_default();
            *config = DatastoreConfig {
                backup: Some(value.to_owned()),
                ..DatastoreConfig::default()
            };
        } else if self.product.probes.contains_key(name) {
            let answers = &mut self.observed.probes;
            answers.insert(name.to_owned(), value.to_owned());
        } else {
            return Err(format!("there is no probe `{name}`"));
        }
        Ok(())
    }

    /// The plan to `to`.
    pub(super) fn plan(&self, to: &str) -> Result<Planned, Problem> {
        let mut query = Query::new(self.observed.version.as_str(), to)
            .driver(self.observed.deployment.driver.as_str())
            .answers(&self.observed.probes);
        if let Some(edition) = &self.config.edition {
            query = query.edition(edition.clone());
        }
        let path = find(self.product, &query).map_err(|refusal| refusal.to_problem())?;
        let pins = images_needed(self.product, &self.config, &self.observed, &path)
            .into_iter()
            .map(|reference| (reference.clone(), pin(&reference)))
            .collect();
        build(&Input {
            product: self.product,
            config: &self.config,
            observed: &self.observed,
            path: &path,
            pins: &pins,
            edits: &self.edits(&versions_set(self.product, &path)),
            engine_edits: &[],
            experience: &Experience::default(),
            parent: None,
        })
    }

    /// Does what the files see of a step.
    pub(super) fn execute(&mut self, act: &Act) -> Result<(), String> {
        let Act::Set { edits, .. } = act else {
            return Ok(());
        };
        for edit in edits {
            let fits = |text: &&mut String| Digest::of(text.as_str()) == edit.before;
            let Some(text) = self.files.get_mut(&edit.path).filter(fits) else {
                return Err(format!("an edit of the plan does not fit `{}`", edit.path));
            };
            text.replace_range(edit.offset..edit.offset + edit.old.len(), &edit.new);
        }
        self.observed.files = digests(&self.files);
        Ok(())
    }

    fn add_services(&mut self, edition: Option<&Edition>) {
        let image = edition
            .or(self.product.editions.first())
            .and_then(|edition| edition.images.first())
            .map_or(self.product.id.as_str(), String::as_str);
        for component in &self.product.components {
            self.add_service(&component.id, image, Some(component.http_port));
        }
        for companion in edition.iter().flat_map(|edition| &edition.companions) {
            let name = last(last(companion, '/'), '-');
            self.add_service(name, companion, None);
        }
    }

    /// Processes name no ports: where they answer is the operator's to say, or the component's.
    fn add_processes(&mut self, exec: &Exec) {
        let label = exec.binary.as_deref();
        let label = label.unwrap_or(self.product.id.as_str()).to_owned();
        for name in exec.services.keys() {
            self.add_service(name.as_str(), &label, None);
        }
        for service in &mut self.observed.services {
            service.component = true;
        }
    }

    fn add_service(&mut self, name: &str, repository: &str, http_port: Option<u16>) {
        let image = format!("{repository}:{}", self.observed.version);
        let published = http_port.map(|port| (port, format!("127.0.0.1:{port}")));
        self.observed.services.push(Service {
            name: name.into(),
            component: http_port.is_some(),
            running: Some(pin(&image)),
            image,
            state: ServiceState::Running,
            replicas: 1,
            published: published.into_iter().collect(),
        });
    }

    fn add_datastore(&mut self, defined: &product::Datastore, directory: &str) {
        // Sizes as they are in small deployments; large enough to see them in forecasts.
        let (engine, size) = match defined.kind {
            DatastoreKind::Postgres => (Some("15.6"), GB),
            DatastoreKind::Redis => (Some("7.2.4"), GB / 5),
            DatastoreKind::Mongodb => (Some("4.4.29"), GB),
            DatastoreKind::Files => (None, GB / 25),
        };
        let image = defined.images.first().map(String::as_str);
        // Where processes run, a server of this host is no service of the deployment.
        let beside = processes(self.product).is_none();
        let server = engine.filter(|_| beside).map(|engine| {
            let name = last(image.unwrap_or(defined.name.as_str()), '/').to_owned();
            self.add_server(&name, engine);
            name
        });
        self.observed.datastores.push(Datastore {
            name: defined.name.clone(),
            location: DatastoreLocation {
                kind: defined.kind,
                host: engine.map(|_| "localhost".to_owned()),
                database: (defined.kind == DatastoreKind::Postgres)
                    .then(|| defined.name.to_string()),
                directory: Some(match &server {
                    Some(name) => format!("/var/lib/docker/volumes/{name}/_data"),
                    None => format!("{directory}/{}", defined.name),
                }),
                access: server.map_or(Access::Local, |name| Access::Container {
                    service: name.as_str().into(),
                }),
                port: None,
                user: None,
                password: None,
                server_directory: None,
                options: std::collections::BTreeMap::new(),
            },
            engine: engine.map(str::to_owned),
            size: Some(size),
            count: Some(1_000),
            shadow: Shadowing::Possible,
            log_rate: None,
        });
    }

    /// A server that several datastores may share.
    fn add_server(&mut self, name: &str, engine: &str) {
        let known = |service: &Service| service.name.as_str() == name;
        if self.observed.services.iter().any(known) {
            return;
        }
        let image = format!("{name}:{}", engine.split('.').next().unwrap_or(engine));
        self.observed.services.push(Service {
            name: name.into(),
            component: false,
            running: Some(pin(&image)),
            image,
            state: ServiceState::Running,
            replicas: 1,
            published: BTreeMap::new(),
        });
    }

    /// The file whose one line is the version in use.
    fn write_current(&mut self, directory: &str) {
        let version = self.observed.version.to_string();
        let path = format!("{directory}/current");
        let services = self.observed.services.iter();
        self.observed.version_places.push(VersionPlace {
            path: path.clone(),
            offset: 0,
            text: version.clone(),
            line: 1,
            services: services.map(|service| service.name.clone()).collect(),
            pinning: Pinning::Exact,
        });
        self.files.insert(path, format!("{version}\n"));
        self.observed.files = digests(&self.files);
    }

    /// One compose file that names every service's image.
    fn write_files(&mut self, directory: &str) {
        let path = format!("{directory}/docker-compose.yml");
        let ending = format!(":{}", self.observed.version);
        let mut text = String::from("services:\n");
        for service in &self.observed.services {
            text.push_str(&format!("  {}:\n    image: ", service.name));
            text.push_str(&service.image);
            if service.image.ends_with(&ending) {
                let version = self.observed.version.as_str();
                self.observed.version_places.push(VersionPlace {
                    path: path.clone(),
                    offset: text.len() - version.len(),
                    text: version.to_owned(),
                    line: text.lines().count(),
                    services: vec![service.name.clone()],
                    pinning: Pinning::Exact,
                });
            }
            text.push('\n');
        }
        self.files.insert(path, text);
        self.observed.files = digests(&self.files);
    }

    /// What a driver's edits would be: last place first, digests chained.
    fn edits(&self, versions: &[Version]) -> BTreeMap<Version, Vec<FileEdit>> {
        let mut files = self.files.clone();
        let mut places = self.observed.version_places.clone();
        let mut all = BTreeMap::new();
        for version in versions {
            let mut edits = Vec::new();
            for place in places.iter_mut().rev() {
                let Some(text) = files.get_mut(&place.path) else {
                    continue;
                };
                let before = Digest::of(text.as_str());
                let end = place.offset + place.text.len();
                text.replace_range(place.offset..end, version.as_str());
                edits.push(FileEdit {
                    path: place.path.clone(),
                    offset: place.offset,
                    old: std::mem::replace(&mut place.text, version.as_str().to_owned()),
                    new: version.as_str().to_owned(),
                    before,
                    after: Digest::of(text.as_str()),
                });
            }
            // Places further on have moved by what was written before them: all are in one file.
            let mut shift: isize = 0;
            for (place, edit) in places.iter_mut().zip(edits.iter().rev()) {
                place.offset = place.offset.strict_add_signed(shift);
                shift += edit.new.len() as isize - edit.old.len() as isize;
            }
            all.insert(version.clone(), edits);
        }
        all
    }
}

/// How the product is run as plain processes, where that is how it is run.
fn processes(product: &Product) -> Option<&Exec> {
    let exec = product.exec.as_ref()?;
    let described = |driver: &str| product.drivers.iter().any(|known| known == driver);
    (described("exec") && !described("compose")).then_some(exec)
}

fn config(product: &Product, edition: Option<&Edition>) -> Config {
    Config {
        edition: edition.map(|edition| edition.id.clone()),
        ..Config::of(product.id.clone())
    }
}

fn observed(product: &Product, directory: &str, version: &str) -> Observed {
    let name = product.id.to_string();
    let filesystem = |path: &str, uses: &[&str], device: &str| Filesystem {
        path: path.to_owned(),
        uses: uses.iter().map(|text| (*text).to_owned()).collect(),
        device: device.to_owned(),
        free: 50 * GB,
        total: 100 * GB,
        writable: true,
    };
    Observed {
        deployment: Deployment {
            name: name.clone(),
            directory: directory.to_owned(),
            driver: processes(product).map_or("compose", |_| "exec").to_owned(),
            project: name,
        },
        version: Version::new(version),
        services: Vec::new(),
        files: Vec::new(),
        version_places: Vec::new(),
        datastores: Vec::new(),
        filesystems: vec![
            filesystem("/var/lib/switchback", &["backup", "journal"], "root"),
            match processes(product) {
                Some(_) => filesystem(directory, &["exec"], "data"),
                None => filesystem("/var/lib/docker", &["docker"], "docker"),
            },
        ],
        probes: BTreeMap::new(),
        problems: Vec::new(),
    }
}

fn digests(files: &BTreeMap<String, String>) -> Vec<File> {
    files
        .iter()
        .map(|(path, text)| File {
            path: path.clone(),
            digest: Digest::of(text),
        })
        .collect()
}

/// An image that is here.
fn pin(reference: &str) -> ImagePin {
    ImagePin {
        reference: reference.to_owned(),
        id: Some(format!("sha256:{}", Digest::of(reference))),
        digest: None,
    }
}

fn last(text: &str, separator: char) -> &str {
    text.rsplit(separator).next().unwrap_or(text)
}
