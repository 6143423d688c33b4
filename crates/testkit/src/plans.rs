//! Plans written by hand, small enough to read: what a planner makes for the
//! simulated deployment, without a planner.

mod pieces;
mod servers;

use std::collections::BTreeMap;

use switchback_model::hand_work::{DoneWhen, HandWork};
use switchback_model::observed::Access;
use switchback_model::plan::{
    Act, BackupMethod, BackupState, Check, Expectation, FORMAT, FileEdit, Forecast, Interrupted,
    Origin, Plan, Purpose, Stage, StageKind, Step, WayBack,
};
use switchback_model::product::Advice;
use switchback_model::{DatastoreName, Digest, MigrationId, PlanId, RunId, StepNumber, Version};

pub use self::pieces::{
    FILE, SERVER, SERVICE, datastore_plan, deployment, file, file_with_server, image, rows,
    server_image, services,
};
use self::pieces::{backup, no_writers, stable, stage, stopped};
use crate::host;

/// Adds steps one by one and numbers them.
pub struct PlanBuilder {
    plan: Plan,
    stage: Stage,
    next: u32,
    /// The version that the file names by then.
    named: String,
    /// The version of the server that the file names by then, where it names one.
    engine: Option<String>,
    /// The product is installed from packages: dpkg's record is what names the version.
    packaged: bool,
    /// Migrations since the backup, by round and datastore.
    migrated: BTreeMap<(u32, DatastoreName), Vec<StepNumber>>,
}

impl PlanBuilder {
    /// An empty plan between two versions for these datastores.
    pub fn new(from: &str, to: &str, datastores: &[&str]) -> Self {
        let datastores = datastores
            .iter()
            .map(|name| (DatastoreName::from(*name), datastore_plan()))
            .collect();
        let plan = Plan {
            format: FORMAT,
            id: PlanId::new(""),
            purpose: Purpose::Upgrade,
            parent: None,
            deployment: deployment(),
            account: None,
            product: "example".into(),
            product_name: "Example".to_owned(),
            edition: None,
            definition: Digest::of("example"),
            from: from.into(),
            to: to.into(),
            because: Vec::new(),
            notices: Vec::new(),
            procedures: Vec::new(),
            origin: Origin {
                services: services(),
                images: [(SERVICE.into(), image(from))].into(),
                checks: vec![stable(from)],
            },
            datastores,
            stages: Vec::new(),
            forecast: Forecast::default(),
            advice: vec![Advice {
                id: "needs-migration".to_owned(),
                patterns: vec!["db_needs_migration".to_owned()],
                explanation: "the schema is older than the program".to_owned(),
                next: "read the migration's own output".to_owned(),
                source: "hand-made".to_owned(),
            }],
            secrets: Vec::new(),
        };
        Self {
            plan,
            stage: stage(StageKind::Preparation, 1),
            next: 1,
            named: from.to_owned(),
            engine: None,
            packaged: false,
            migrated: BTreeMap::new(),
        }
    }

    /// Makes it follow `run`.
    #[must_use]
    pub fn after_run(mut self, run: &RunId) -> Self {
        self.plan.parent = Some(run.clone());
        self
    }

    /// Makes it about packages.
    #[must_use]
    pub fn packages(mut self) -> Self {
        self.packaged = true;
        self
    }

    /// Keeps a datastore by a shadow.
    #[must_use]
    pub fn shadow(mut self, datastore: &str) -> Self {
        let plan = self
            .plan
            .datastores
            .get_mut(&DatastoreName::from(datastore));
        plan.expect("the plan has the datastore").method = BackupMethod::Shadow;
        self
    }

    /// Says that a datastore has a server that is a service, of version 15.
    #[must_use]
    pub fn server(mut self, datastore: &str) -> Self {
        let plan = self
            .plan
            .datastores
            .get_mut(&DatastoreName::from(datastore));
        let plan = plan.expect("the plan has the datastore");
        plan.location.access = Access::Container {
            service: SERVER.into(),
        };
        self.engine = Some("15".to_owned());
        self
    }

    /// Begins another stage.
    #[must_use]
    pub fn stage(mut self, kind: StageKind, round: u32) -> Self {
        let done = std::mem::replace(&mut self.stage, stage(kind, round));
        if !done.steps.is_empty() {
            self.plan.stages.push(done);
        }
        self
    }

    /// Fetches an image.
    #[must_use]
    pub fn fetch(self, version: &str) -> Self {
        let image = image(version);
        let here = Expectation::ImageHere {
            image: image.clone(),
        };
        self.step(Act::Fetch { image }, vec![], vec![here])
    }

    /// Begins a backup.
    #[must_use]
    pub fn prepare(self, datastore: &str) -> Self {
        let datastore = DatastoreName::from(datastore);
        let before = vec![
            Expectation::Reachable {
                datastore: datastore.clone(),
            },
            Expectation::Engine {
                datastore: datastore.clone(),
                version: self.version_of(&datastore),
            },
        ];
        let after = vec![backup(&datastore, BackupState::Prepared, None)];
        self.step(Act::Prepare { datastore }, before, after)
    }

    /// Compares a shadow with its original while both are up.
    #[must_use]
    pub fn compare(self, datastore: &str) -> Self {
        let datastore = DatastoreName::from(datastore);
        let before = vec![backup(&datastore, BackupState::Prepared, None)];
        let after = vec![backup(&datastore, BackupState::Compared, None)];
        self.step(Act::Prove { datastore }, before, after)
    }

    /// Stops the service, once every shadow follows.
    #[must_use]
    pub fn stop(self) -> Self {
        let mut before = vec![self.file_names()];
        let names = self.plan.datastores.keys();
        before.extend(
            names
                .filter(|name| self.is_shadowed(name))
                .map(|name| backup(name, BackupState::Compared, None)),
        );
        let after = vec![Expectation::Stopped {
            services: services(),
        }];
        self.down(
            Act::Stop {
                services: services(),
            },
            before,
            after,
        )
    }

    fn version_of(&self, name: &DatastoreName) -> String {
        let access = &self.plan.datastores[name].location.access;
        let of_server = self.engine.clone().filter(|_| *access != Access::Local);
        of_server.unwrap_or_else(|| "15".to_owned())
    }

    fn is_shadowed(&self, name: &DatastoreName) -> bool {
        self.plan.datastores[name].method == BackupMethod::Shadow
    }

    /// Seals a backup.
    #[must_use]
    pub fn seal(self, datastore: &str) -> Self {
        let datastore = DatastoreName::from(datastore);
        let (from, to) = if self.is_shadowed(&datastore) {
            (BackupState::Compared, BackupState::Proven)
        } else {
            (BackupState::Prepared, BackupState::Sealed)
        };
        let before = vec![
            stopped(),
            Expectation::Reachable {
                datastore: datastore.clone(),
            },
            no_writers(&datastore),
            backup(&datastore, from, None),
        ];
        let after = vec![
            backup(&datastore, to, None),
            Expectation::Reachable {
                datastore: datastore.clone(),
            },
        ];
        self.down(Act::Seal { datastore }, before, after)
    }

    /// Proves a backup.
    #[must_use]
    pub fn prove(self, datastore: &str) -> Self {
        let datastore = DatastoreName::from(datastore);
        let before = vec![backup(&datastore, BackupState::Sealed, None)];
        let after = vec![backup(&datastore, BackupState::Proven, None)];
        self.down(Act::Prove { datastore }, before, after)
    }

    /// Writes a version into the file.
    #[must_use]
    pub fn set(mut self, to: &str) -> Self {
        let from = std::mem::replace(&mut self.named, to.to_owned());
        let from = from.as_str();
        let (before, after) = (self.text(from), self.text(to));
        let text = String::from_utf8(before.clone()).expect("the file is text");
        let (offset, old, new) = if self.packaged {
            (0, host::set(from), host::set(to))
        } else {
            let offset = text.find(from).expect("the file names the version");
            (offset, from.to_owned(), to.to_owned())
        };
        let edit = FileEdit {
            path: self.place().to_owned(),
            offset,
            old,
            new,
            before: Digest::of(&before),
            after: Digest::of(&after),
        };
        let digest = |text: &[u8]| Expectation::File {
            path: self.place().to_owned(),
            digest: Digest::of(text),
        };
        let (before, after) = (vec![digest(&before)], vec![digest(&after)]);
        let act = Act::Set {
            edits: vec![edit],
            from: from.into(),
            to: to.into(),
        };
        self.down(act, before, after)
    }

    /// The file that names the version.
    fn place(&self) -> &'static str {
        if self.packaged { host::RECORD } else { FILE }
    }

    fn text(&self, version: &str) -> Vec<u8> {
        match &self.engine {
            Some(engine) => file_with_server(version, engine),
            None if self.packaged => host::set(version).into_bytes(),
            None => file(version),
        }
    }

    /// Runs a migration; one that may not simply be repeated restores its datastore first, and repeats
    /// what else ran since the backup.
    #[must_use]
    pub fn migrate(
        mut self,
        migration: &str,
        version: &str,
        datastore: &str,
        repeatable: bool,
    ) -> Self {
        let datastore = DatastoreName::from(datastore);
        let mut before = vec![
            stopped(),
            no_writers(&datastore),
            Expectation::ImageHere {
                image: image(version),
            },
            self.file_names(),
        ];
        before.extend(self.all_proven());
        let after = vec![Expectation::Migrated {
            migration: MigrationId::from(migration),
            version: Version::from(version),
        }];
        let act = Act::Migrate {
            migration: MigrationId::from(migration),
            version: Version::from(version),
            image: image(version),
            service: SERVICE.into(),
            run: vec![migration.to_owned(), "migrate".to_owned()],
            datastore: datastore.clone(),
            demanded_by: vec![Version::from(version)],
        };
        let key = (self.stage.round, datastore.clone());
        let earlier = self.migrated.entry(key).or_default();
        let redo = earlier.clone();
        earlier.push(StepNumber(self.next));
        self = self.down(act, before, after);
        if let Some(step) = self.stage.steps.last_mut() {
            step.way_back = WayBack::Restore {
                datastores: vec![datastore.clone()],
                seconds: 1,
                by_hand: None,
            };
            if !repeatable {
                step.interrupted = Interrupted::RestoreFirst {
                    datastore,
                    redo,
                    because: "it marks a migration as done before running it".to_owned(),
                };
            }
        }
        self
    }

    /// Waits for a person: while everything is kept and down, or before anything of the stage is begun.
    #[must_use]
    pub fn by_hand(self, work: &str, done: DoneWhen) -> Self {
        let down = self.stage.steps.iter().any(|step| step.downtime);
        let mut before = vec![self.file_names()];
        if down {
            before.push(stopped());
            before.extend(self.all_proven());
        }
        let after = vec![Expectation::DoneByHand {
            work: work.to_owned(),
            done: done.clone(),
        }];
        let act = Act::HandWork {
            work: HandWork {
                id: work.to_owned(),
                steps: vec![format!("do {work}")],
                done,
                source: "hand-made".to_owned(),
                back: None,
            },
        };
        if down {
            self.down(act, before, after)
        } else {
            self.step(act, before, after)
        }
    }

    /// Starts the service.
    #[must_use]
    pub fn start(self, version: &str) -> Self {
        let mut before = vec![self.file_names()];
        before.extend(self.all_proven());
        let after = vec![
            Expectation::Running {
                services: services(),
            },
            Expectation::Runs {
                service: SERVICE.into(),
                image: image(version),
            },
        ];
        let act = Act::Start {
            services: services(),
            images: [(SERVICE.into(), image(version))].into(),
        };
        self.down(act, before, after)
    }

    /// Looks from outside and compares counts.
    #[must_use]
    pub fn verify(self, version: &str) -> Self {
        let mut checks = vec![
            Check::Health {
                service: SERVICE.into(),
                port: 1885,
                url: None,
                path: "/healthz".to_owned(),
            },
            stable(version),
        ];
        checks.extend(self.plan.datastores.keys().map(|datastore| Check::Counts {
            datastore: datastore.clone(),
            run: None,
            exact: false,
        }));
        self.step(Act::Verify { checks }, vec![], vec![])
    }

    /// The plan with its id.
    pub fn seal_plan(self) -> Plan {
        let mut plan = self.stage(StageKind::Preparation, 1).plan;
        plan.stages.retain(|stage| !stage.steps.is_empty());
        plan.seal()
    }

    /// The file names the version that the plan has written by then.
    fn file_names(&self) -> Expectation {
        Expectation::File {
            path: self.place().to_owned(),
            digest: Digest::of(self.text(&self.named)),
        }
    }

    fn all_proven(&self) -> Vec<Expectation> {
        let names = self.plan.datastores.keys();
        names
            .map(|name| backup(name, BackupState::Proven, None))
            .collect()
    }

    fn step(mut self, act: Act, before: Vec<Expectation>, after: Vec<Expectation>) -> Self {
        let way_back = match act {
            Act::Fetch { .. } | Act::Prepare { .. } => WayBack::NotNeeded,
            _ => WayBack::Instant,
        };
        self.stage.steps.push(Step {
            number: StepNumber(self.next),
            act,
            before,
            after,
            interrupted: Interrupted::Repeat,
            way_back,
            downtime: false,
            because: None,
        });
        self.next += 1;
        self
    }

    fn down(self, act: Act, before: Vec<Expectation>, after: Vec<Expectation>) -> Self {
        let mut built = self.step(act, before, after);
        if let Some(step) = built.stage.steps.last_mut() {
            step.downtime = true;
        }
        built
    }
}

/// A plan with one step, for calls that need a plan and no more.
pub fn smallest() -> Plan {
    PlanBuilder::new("1.0.0", "1.1.0", &[])
        .fetch("1.1.0")
        .seal_plan()
}
