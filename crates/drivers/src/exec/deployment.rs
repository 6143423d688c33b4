//! A deployment made of local processes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use switchback_engine::ports::{Driver, Reach};
use switchback_engine::process::{Argv, Commands, Secret};
use switchback_model::config::{Config, SecretRef};
use switchback_model::exit::Exit;
use switchback_model::observed::{
    Datastore, DatastoreLocation, Deployment as Identity, File, ImagePin, Observed, Pinning,
    Service, ServiceState, VersionPlace,
};
use switchback_model::plan::FileEdit;
use switchback_model::product::{Probe, Product};
use switchback_model::{Digest, Problem, ServiceName, Version};

use super::driver::ExecDriver;
use super::local::LocalServer;
use super::place::Place;
use super::problems;
use super::release::version_of;
use super::server::ServerReach;
use crate::filesystem::{self, Directories, Use};
use crate::local::LocalReach;
use crate::locate::{Search, ServiceSpec, Settings, settings_file};
use crate::schedules;
use crate::servers::{Asker, Server};

/// Local processes whose configuration could be read.
#[derive(Debug)]
pub struct Deployment {
    place: Rc<Place>,
}

impl Deployment {
    /// Reads the configuration and registers its secrets in the runner's redactor.
    pub fn open(
        directory: &Path,
        config: &Config,
        product: &Product,
        commands: &Commands,
    ) -> Result<Self, Problem> {
        Ok(Self {
            place: Rc::new(Place::read(directory, config, product, commands)?),
        })
    }

    /// Which deployment this is: what its plans are good for.
    pub fn identity(&self) -> Identity {
        Identity {
            name: self.place.name.clone(),
            directory: self.place.directory.to_string_lossy().into_owned(),
            driver: "exec".to_owned(),
            project: self.place.releases.label().to_owned(),
        }
    }

    /// Looks at everything: services, executables, files, datastores, filesystems, probes.
    pub fn observe(&self, directories: &Directories) -> Result<Observed, Problem> {
        let place = &self.place;
        let version = place.version()?;
        let mut problems = Vec::new();
        let services: Vec<Service> = place
            .releases
            .commands
            .services
            .keys()
            .map(|service| self.service(service, &version, &mut problems))
            .collect();
        let (version_place, file) = self.version_place(&version, &mut problems)?;
        let datastores = self.datastores(&mut problems);
        let probes = self.asking(|asker| asker.answers(&place.product, &datastores));
        let mut uses = vec![
            Use::new(&directories.backups, "backup", true),
            Use::new(&directories.journal, "journal", true),
            Use::new(&place.directory, "exec", true),
            Use::new(std::env::temp_dir(), "temporary", true),
        ];
        for datastore in &datastores {
            let directory = datastore.location.directory.as_ref();
            uses.extend(
                directory.map(|directory| Use::new(directory, datastore.name.as_str(), false)),
            );
        }
        problems.extend(schedules::of_processes(&place.directory, &datastores));
        Ok(Observed {
            deployment: self.identity(),
            version,
            services,
            files: vec![file],
            version_places: vec![version_place],
            datastores,
            filesystems: filesystem::look(&uses),
            probes,
            problems,
        })
    }

    /// Pins references by the digest of what was installed.
    pub fn resolve(&self, references: &[String]) -> Result<Vec<ImagePin>, Problem> {
        references
            .iter()
            .map(|reference| {
                let version = version_of(reference);
                let pin = self.place.pin(reference);
                match pin {
                    Ok(Some(pin)) => self.asked_version(version).map_or(Ok(pin), Err),
                    Ok(None) => Err(self.not_here(reference, None)),
                    Err(error) => Err(self.not_here(reference, Some(&error))),
                }
            })
            .collect()
    }

    fn not_here(&self, reference: &str, error: Option<&std::io::Error>) -> Problem {
        let place = self.place.releases.place(version_of(reference));
        let fitting = match self.place.releases.commands.binary {
            Some(_) => format!("put its executable at {}", place.display()),
            None => format!("install it into {}", place.display()),
        };
        problems::not_here(reference, fitting, error)
    }

    /// What a release says of itself, where it says something else than its directory is called.
    fn asked_version(&self, version: &str) -> Option<Problem> {
        let words = &self.place.releases.commands.version;
        if words.is_empty() {
            return None;
        }
        let directory = self.place.releases.directory(version);
        let problem = |code: &str, what: String| {
            Problem::new(Exit::Refused, code, what)
                .state("deployment", "not touched")
                .state("release", directory.display().to_string())
                .hint("install it anew: switchback asks a release which version it is before it is used")
        };
        let command = match self.place.command(version, words) {
            Ok(command) => command,
            Err(unset) => {
                let (what, hint) = unset.told();
                let mut problem = problem("exec-variable-unset", what);
                problem.hints = vec![hint.to_owned()];
                return Some(problem);
            }
        };
        let mut command = command.into_iter();
        let mut argv = Argv::new(&command.next()?, command).directory(self.place.inside());
        argv.env = self.place.variables();
        match self.place.commands.capture(&argv) {
            Ok(said) if says(&said, version) => None,
            Ok(said) => {
                let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
                let what =
                    format!("the release in the directory `{version}` says that it is `{said}`");
                Some(problem("release-mislabelled", what))
            }
            Err(error) => {
                let what = format!("the release `{version}` does not say its version");
                Some(problem("release-broken", what).cause(error))
            }
        }
    }

    /// The edits that take the file with the version through `versions`, one list per version.
    pub fn edits(
        &self,
        observed: &Observed,
        versions: &[Version],
    ) -> Result<Vec<Vec<FileEdit>>, Problem> {
        let Some(place) = observed.version_places.first() else {
            return Ok(vec![Vec::new(); versions.len()]);
        };
        let path = Path::new(&place.path);
        let mut text =
            fs::read_to_string(path).map_err(|error| problems::unreadable(path, &error))?;
        let mut old = place.text.clone();
        let mut lists = Vec::new();
        for version in versions {
            let mut next = text.clone();
            let end = place.offset + old.len();
            if text.get(place.offset..end) != Some(old.as_str()) {
                return Err(problems::changed(&place.path));
            }
            next.replace_range(place.offset..end, version.as_str());
            let edit = FileEdit {
                path: place.path.clone(),
                offset: place.offset,
                old: std::mem::replace(&mut old, version.as_str().to_owned()),
                new: version.as_str().to_owned(),
                before: Digest::of(&text),
                after: Digest::of(&next),
            };
            lists.push(if edit.old == edit.new {
                Vec::new()
            } else {
                vec![edit]
            });
            text = next;
        }
        Ok(lists)
    }

    /// What changes this deployment when a plan runs.
    pub fn driver(&self) -> Box<dyn Driver> {
        Box::new(ExecDriver {
            notes: self.place.notes(),
            inside: self.place.inside(),
            place: Rc::clone(&self.place),
        })
    }

    /// The way to a datastore's server.
    pub fn reach(&self, location: &DatastoreLocation) -> Box<dyn Reach> {
        let Some(directory) = &location.directory else {
            return Box::new(LocalReach::foreign());
        };
        let said = self.place.config.datastores.values().find(|said| {
            let said = said
                .directory
                .as_ref()
                .map(|said| self.place.directory.join(said));
            said.as_deref() == Some(Path::new(directory))
        });
        Box::new(ServerReach {
            server: LocalServer {
                place: Rc::clone(&self.place),
                kind: location.kind,
                directory: PathBuf::from(directory),
            },
            start: said.map(|said| said.start.clone()).unwrap_or_default(),
        })
    }

    /// Reads a secret where it is, and registers it in the redactor.
    pub fn secret(&self, reference: &SecretRef) -> Result<Secret, Problem> {
        self.place.secret(reference)
    }

    /// Asks probes of the datastore at `location`, and nothing else; `None` for each that cannot be asked.
    pub fn ask(&self, probes: &[&Probe], location: &DatastoreLocation) -> Vec<Option<String>> {
        self.asking(|asker| asker.probed(location, probes))
    }

    fn service(&self, name: &ServiceName, version: &Version, found: &mut Vec<Problem>) -> Service {
        let place = &self.place;
        let declared = place.releases.reference(version.as_str());
        let state = match (place.process(name), place.note(name).exists()) {
            (Some(_), _) => ServiceState::Running,
            (None, true) => ServiceState::Stopped,
            (None, false) => ServiceState::Absent,
        };
        let running = place.image(name);
        let wanted = place.pin(&declared).ok().flatten().and_then(|pin| pin.id);
        if let Some(running) = &running
            && running.id != wanted
        {
            found.push(problems::running_differs(
                name,
                &place.current(),
                &declared,
                &running.reference,
            ));
        }
        Service {
            name: name.clone(),
            component: true,
            image: declared,
            running,
            state,
            replicas: 1,
            published: BTreeMap::new(),
        }
    }

    fn version_place(
        &self,
        version: &Version,
        found: &mut Vec<Problem>,
    ) -> Result<(VersionPlace, File), Problem> {
        let path = self.place.current();
        let text =
            fs::read_to_string(&path).map_err(|error| problems::unreadable(&path, &error))?;
        let exact = self.place.product.scheme.parse(version).is_ok();
        if !exact {
            found.push(problems::inexact(&path, version.as_str()));
        }
        let path = path.to_string_lossy().into_owned();
        let place = VersionPlace {
            path: path.clone(),
            offset: text.find(version.as_str()).unwrap_or(0),
            text: version.as_str().to_owned(),
            line: 1,
            services: self
                .place
                .releases
                .commands
                .services
                .keys()
                .cloned()
                .collect(),
            pinning: if exact {
                Pinning::Exact
            } else {
                Pinning::Moving
            },
        };
        let digest = Digest::of(&text);
        Ok((place, File { path, digest }))
    }

    fn datastores(&self, found: &mut Vec<Problem>) -> Vec<Datastore> {
        let place = &self.place;
        let component = ServiceSpec::of_process(
            place
                .releases
                .commands
                .services
                .keys()
                .next()
                .cloned()
                .unwrap_or_else(|| ServiceName::new("")),
            place.environment.clone(),
        );
        let settings = Settings::read(&component, &place.product, &|_| None);
        let search = Search {
            services: &[],
            component: &component,
            settings: &settings,
            config: &place.config,
            directory: &place.directory,
            read: &settings_file::here,
            // Paths of a process are paths of this host.
            on_host: &|_, path| Some(path.to_owned()),
        };
        let mut datastores = Vec::new();
        for (_, mut seen) in search.all(&place.product, found) {
            found.extend(self.asking(|asker| asker.look(&mut seen, &Server::outside())));
            datastores.push(seen);
        }
        datastores
    }

    fn asking<T>(&self, ask: impl FnOnce(&Asker<'_>) -> T) -> T {
        ask(&Asker {
            commands: &self.place.commands,
            secret: &|reference| self.place.secret(reference),
            inside: &|_, argv| Ok(argv),
        })
    }
}

/// True where `said` names exactly this version: `1.8.0` is not in `1.8.0rc1` nor in `11.8.0`.
fn says(said: &str, version: &str) -> bool {
    let part = |letter: char| letter.is_ascii_alphanumeric() || ".+-_".contains(letter);
    said.split(|letter| !part(letter)).any(|word| {
        let word = word.trim_end_matches(['.', '-']);
        word == version || word.strip_prefix('v') == Some(version)
    })
}
