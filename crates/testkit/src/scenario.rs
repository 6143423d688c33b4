//! Simulated deployments with the plans that upgrade them, and the way back.

use switchback_engine::ports::{Datastore, Site};
use switchback_journal::{RunState, StepStatus};
use switchback_model::plan::{Act, StageKind};
use switchback_model::{DatastoreName, Plan, RunId, Version};

use crate::crash::CrashPoints;
use crate::driver::SimDriver;
use crate::migration::{Effect, SimMigration, Unit};
use crate::plans::{FILE, PlanBuilder, SERVICE, file, image, rows};
use crate::store::SimDatastore;
use crate::world::{Reality, SimData, SimService, SimStore, World};

/// A deployment and what shall be done to it.
pub struct Scenario {
    /// Name, for reports.
    pub name: &'static str,
    /// The deployment.
    pub world: World,
    /// The upgrade.
    pub plan: Plan,
}

/// The version that every scenario begins with.
pub const FROM: &str = "3.23.2";
/// A required stop.
pub const STOP: &str = "3.24.2";
/// The version that every scenario ends with.
pub const TO: &str = "3.32.1";

impl Scenario {
    /// One datastore, one leg, one migration that may not simply be repeated.
    pub fn one_leg() -> Self {
        let plan = PlanBuilder::new(FROM, TO, &["identity"])
            .fetch(TO)
            .prepare("identity")
            .stage(StageKind::Run { to: TO.into() }, 1)
            .stop()
            .seal("identity")
            .prove("identity")
            .set(FROM, TO)
            .migrate("is-db", TO, "identity", Some(&[]))
            .start(TO)
            .verify(TO)
            .seal_plan();
        Self::of("one leg", plan)
    }

    /// Two datastores, a required stop where only migrations run, and a migration whose recovery
    /// takes an earlier one back.
    pub fn two_legs() -> Self {
        let plan = PlanBuilder::new(FROM, TO, &["identity", "redis"])
            .fetch(STOP)
            .fetch(TO)
            .prepare("identity")
            .prepare("redis")
            .stage(StageKind::Migrate { to: STOP.into() }, 1)
            .stop()
            .seal("identity")
            .seal("redis")
            .prove("identity")
            .prove("redis")
            .migrate("is-db", STOP, "identity", Some(&[]))
            .migrate("ns-db", STOP, "redis", None)
            .stage(StageKind::Run { to: TO.into() }, 1)
            .set(FROM, TO)
            .migrate("is-db", TO, "identity", Some(&[10]))
            .migrate("ns-db", TO, "redis", None)
            .start(TO)
            .verify(TO)
            .seal_plan();
        Self::of("two legs", plan)
    }

    /// A required stop where the product runs, and a second round of backups after it.
    pub fn running_stop() -> Self {
        let plan = PlanBuilder::new(FROM, TO, &["identity", "redis"])
            .fetch(STOP)
            .fetch(TO)
            .stage(StageKind::Run { to: STOP.into() }, 1)
            .stop()
            .seal("identity")
            .seal("redis")
            .prove("identity")
            .prove("redis")
            .set(FROM, STOP)
            .migrate("is-db", STOP, "identity", Some(&[]))
            .start(STOP)
            .verify(STOP)
            .stage(StageKind::Run { to: TO.into() }, 2)
            .stop()
            .seal("identity")
            .seal("redis")
            .prove("identity")
            .prove("redis")
            .set(STOP, TO)
            .migrate("is-db", TO, "identity", Some(&[]))
            .migrate("ns-db", TO, "redis", None)
            .start(TO)
            .verify(TO)
            .seal_plan();
        Self::of("running stop", plan)
    }

    /// All of them, each made anew.
    pub fn all() -> [fn() -> Self; 3] {
        [Self::one_leg, Self::two_legs, Self::running_stop]
    }

    fn of(name: &'static str, plan: Plan) -> Self {
        Self {
            name,
            world: World::new(deployed(), CrashPoints::default()),
            plan,
        }
    }

    /// What an engine drives.
    pub fn site(&self) -> Site {
        let names: Vec<DatastoreName> = self.plan.datastores.keys().cloned().collect();
        site(&self.world, &names)
    }

    /// The way back from a run of this scenario, from what its journal proves and the file says.
    pub fn way_back(&self, run: &RunId, state: &RunState) -> Plan {
        let now = self
            .world
            .touch(|now| now.files.get(FILE).cloned().unwrap_or_default());
        let text = String::from_utf8_lossy(&now).into_owned();
        let found = [FROM, STOP, TO]
            .into_iter()
            .find(|version| text.contains(*version))
            .unwrap_or(FROM);
        // What was sealed in the first round is the way back; without it nothing was migrated yet.
        let sealed: Vec<&DatastoreName> = self
            .plan
            .steps()
            .filter(|(stage, step)| {
                stage.round == 1
                    && matches!(step.act, Act::Seal { .. })
                    && matches!(state.step(step.number), StepStatus::Finished { .. })
            })
            .filter_map(|(_, step)| step.act.datastore())
            .collect();
        let names: Vec<&str> = self
            .plan
            .datastores
            .keys()
            .map(DatastoreName::as_str)
            .collect();
        let mut builder = PlanBuilder::new(TO, FROM, &names)
            .taking_back(run)
            .fetch(FROM)
            .stage(StageKind::Return { to: FROM.into() }, 1)
            .stop();
        if found != FROM {
            builder = builder.set(found, FROM);
        }
        for name in &sealed {
            builder = builder.restore(name.as_str(), run);
        }
        for name in &sealed {
            builder = builder.compare(name.as_str(), run);
        }
        builder = builder.start(FROM);
        for name in &sealed {
            builder = builder.release(name.as_str(), run);
        }
        builder.seal_plan()
    }
}

/// What an engine drives in this world.
pub fn site(world: &World, datastores: &[DatastoreName]) -> Site {
    let datastores = datastores.iter().map(|name| {
        let datastore: Box<dyn Datastore> = Box::new(SimDatastore {
            world: world.clone(),
            name: name.clone(),
        });
        (name.clone(), datastore)
    });
    Site {
        driver: Box::new(SimDriver {
            world: world.clone(),
        }),
        datastores: datastores.collect(),
    }
}

/// The deployment before anything was done.
fn deployed() -> Reality {
    let mut reality = Reality::default();
    reality.services.insert(
        SERVICE.into(),
        SimService {
            running: true,
            image: Some(image(FROM)),
        },
    );
    reality.images.insert(image(FROM).reference);
    reality.files.insert(FILE.to_owned(), file(FROM));
    let identity = SimStore {
        live: SimData {
            collections: rows(&[("users", 120), ("contact_infos", 31), ("sessions", 4)]),
            ..SimData::default()
        },
        ..SimStore::default()
    };
    let redis = SimStore {
        copied_offline: true,
        live: SimData {
            collections: rows(&[("db0/hash", 900), ("sessions", 2)]),
            ..SimData::default()
        },
        ..SimStore::default()
    };
    reality.stores.insert("identity".into(), identity);
    reality.stores.insert("redis".into(), redis);
    let is_first = [
        ("is-1", Effect::Add("users", 0)),
        ("is-2", Effect::Rewrite("users")),
    ];
    let is_rest = [
        ("is-3", Effect::Add("notifications", 2)),
        ("is-4", Effect::Delete("contact_infos")),
    ];
    let ns = [
        ("ns-1", Effect::Rewrite("db0/hash")),
        ("ns-2", Effect::Add("db0/hash", 1)),
    ];
    add(&mut reality, "is-db", STOP, "identity", true, &is_first);
    let both: Vec<_> = is_first.iter().chain(&is_rest).cloned().collect();
    add(&mut reality, "is-db", TO, "identity", true, &both);
    add(&mut reality, "ns-db", STOP, "redis", false, &ns[..1]);
    add(&mut reality, "ns-db", TO, "redis", false, &ns);
    reality
}

fn add(
    reality: &mut Reality,
    migration: &str,
    version: &str,
    datastore: &str,
    marks_first: bool,
    units: &[(&str, Effect)],
) {
    let units = units
        .iter()
        .map(|(name, effect)| Unit {
            name: (*name).to_owned(),
            effect: effect.clone(),
        })
        .collect();
    reality.migrations.insert(
        (migration.into(), Version::from(version)),
        SimMigration {
            datastore: datastore.into(),
            units,
            marks_first,
        },
    );
}
