//! Rules about steps that make a datastore's server another version.

use switchback_model::plan::{Act, EngineChange, Expectation, Purpose, StageKind};
use switchback_model::{DatastoreName, RunId, Version};

use super::walk::Walk;

impl<'p> Walk<'_, 'p> {
    pub(super) fn carry(&mut self, datastore: &'p DatastoreName, engine: &'p EngineChange) {
        self.of_an_upgrade(engine);
        if !self.world.fitting.contains(datastore) {
            self.object(
                "carried-untried",
                format!("nothing has tried whether `{datastore}` fits {}", engine.to),
            );
        }
        // What is written after it was read would be lost with the data that is moved aside.
        self.while_down(datastore);
        self.all_proven("carried-before-proof");
        self.needs_before(&Expectation::ImageHere {
            image: engine.image.clone(),
        });
        self.needs_before(&version(datastore, &engine.from));
        self.needs_after(&carried(datastore, engine));
        self.world.carried.insert(datastore, engine);
    }

    pub(super) fn exchange(&mut self, datastore: &'p DatastoreName, engine: &'p EngineChange) {
        self.of_an_upgrade(engine);
        if self.world.carried.remove(datastore) != Some(engine) {
            self.object(
                "exchanged-uncarried",
                format!("nothing that {} can run on is there by then", engine.to),
            );
        }
        self.while_down(datastore);
        self.needs_before(&carried(datastore, engine));
        self.needs_files();
        self.becomes(datastore, engine, &engine.to);
        self.world.exchanged.push(engine);
    }

    pub(super) fn put_back(
        &mut self,
        datastore: &'p DatastoreName,
        engine: &'p EngineChange,
        run: &RunId,
    ) {
        let back = Purpose::Rollback { run: run.clone() };
        if self.world.plan.purpose != back {
            self.object("put-back", "it puts back what another run exchanged");
        }
        if self.world.started {
            self.object("put-back", "the service has been started before");
        }
        self.down(datastore);
        self.needs_files();
        self.becomes(datastore, engine, &engine.from);
        self.world.put_back.insert(datastore);
        self.world.restored.insert(datastore);
        self.world.counted.remove(datastore);
    }

    /// A version that is written for a server which this stage exchanges or puts back.
    pub(super) fn sets_a_server(&self, version: &Version) -> bool {
        let mut engines = self.stage.steps.iter().filter_map(|step| match &step.act {
            Act::Exchange { engine, .. } => Some(&engine.to),
            Act::PutBack { engine, .. } => Some(&engine.from),
            _ => None,
        });
        engines.any(|engine| engine == version.as_str())
    }

    fn of_an_upgrade(&mut self, engine: &EngineChange) {
        if self.world.plan.purpose != Purpose::Upgrade {
            self.object("engine", "a way back puts back, it builds nothing");
        }
        if !matches!(self.stage.kind, StageKind::Engines { .. }) {
            self.object("engine", "it does not belong into a leg of the product");
        }
        if engine.was == engine.image {
            self.object("engine", format!("`{}` stays what it is", engine.service));
        }
        if !self.world.fetched.contains(&engine.image) {
            self.object(
                "image-not-fetched",
                format!("`{}` was not fetched before", engine.image.reference),
            );
        }
    }

    fn while_down(&mut self, datastore: &DatastoreName) {
        self.down(datastore);
        self.needs_before(&Expectation::NoWriters {
            datastore: datastore.clone(),
        });
    }

    fn down(&mut self, datastore: &DatastoreName) {
        if !self.world.is_down() {
            self.object(
                "engine-while-running",
                format!("`{datastore}` gets another server while services use it"),
            );
        }
        self.needs_stopped();
    }

    fn becomes(&mut self, datastore: &DatastoreName, engine: &EngineChange, to: &str) {
        let image = if to == engine.to {
            &engine.image
        } else {
            &engine.was
        };
        self.needs_after(&version(datastore, to));
        self.needs_after(&Expectation::Runs {
            service: engine.service.clone(),
            image: image.clone(),
        });
    }
}

fn version(datastore: &DatastoreName, version: &str) -> Expectation {
    Expectation::Engine {
        datastore: datastore.clone(),
        version: version.to_owned(),
    }
}

fn carried(datastore: &DatastoreName, engine: &EngineChange) -> Expectation {
    Expectation::Carried {
        datastore: datastore.clone(),
        version: engine.to.clone(),
    }
}
