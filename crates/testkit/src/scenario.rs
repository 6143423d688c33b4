//! Simulated deployments with the plans that upgrade them, and the way back.

use std::collections::BTreeMap;

use switchback_engine::ports::{Datastore, Site};
use switchback_journal::{RunState, StepStatus};
use switchback_model::observed::{File, Observed};
use switchback_model::plan::StageKind;
use switchback_model::{DatastoreName, Digest, Plan, Problem, RunId, Version};
use switchback_planner::{Experience, Proven};

use crate::content::{self, SimCarrier};
use crate::crash::CrashPoints;
use crate::data::{SimData, SimStore};
use crate::driver::SimDriver;
use crate::host::{self, SimHost};
use crate::instances::SimContent;
use crate::migration::{Effect, SimMigration, Unit};
use crate::packages::SimPackages;
use crate::plans::{
    FILE, PlanBuilder, SERVER, SERVICE, deployment, file, file_with_server, image, rows,
    server_image,
};
use crate::store::SimDatastore;
use crate::world::{Reality, SimService, World};

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
            .set(TO)
            .migrate("is-db", TO, "identity", false)
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
            .migrate("is-db", STOP, "identity", false)
            .migrate("ns-db", STOP, "redis", true)
            .stage(StageKind::Run { to: TO.into() }, 1)
            .set(TO)
            .migrate("is-db", TO, "identity", false)
            .migrate("ns-db", TO, "redis", true)
            .start(TO)
            .verify(TO)
            .seal_plan();
        Self::of("two legs", plan)
    }

    /// A required stop where the product runs, and a second round of backups after it.
    pub fn running_stop() -> Self {
        let plan = to_the_stop(TO)
            .stage(StageKind::Run { to: TO.into() }, 2)
            .prepare("identity")
            .prepare("redis")
            .stop()
            .seal("identity")
            .seal("redis")
            .prove("identity")
            .prove("redis")
            .set(TO)
            .migrate("is-db", TO, "identity", false)
            .migrate("ns-db", TO, "redis", true)
            .start(TO)
            .verify(TO)
            .seal_plan();
        Self::of("running stop", plan)
    }

    /// A shadow beside a dump, and a migration that begins again from a copy of the shadow.
    pub fn shadowed() -> Self {
        let plan = PlanBuilder::new(FROM, TO, &["identity", "redis"])
            .shadow("identity")
            .fetch(TO)
            .prepare("identity")
            .prepare("redis")
            .compare("identity")
            .stage(StageKind::Run { to: TO.into() }, 1)
            .stop()
            .seal("identity")
            .seal("redis")
            .prove("redis")
            .set(TO)
            .migrate("is-db", TO, "identity", false)
            .migrate("ns-db", TO, "redis", true)
            .start(TO)
            .verify(TO)
            .seal_plan();
        Self::of("shadowed", plan)
    }

    /// Shadows alone, and a second round of them after a stop where the product runs.
    pub fn shadowed_twice() -> Self {
        let plan = PlanBuilder::new(FROM, TO, &["identity", "redis"])
            .shadow("identity")
            .shadow("redis")
            .fetch(STOP)
            .fetch(TO)
            .prepare("identity")
            .prepare("redis")
            .compare("identity")
            .compare("redis")
            .stage(StageKind::Run { to: STOP.into() }, 1)
            .stop()
            .seal("identity")
            .seal("redis")
            .set(STOP)
            .migrate("is-db", STOP, "identity", false)
            .start(STOP)
            .verify(STOP)
            .stage(StageKind::Run { to: TO.into() }, 2)
            .prepare("identity")
            .prepare("redis")
            .compare("identity")
            .compare("redis")
            .stop()
            .seal("identity")
            .seal("redis")
            .set(TO)
            .migrate("is-db", TO, "identity", false)
            .migrate("ns-db", TO, "redis", true)
            .start(TO)
            .verify(TO)
            .seal_plan();
        Self::of("shadowed twice", plan)
    }

    /// A server that becomes another version, and nothing else.
    pub fn other_server() -> Self {
        Self::with_server("other server", to_other_server(FROM).seal_plan())
    }

    /// The same, and then the product on it, from backups of its own.
    pub fn server_and_product() -> Self {
        let plan = to_other_server(TO)
            .stage(StageKind::Run { to: TO.into() }, 2)
            .prepare("identity")
            .prepare("redis")
            .compare("identity")
            .stop()
            .seal("identity")
            .seal("redis")
            .prove("redis")
            .set(TO)
            .migrate("is-db", TO, "identity", false)
            .start(TO)
            .verify(TO)
            .seal_plan();
        Self::with_server("server and product", plan)
    }

    /// The first leg of [`Scenario::running_stop`] alone.
    pub fn first_leg() -> Self {
        Self::of("first leg", to_the_stop(STOP).seal_plan())
    }

    /// The product is installed from packages.
    pub fn packaged() -> Self {
        let plan = PlanBuilder::new(FROM, TO, &["identity"])
            .packages()
            .fetch(TO)
            .prepare("identity")
            .stage(StageKind::Run { to: TO.into() }, 1)
            .stop()
            .seal("identity")
            .prove("identity")
            .set(TO)
            .migrate("is-db", TO, "identity", false)
            .start(TO)
            .verify(TO)
            .seal_plan();
        let scenario = Self::of("packaged", plan);
        scenario.world.touch(|now| {
            now.files.clear();
            now.images.clear();
            now.host = Some(SimHost::with(FROM));
        });
        scenario
    }

    /// Content is brought to another instance.
    pub fn roll_over() -> Self {
        let content = SimContent::two_instances();
        let scenario = Self::of("roll-over", content::plan(&content));
        scenario.world.touch(|now| {
            *now = Reality {
                content: Some(content),
                ..Reality::default()
            };
        });
        scenario
    }

    /// All of them that are swept point by point, each made anew.
    pub fn all() -> [fn() -> Self; 6] {
        [
            Self::one_leg,
            Self::two_legs,
            Self::running_stop,
            Self::shadowed,
            Self::shadowed_twice,
            Self::other_server,
        ]
    }

    pub(crate) fn of(name: &'static str, plan: Plan) -> Self {
        Self {
            name,
            world: World::new(deployed(), CrashPoints::default()),
            plan,
        }
    }

    fn with_server(name: &'static str, plan: Plan) -> Self {
        let scenario = Self::of(name, plan);
        scenario.world.touch(|now| {
            now.files
                .insert(FILE.to_owned(), file_with_server(FROM, "15"));
            now.servers.insert(
                SERVER.into(),
                SimService {
                    running: true,
                    image: Some(server_image("15")),
                },
            );
            now.images.insert(server_image("15").reference);
            if let Some(store) = now.stores.get_mut(&DatastoreName::from("identity")) {
                store.server = Some(SERVER.into());
            }
        });
        scenario
    }

    /// What an engine drives.
    pub fn site(&self) -> Site {
        let names: Vec<DatastoreName> = self.plan.datastores.keys().cloned().collect();
        site(&self.world, &names)
    }

    /// The way back from a run of this scenario, as the planner makes it from what the journal
    /// proves and what is found.
    pub fn way_back(&self, run: &RunId, state: &RunState) -> Result<Plan, Problem> {
        let finished = |status: &StepStatus| matches!(status, StepStatus::Finished { .. });
        let proven = Proven {
            run: run.clone(),
            begun: state.steps.keys().copied().collect(),
            finished: state
                .steps
                .iter()
                .filter(|(_, status)| finished(status))
                .map(|(number, _)| *number)
                .collect(),
            writing_seconds: None,
        };
        switchback_planner::rollback(
            &self.plan,
            &proven,
            &Experience::default(),
            &self.observed(),
        )
    }

    /// What a driver would tell of the simulated deployment.
    fn observed(&self) -> Observed {
        let mut files = self.world.touch(|now| now.files.clone());
        let record = self.world.touch(|now| now.host.as_ref().map(SimHost::told));
        files.extend(record.map(|line| (host::RECORD.to_owned(), line.into_bytes())));
        Observed {
            deployment: deployment(),
            version: FROM.into(),
            services: Vec::new(),
            files: files
                .into_iter()
                .map(|(path, bytes)| File {
                    path,
                    digest: Digest::of(bytes),
                })
                .collect(),
            version_places: Vec::new(),
            datastores: Vec::new(),
            filesystems: Vec::new(),
            probes: BTreeMap::new(),
            problems: Vec::new(),
        }
    }
}

/// The way to another server, where the product runs as it did before.
fn to_other_server(target: &str) -> PlanBuilder {
    let builder = PlanBuilder::new(FROM, target, &["identity", "redis"])
        .server("identity")
        .shadow("identity")
        .fetch_server("17")
        .fetch(FROM);
    let builder = if target == FROM {
        builder
    } else {
        builder.fetch(target)
    };
    builder
        .fits("identity", "17")
        .prepare("identity")
        .prepare("redis")
        .compare("identity")
        .stage(StageKind::Engines { to: FROM.into() }, 1)
        .stop()
        .seal("identity")
        .seal("redis")
        .prove("redis")
        .carry("identity", "17")
        .set_server("17")
        .exchange("identity", "17")
        .start(FROM)
        .verify(FROM)
}

/// The way to a required stop where the product runs.
pub(crate) fn to_the_stop(target: &str) -> PlanBuilder {
    let builder = PlanBuilder::new(FROM, target, &["identity", "redis"]).fetch(STOP);
    let builder = if target == STOP {
        builder
    } else {
        builder.fetch(target)
    };
    builder
        .prepare("identity")
        .prepare("redis")
        .stage(StageKind::Run { to: STOP.into() }, 1)
        .stop()
        .seal("identity")
        .seal("redis")
        .prove("identity")
        .prove("redis")
        .set(STOP)
        .migrate("is-db", STOP, "identity", false)
        .start(STOP)
        .verify(STOP)
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
    let driver = SimDriver {
        world: world.clone(),
    };
    let (packaged, content) = world.touch(|now| (now.host.is_some(), now.content.is_some()));
    if content {
        return switchback_engine::content::site(Box::new(SimCarrier::of(world)));
    }
    Site {
        driver: if packaged {
            Box::new(SimPackages(driver))
        } else {
            Box::new(driver)
        },
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
        ("is-1", Effect::Add("accounts", 3)),
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
    // The newer version no longer knows the first unit, so that the stop is really required.
    let rest: Vec<_> = is_first[1..].iter().chain(&is_rest).cloned().collect();
    add(&mut reality, "is-db", TO, "identity", true, &rest);
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
