//! Opens a deployment for looking, planning and running: the driver that
//! `switchback.toml` names, and a keeper for each datastore of a plan.

use std::collections::BTreeMap;

use switchback_drivers::{Deployment, Directories};
use switchback_engine::ports::{Datastore, Site};
use switchback_engine::process::{Commands, Secret};
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::config::SecretRef;
use switchback_model::observed::{DatastoreLocation, Deployment as Identity, ImagePin, Observed};
use switchback_model::plan::{FileEdit, Plan};
use switchback_model::product::Product;
use switchback_model::{DatastoreName, Problem, Version};

use crate::failure::Failed;
use crate::place::definitions;
use crate::place::deployment::Found;
use crate::render::waiting;
use crate::session::Session;

/// A deployment that can be looked at and changed.
pub(crate) struct Place {
    deployment: Deployment,
    directories: Directories,
    redactor: Redactor,
    /// The product's definition.
    pub product: Product,
}

impl Place {
    /// Reads the deployment's configuration.
    pub(crate) fn open(
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
        let deployment = waiting::during(session.screen, "reading the configuration", || {
            Deployment::open(&found.directory, config, &product, &commands)
        })?;
        Ok(Self {
            deployment,
            directories: Directories {
                backups: session.state.backups(&found.key()),
                journal: session.state.root().to_owned(),
            },
            redactor,
            product,
        })
    }

    /// Masks every secret that was read.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Reads a secret where it is.
    pub(crate) fn secret(&self, reference: &SecretRef) -> Result<Secret, Problem> {
        self.deployment.secret(reference)
    }

    /// Which deployment this is.
    pub(crate) fn identity(&self) -> Identity {
        self.deployment.identity()
    }

    /// Looks at everything.
    pub(crate) fn observe(&self, session: &Session<'_>) -> Result<Observed, Problem> {
        waiting::during(session.screen, "looking at the deployment", || {
            self.deployment.observe(&self.directories)
        })
    }

    /// Pins image references.
    pub(crate) fn pin(
        &self,
        session: &Session<'_>,
        references: &[String],
    ) -> Result<BTreeMap<String, ImagePin>, Problem> {
        let pins = waiting::during(session.screen, "asking what the images are", || {
            self.deployment.resolve(references)
        })?;
        Ok(pins
            .into_iter()
            .map(|pin| (pin.reference.clone(), pin))
            .collect())
    }

    /// The edits that take the files through `versions`.
    pub(crate) fn edits(
        &self,
        observed: &Observed,
        versions: &[Version],
    ) -> Result<BTreeMap<Version, Vec<FileEdit>>, Problem> {
        let edits = self.deployment.edits(observed, versions)?;
        Ok(versions.iter().cloned().zip(edits).collect())
    }

    /// What a run of `plan` drives.
    pub(crate) fn site(&self, plan: &Plan) -> Result<Site, Problem> {
        let mut datastores: BTreeMap<DatastoreName, Box<dyn Datastore>> = BTreeMap::new();
        for (name, datastore) in &plan.datastores {
            datastores.insert(name.clone(), self.keeper(name, &datastore.location)?);
        }
        Ok(Site {
            driver: self.deployment.driver(),
            datastores,
        })
    }

    /// What keeps one datastore's data.
    pub(crate) fn keeper(
        &self,
        name: &DatastoreName,
        location: &DatastoreLocation,
    ) -> Result<Box<dyn Datastore>, Problem> {
        let password = location
            .password
            .as_ref()
            .map(|reference| self.deployment.secret(reference))
            .transpose()?;
        let reach = self.deployment.reach(location);
        Ok(switchback_datastores::open(name, location, reach, password))
    }
}
