//! Opens a deployment for looking, planning and running: the driver that
//! `switchback.toml` names, and a keeper for each datastore of a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use switchback_datastores::Survey;
use switchback_drivers::compose::copy::{self, Blueprint, Trace};
use switchback_drivers::{Deployment, Directories, plain_secret};
use switchback_engine::ports::{Datastore, Driver, Failure, Site};
use switchback_engine::process::{Commands, Secret};
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::config::SecretRef;
use switchback_model::exit::Exit;
use switchback_model::observed::{
    self, DatastoreLocation, Deployment as Identity, ImagePin, Observed,
};
use switchback_model::plan::{FileEdit, Plan};
use switchback_model::product::{DatastoreKind, Probe, Product};
use switchback_model::{DatastoreName, Problem, ServiceName, Structure, Version};
use switchback_planner::EngineWish;

use crate::failure::Failed;
use crate::place::definitions;
use crate::place::deployment::Found;
use crate::render::waiting;
use crate::runs;
use crate::session::Session;
use crate::stacks::Stacks;

/// A deployment that can be looked at and changed.
pub(crate) struct Place {
    target: Target,
    directories: Directories,
    redactor: Redactor,
    commands: Commands,
    /// Datastores of which the operator wants no backup.
    declined: BTreeSet<DatastoreName>,
    /// The product's definition.
    pub product: Product,
}

/// What a deployment consists of.
enum Target {
    /// Containers, processes or packages.
    Machine(Deployment),
    /// Stacks at AWS.
    Stacks(Stacks),
}

impl Place {
    /// Reads the deployment's configuration.
    pub(crate) fn open(
        session: &Session<'_>,
        found: &Found,
        stop: StopSignal,
    ) -> Result<Self, Failed> {
        waiting::during(session.screen, "reading the configuration", || {
            Self::open_quietly(session, found, stop)
        })
    }

    /// Masks every secret that was read.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Reads a secret where it is.
    pub(crate) fn secret(&self, reference: &SecretRef) -> Result<Secret, Problem> {
        match &self.target {
            Target::Machine(deployment) => deployment.secret(reference),
            Target::Stacks(_) => plain_secret(reference, Path::new(&self.identity().directory))
                .unwrap_or_else(|| Err(of_a_machine())),
        }
    }

    /// Reads the configuration without saying so: for whoever tells what goes on by itself.
    pub(crate) fn open_quietly(
        session: &Session<'_>,
        found: &Found,
        stop: StopSignal,
    ) -> Result<Self, Failed> {
        let config = &found.config;
        let definition =
            definitions::find(session.global.catalog.as_ref(), config.product.as_str())?;
        let product = definition.load()?;
        let redactor = Redactor::default();
        let commands = Commands::new(session.state.root().join("looking"), redactor.clone(), stop);
        let target = if config.aws.is_some() {
            let brought = runs::brought(session, &found.key()).unwrap_or_default();
            Target::Stacks(Stacks::open(found, &product, brought)?)
        } else {
            let deployment = Deployment::open(&found.directory, config, &product, &commands)?;
            Target::Machine(deployment)
        };
        let names = config.datastores.keys();
        let declined = names
            .filter(|name| config.declines(name))
            .cloned()
            .collect();
        Ok(Self {
            target,
            directories: Directories {
                backups: session.state.backups(&found.key()),
                journal: session.state.root().to_owned(),
            },
            redactor,
            commands,
            declined,
            product,
        })
    }

    /// Which deployment this is.
    pub(crate) fn identity(&self) -> Identity {
        match &self.target {
            Target::Machine(deployment) => deployment.identity(),
            Target::Stacks(stacks) => stacks.identity(),
        }
    }

    /// What starts processes that look.
    pub(crate) fn commands(&self) -> &Commands {
        &self.commands
    }

    /// The stacks, where it consists of stacks.
    pub(crate) fn stacks(&self) -> Option<&Stacks> {
        match &self.target {
            Target::Machine(_) => None,
            Target::Stacks(stacks) => Some(stacks),
        }
    }

    /// What runs on a machine, where it does.
    fn machine(&self) -> Result<&Deployment, Problem> {
        match &self.target {
            Target::Machine(deployment) => Ok(deployment),
            Target::Stacks(_) => Err(of_a_machine()),
        }
    }

    /// Looks at everything.
    pub(crate) fn observe(&self, session: &Session<'_>) -> Result<Observed, Problem> {
        waiting::telling(session.screen, "looking at the deployment", |told| {
            self.observe_telling(told)
        })
    }

    /// As [`Place::observe`], without saying so.
    pub(crate) fn observe_quietly(&self) -> Result<Observed, Problem> {
        self.observe_telling(&waiting::Told::default())
    }

    fn observe_telling(&self, told: &waiting::Told) -> Result<Observed, Problem> {
        let deployment = match &self.target {
            Target::Machine(deployment) => deployment,
            Target::Stacks(stacks) => return Ok(stacks.look(&self.product, told)?.observed),
        };
        let mut observed = deployment.observe(&self.directories)?;
        for found in &mut observed.datastores {
            let elsewhere = self.elsewhere(found).is_some();
            if elsewhere && self.declined.contains(&found.name) {
                // What nobody keeps is no reason to bring anything there.
                continue;
            }
            match self.survey(found) {
                Ok(survey) if found.location.kind == DatastoreKind::Mongodb => {
                    let told = self.told(&found.name, &survey);
                    observed.problems.extend(told);
                    observed
                        .probes
                        .extend(self.versions_of(&found.name, &survey));
                    (found.engine, found.size) = (survey.engine, survey.size);
                    (found.count, found.shadow) = (survey.count, survey.shadow);
                }
                Ok(survey) => {
                    (found.shadow, found.log_rate) = (survey.shadow, survey.log_rate);
                    if elsewhere {
                        (found.size, found.count) = (survey.size, survey.count);
                    }
                }
                // One that does not answer was told already, where a driver could ask it.
                Err(problem) if elsewhere || found.location.kind == DatastoreKind::Mongodb => {
                    observed.problems.push(problem);
                }
                Err(_) => {}
            }
        }
        Ok(observed)
    }

    /// The machine that the files of a datastore are on and stay on, where that is not this one.
    pub(crate) fn elsewhere(&self, found: &observed::Datastore) -> Option<String> {
        if found.location.kind != DatastoreKind::Files {
            return None;
        }
        let there = self.machine().ok()?.reach(&found.location).elsewhere()?;
        Some(there.machine().to_owned())
    }

    /// What a datastore says of itself.
    fn survey(&self, found: &observed::Datastore) -> Result<Survey, Problem> {
        let (name, location) = (&found.name, &found.location);
        let password = self.password(location)?;
        let reach = self.machine()?.reach(location);
        switchback_datastores::survey(name, location, reach, password, &self.commands)
            .map_err(unseen)
    }

    /// What is in the way of keeping a datastore, where nobody but itself can look.
    fn told(&self, name: &DatastoreName, survey: &Survey) -> Option<Problem> {
        if self.declined.contains(name) {
            return None;
        }
        let first = survey.obstacles.first()?;
        let problem = Problem::new(
            Exit::Refused,
            "datastore-unsupported",
            format!("`{name}` cannot be kept: {first}"),
        )
        .state("deployment", "unchanged")
        .hint(format!(
            "remove what is in the way, or set backup = \"none\" under [datastores.{name}] in switchback.toml"
        ));
        Some(
            survey
                .obstacles
                .iter()
                .skip(1)
                .fold(problem, Problem::cause),
        )
    }

    /// Answers to the probes for a server with a path of its own: its version, and the format of its data.
    fn versions_of(&self, name: &DatastoreName, survey: &Survey) -> BTreeMap<String, String> {
        let engines = self.product.engines.iter();
        let of = engines.filter(|engine| engine.id == *name);
        of.flat_map(|engine| {
            let version = survey.engine.clone();
            let format = survey.compatibility.clone();
            [
                version.map(|version| (engine.probe.clone(), version)),
                format.map(|format| (engine.compatibility(), format)),
            ]
        })
        .flatten()
        .collect()
    }

    /// What changes this deployment.
    pub(crate) fn driver(&self) -> Box<dyn Driver> {
        match &self.target {
            Target::Machine(deployment) => deployment.driver(),
            Target::Stacks(stacks) => stacks.driver(),
        }
    }

    /// Decides what a copy of this deployment is.
    pub(crate) fn blueprint(&self, request: &copy::Request<'_>) -> Result<Blueprint, Problem> {
        match &self.target {
            Target::Machine(Deployment::Compose(deployment)) => deployment.blueprint(request),
            _ => Err(not_compose()),
        }
    }

    /// Every container of the deployment, and when it was started.
    pub(crate) fn traces(&self, commands: &Commands) -> Result<BTreeMap<String, Trace>, Problem> {
        let Target::Machine(Deployment::Compose(deployment)) = &self.target else {
            return Err(not_compose());
        };
        deployment.traces(commands).map_err(|error| {
            let unseen = Problem::new(
                Exit::Refused,
                "containers-unseen",
                "the deployment's containers cannot be looked at",
            )
            .state("deployment", "not touched")
            .hint("see that the Docker Engine answers: docker ps");
            let causes = error.into_failure("docker", "").causes.into_iter();
            causes.fold(unseen, Problem::cause)
        })
    }

    /// How what a datastore holds is shaped, where it has a shape.
    pub(crate) fn structure(
        &self,
        name: &DatastoreName,
        location: &DatastoreLocation,
        commands: &Commands,
    ) -> Result<Result<Option<Structure>, Failure>, Problem> {
        let password = self.password(location)?;
        let reach = self.machine()?.reach(location);
        Ok(switchback_datastores::structure(
            name, location, reach, password, commands,
        ))
    }

    /// Asks probes of one datastore and nothing else: quick, however much there is.
    pub(crate) fn ask(
        &self,
        probes: &[&Probe],
        location: &DatastoreLocation,
    ) -> Vec<Option<String>> {
        match self.machine() {
            Ok(deployment) => deployment.ask(probes, location),
            Err(_) => vec![None; probes.len()],
        }
    }

    /// Pins image references.
    pub(crate) fn pin(
        &self,
        session: &Session<'_>,
        references: &[String],
    ) -> Result<BTreeMap<String, ImagePin>, Problem> {
        let deployment = self.machine()?;
        let pins = waiting::during(session.screen, "asking what the images are", || {
            deployment.resolve(references)
        })?;
        Ok(pins
            .into_iter()
            .map(|pin| (pin.reference.clone(), pin))
            .collect())
    }

    /// The edits that give servers their versions, and those that take the files through `versions` then.
    pub(crate) fn edits(
        &self,
        observed: &Observed,
        servers: &[EngineWish],
        versions: &[Version],
    ) -> Result<Edits, Problem> {
        let servers: Vec<(ServiceName, String)> = servers
            .iter()
            .map(|wish| (wish.service.clone(), wish.to.clone()))
            .collect();
        let (first, edits) = self.machine()?.edits_with(observed, &servers, versions)?;
        Ok((first, versions.iter().cloned().zip(edits).collect()))
    }

    /// What a run of `plan` drives.
    pub(crate) fn site(&self, plan: &Plan) -> Result<Site, Problem> {
        if let Target::Stacks(stacks) = &self.target {
            stacks.must_be_of(plan)?;
        }
        let mut datastores: BTreeMap<DatastoreName, Box<dyn Datastore>> = BTreeMap::new();
        for (name, datastore) in &plan.datastores {
            datastores.insert(name.clone(), self.keeper(name, &datastore.location)?);
        }
        Ok(Site {
            driver: self.driver(),
            datastores,
        })
    }

    /// What keeps one datastore's data.
    pub(crate) fn keeper(
        &self,
        name: &DatastoreName,
        location: &DatastoreLocation,
    ) -> Result<Box<dyn Datastore>, Problem> {
        let password = self.password(location)?;
        let reach = self.machine()?.reach(location);
        Ok(switchback_datastores::open(name, location, reach, password))
    }

    fn password(&self, location: &DatastoreLocation) -> Result<Option<Secret>, Problem> {
        location
            .password
            .as_ref()
            .map(|reference| self.secret(reference))
            .transpose()
    }
}

/// Edits that give servers their versions, then those that lead to each version of the product.
pub(crate) type Edits = (Vec<FileEdit>, BTreeMap<Version, Vec<FileEdit>>);

/// Only what Compose runs can be copied and shut in.
fn not_compose() -> Problem {
    Problem::new(
        Exit::Refused,
        "rehearsal-not-compose",
        "only a deployment of Docker Compose can be copied",
    )
}

/// What only something on a machine has.
fn of_a_machine() -> Problem {
    Problem::new(
        Exit::Refused,
        "not-of-stacks",
        "stacks have no containers, files or databases that are changed from here",
    )
    .state("deployment", "not touched")
    .hint("what holds data is kept by snapshots, which every plan takes: `switchback plan`")
}

/// A datastore that could not be looked at.
fn unseen(failure: Failure) -> Problem {
    failure.refused().state("deployment", "unchanged")
}
