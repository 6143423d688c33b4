//! Finds what keeps each datastore of the product: from the product's own
//! settings first, then by image, corrected by `switchback.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use switchback_model::config::{Config, DatastoreConfig, SecretRef};
use switchback_model::observed::{self, Access, DatastoreLocation, Shadowing};
use switchback_model::product::{Datastore, DatastoreKind, Product};
use switchback_model::{Problem, ServiceName};

use super::problems;
use super::service::ServiceSpec;
use super::settings::Settings;
use super::settings_file;
use crate::formats::reference::Reference;
use crate::formats::uri::Uri;

/// Everything that a search looks at.
pub(crate) struct Search<'a> {
    /// Every service of the deployment that a container runs; none where there are no containers.
    pub(crate) services: &'a [ServiceSpec],
    /// The service that runs the product.
    pub(crate) component: &'a ServiceSpec,
    pub(crate) settings: &'a Settings,
    pub(crate) config: &'a Config,
    /// Directory of `switchback.toml`.
    pub(crate) directory: &'a Path,
    /// A file of the product's own machine; `None` where it is not there.
    pub(crate) read: &'a dyn Fn(&str) -> std::io::Result<Option<String>>,
    /// Where a path of a service's container is on this host.
    pub(crate) on_host: &'a dyn Fn(&ServiceName, &str) -> Option<String>,
}

impl Search<'_> {
    /// Every datastore of the product that this deployment has, beside its definition; nothing was asked of it yet.
    /// `problems` gets what keeps one from being found.
    pub(crate) fn all<'p>(
        &self,
        product: &'p Product,
        problems: &mut Vec<Problem>,
    ) -> Vec<(&'p Datastore, observed::Datastore)> {
        let mut all = Vec::new();
        for datastore in &product.datastores {
            match self.find(datastore) {
                Ok(Some(location)) => {
                    let seen = observed::Datastore {
                        name: datastore.name.clone(),
                        location,
                        engine: None,
                        size: None,
                        count: None,
                        shadow: Shadowing::Unknown,
                        log_rate: None,
                    };
                    all.push((datastore, seen));
                }
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        all
    }

    /// Where `datastore` is; `None` where this deployment does without it.
    fn find(&self, datastore: &Datastore) -> Result<Option<DatastoreLocation>, Problem> {
        let said = self
            .config
            .datastores
            .get(&datastore.name)
            .cloned()
            .unwrap_or_default();
        let location = match datastore.kind {
            DatastoreKind::Files => self.files(datastore, &said)?,
            DatastoreKind::Postgres | DatastoreKind::Redis | DatastoreKind::Mongodb => {
                settings_file::locate(datastore, self.read)?
                    .or_else(|| self.server(datastore, &said))
            }
        };
        match location {
            Some(location) => Ok(Some(corrected(location, &said, self.directory))),
            None if datastore.optional => Ok(None),
            None => {
                let mut looked = datastore.configured_by.join(", ");
                if let Some(settings) = &datastore.configured_in {
                    looked = format!("{looked}, [{}] of {}", settings.section, settings.file);
                }
                if !datastore.images.is_empty() {
                    looked = format!(
                        "{looked}, services with image {}",
                        datastore.images.join(", ")
                    );
                }
                Err(problems::datastore_missing(
                    datastore.name.as_str(),
                    looked.trim_start_matches(", "),
                ))
            }
        }
    }

    fn server(&self, datastore: &Datastore, said: &DatastoreConfig) -> Option<DatastoreLocation> {
        let pointer = self.pointer(datastore);
        let uri = pointer
            .map(|(_, value)| Uri::parse(value))
            .or_else(|| said.address.as_deref().map(Uri::parse))
            .unwrap_or_default();
        let service = match (&said.service, &said.address, &uri.host) {
            (Some(service), _, _) => self.services.iter().find(|known| known.name == *service),
            (None, Some(_), _) => None,
            (None, None, Some(host)) => self.service_at(host),
            (None, None, None) if datastore.optional => return None,
            (None, None, None) => Some(self.by_image(datastore)?),
        };
        let sibling = |ending: &str| {
            let (variable, _) = pointer?;
            let base = variable
                .strip_suffix("_ADDRESS")
                .or_else(|| variable.strip_suffix("_URI"))?;
            let sibling = format!("{base}_{ending}");
            self.settings
                .get(&sibling)
                .map(|value| (sibling, value.expose().to_owned()))
        };
        let mut location = DatastoreLocation {
            kind: datastore.kind,
            access: Access::Local,
            host: uri.host.clone(),
            port: uri.port,
            database: uri.database.clone(),
            user: uri.user.clone(),
            password: None,
            directory: None,
            server_directory: None,
            options: BTreeMap::new(),
        };
        if let (Some((variable, _)), Some(_)) = (pointer, &uri.password) {
            location.password = Some(SecretRef::ServiceUri {
                service: self.component.name.clone(),
                variable: variable.to_owned(),
            });
        }
        if datastore.kind == DatastoreKind::Redis {
            location.database = location
                .database
                .or_else(|| sibling("DATABASE").map(|found| found.1));
            location.user = location
                .user
                .or_else(|| sibling("USERNAME").map(|found| found.1));
            let tls = sibling("TLS_REQUIRE").is_some_and(|(_, value)| value == "true")
                || pointer.is_some_and(|(_, value)| value.starts_with("rediss://"));
            if tls {
                location.options.insert("tls".to_owned(), "true".to_owned());
            }
            if let (None, Some((variable, _))) = (&location.password, sibling("PASSWORD")) {
                location.password = Some(SecretRef::Service {
                    service: self.component.name.clone(),
                    variable,
                });
            }
        }
        if let Some(server) = service {
            self.beside(&mut location, server);
        }
        Some(location)
    }

    /// Completes a location whose server is a service: reached from inside its container.
    fn beside(&self, location: &mut DatastoreLocation, server: &ServiceSpec) {
        location.access = Access::Container {
            service: server.name.clone(),
        };
        // Inside the container the server is reached by its socket, whatever the networks are called.
        location.host = None;
        let of_server = |variable: &str| {
            server
                .environment
                .get(variable)
                .map(|value| value.expose().to_owned())
                .filter(|value| !value.is_empty())
        };
        let data = match location.kind {
            DatastoreKind::Postgres => {
                let user = location.user.take().or_else(|| of_server("POSTGRES_USER"));
                let user = user.unwrap_or_else(|| "postgres".to_owned());
                let database = location
                    .database
                    .take()
                    .or_else(|| of_server("POSTGRES_DB"));
                location.database = Some(database.unwrap_or_else(|| user.clone()));
                location.user = Some(user);
                if location.password.is_none() && of_server("POSTGRES_PASSWORD").is_some() {
                    location.password = Some(SecretRef::Service {
                        service: server.name.clone(),
                        variable: "POSTGRES_PASSWORD".to_owned(),
                    });
                }
                of_server("PGDATA").unwrap_or_else(|| "/var/lib/postgresql/data".to_owned())
            }
            _ => {
                let tls = redis_tls(&server.words, location.port);
                location.options.extend(tls);
                redis_directory(&server.words)
            }
        };
        location.directory = (self.on_host)(&server.name, &data);
        location.server_directory = Some(data);
    }

    fn files(
        &self,
        datastore: &Datastore,
        said: &DatastoreConfig,
    ) -> Result<Option<DatastoreLocation>, Problem> {
        let inside = self
            .pointer(datastore)
            .map(|(_, value)| value.to_owned())
            .or_else(|| datastore.default_directory.clone())
            .filter(|path| path.starts_with('/'));
        let on_host = match (&said.directory, &inside) {
            (Some(directory), _) => Some(
                self.directory
                    .join(directory)
                    .to_string_lossy()
                    .into_owned(),
            ),
            (None, Some(inside)) => (self.on_host)(&self.component.name, inside),
            (None, None) => None,
        };
        let Some(on_host) = on_host else {
            return match inside {
                Some(inside) if !datastore.optional => Err(problems::files_inside_container(
                    datastore.name.as_str(),
                    &inside,
                )),
                _ => Ok(None),
            };
        };
        if datastore.optional && said.directory.is_none() && !Path::new(&on_host).is_dir() {
            return Ok(None);
        }
        Ok(Some(DatastoreLocation {
            kind: DatastoreKind::Files,
            access: Access::Local,
            host: None,
            port: None,
            database: None,
            user: None,
            password: None,
            directory: Some(on_host),
            server_directory: inside,
            options: BTreeMap::new(),
        }))
    }

    /// The variable that says where the datastore is, and its value.
    fn pointer<'d>(&'d self, datastore: &'d Datastore) -> Option<(&'d str, &'d str)> {
        datastore
            .configured_by
            .iter()
            .filter(|variable| !variable.ends_with("_PASSWORD"))
            .find_map(|variable| Some((variable.as_str(), self.settings.get(variable)?.expose())))
    }

    /// The service that other services reach under `host`.
    fn service_at(&self, host: &str) -> Option<&ServiceSpec> {
        self.services
            .iter()
            .find(|service| service.names.iter().any(|name| name == host))
    }

    fn by_image(&self, datastore: &Datastore) -> Option<&ServiceSpec> {
        self.services.iter().find(|service| {
            let reference = Reference::parse(&service.image);
            datastore.images.iter().any(|image| reference.is_of(image))
        })
    }
}

/// What the operator says wins over what was found.
fn corrected(
    mut location: DatastoreLocation,
    said: &DatastoreConfig,
    directory: &Path,
) -> DatastoreLocation {
    if let (Some(said), Access::Local, false) = (
        &said.directory,
        &location.access,
        location.kind == DatastoreKind::Files,
    ) {
        let data = directory.join(said).to_string_lossy().into_owned();
        location.directory = Some(data.clone());
        location.server_directory = Some(data);
    }
    if let Some(address) = &said.address {
        let uri = Uri::parse(address);
        location.access = Access::Local;
        location.options.remove(settings_file::OTHERS);
        let others = settings_file::others(location.kind, &uri);
        location.options.extend(others);
        location.host = uri.host;
        location.port = uri.port;
    }
    location.database = said.database.clone().or(location.database);
    location.user = said.user.clone().or(location.user);
    location.password = said.password.clone().or(location.password);
    location.options.extend(said.options.clone());
    location
}

/// Where a Redis server keeps its files: its `--dir`, or what its image says.
fn redis_directory(words: &[String]) -> String {
    redis_setting(words, "--dir").unwrap_or("/data").to_owned()
}

/// How a Redis server is reached that takes TLS at `port`, or alone. Where it asks its clients for a certificate, as it
/// does unless it is told otherwise, its own serves: whoever asks is beside it.
fn redis_tls(words: &[String], port: Option<u16>) -> BTreeMap<String, String> {
    let setting = |name: &str| redis_setting(words, name);
    let Some(secure) = setting("--tls-port").and_then(|port| port.parse::<u16>().ok()) else {
        return BTreeMap::new();
    };
    if setting("--port") != Some("0") && port != Some(secure) {
        return BTreeMap::new();
    }
    let mut options = BTreeMap::from([("tls".to_owned(), "true".to_owned())]);
    if setting("--tls-auth-clients").is_none_or(|asks| asks == "yes") {
        for (option, name) in [
            ("tls-certificate-file", "--tls-cert-file"),
            ("tls-key-file", "--tls-key-file"),
        ] {
            let path = setting(name).map(|path| (option.to_owned(), path.to_owned()));
            options.extend(path);
        }
    }
    options
}

/// What follows `name` where a Redis server is started.
fn redis_setting<'w>(words: &'w [String], name: &str) -> Option<&'w str> {
    let mut words = words.iter().flat_map(|word| word.split_whitespace());
    words.find(|word| *word == name)?;
    words.next()
}

#[cfg(test)]
mod tests;
