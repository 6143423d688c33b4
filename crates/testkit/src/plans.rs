//! Plans written by hand, small enough to read: what a planner makes for the
//! simulated deployment, without a planner.

use std::collections::BTreeMap;

use switchback_model::observed::{Access, DatastoreLocation, Deployment, ImagePin};
use switchback_model::plan::{
    Act, BackupMethod, BackupState, Check, DatastorePlan, EngineChange, Expectation, FORMAT,
    FileEdit, Forecast, Interrupted, Origin, Plan, Purpose, Stage, StageKind, Step, WayBack,
};
use switchback_model::product::{Advice, DatastoreKind};
use switchback_model::{
    DatastoreName, Digest, MigrationId, PlanId, RunId, ServiceName, StepNumber, Version,
};

use crate::packages;

/// The file that names the version.
pub const FILE: &str = "/srv/lab/compose.yml";
/// The service that runs the server of a datastore, where it has one of its own.
pub const SERVER: &str = "postgres";
/// The service that is upgraded.
pub const SERVICE: &str = "stack";

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

/// The one deployment that is simulated.
pub fn deployment() -> Deployment {
    Deployment {
        name: "lab".to_owned(),
        directory: "/srv/lab".to_owned(),
        driver: "simulated".to_owned(),
        project: "lab".to_owned(),
    }
}

/// The image of a version.
pub fn image(version: &str) -> ImagePin {
    ImagePin {
        reference: format!("example/stack:{version}"),
        id: Some(format!("sha256:{}", Digest::of(version))),
        digest: None,
    }
}

/// The file as it names a version.
pub fn file(version: &str) -> Vec<u8> {
    format!("services:\n  stack:\n    image: example/stack:{version} # pinned\n").into_bytes()
}

/// The image of a server.
pub fn server_image(version: &str) -> ImagePin {
    ImagePin {
        reference: format!("{SERVER}:{version}"),
        id: Some(format!(
            "sha256:{}",
            Digest::of(format!("{SERVER} {version}"))
        )),
        digest: None,
    }
}

/// The file as it names a version, and that of a server.
pub fn file_with_server(version: &str, engine: &str) -> Vec<u8> {
    let server = format!("  {SERVER}:\n    image: {SERVER}:{engine}\n");
    [file(version), server.into_bytes()].concat()
}

/// The services that are upgraded.
pub fn services() -> Vec<ServiceName> {
    vec![SERVICE.into()]
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

    /// Fetches the image of a server.
    #[must_use]
    pub fn fetch_server(self, version: &str) -> Self {
        let image = server_image(version);
        let here = Expectation::ImageHere {
            image: image.clone(),
        };
        self.step(Act::Fetch { image }, vec![], vec![here])
    }

    /// Tries another version of a server.
    #[must_use]
    pub fn fits(self, datastore: &str, to: &str) -> Self {
        let checks = vec![Check::Fits {
            datastore: datastore.into(),
            engine: change(to),
        }];
        self.step(Act::Verify { checks }, vec![], vec![])
    }

    /// Builds what another version of a server will run on.
    #[must_use]
    pub fn carry(self, datastore: &str, to: &str) -> Self {
        let (datastore, engine) = (DatastoreName::from(datastore), change(to));
        let mut before = vec![
            stopped(),
            no_writers(&datastore),
            Expectation::ImageHere {
                image: engine.image.clone(),
            },
            Expectation::Engine {
                datastore: datastore.clone(),
                version: engine.from.clone(),
            },
            self.file_names(),
        ];
        before.extend(self.all_proven());
        let after = vec![carried(&datastore, to)];
        self.down(Act::Carry { datastore, engine }, before, after)
    }

    /// Writes the version of a server into the file.
    #[must_use]
    pub fn set_server(mut self, to: &str) -> Self {
        let from = self.engine.replace(to.to_owned()).expect("it has a server");
        let text = file_with_server(&self.named, &from);
        let found = String::from_utf8(text.clone()).expect("the file is text");
        let named = format!("{SERVER}:{from}");
        let after = file_with_server(&self.named, to);
        let edit = FileEdit {
            path: FILE.to_owned(),
            offset: found.find(&named).expect("the file names the server") + SERVER.len() + 1,
            old: from.clone(),
            new: to.to_owned(),
            before: Digest::of(&text),
            after: Digest::of(&after),
        };
        let digest = |text: &[u8]| Expectation::File {
            path: FILE.to_owned(),
            digest: Digest::of(text),
        };
        let act = Act::Set {
            edits: vec![edit],
            from: from.as_str().into(),
            to: to.into(),
        };
        self.down(act, vec![digest(&text)], vec![digest(&after)])
    }

    /// Exchanges what a server runs on.
    #[must_use]
    pub fn exchange(self, datastore: &str, to: &str) -> Self {
        let (datastore, engine) = (DatastoreName::from(datastore), change(to));
        let mut before = vec![
            stopped(),
            no_writers(&datastore),
            carried(&datastore, to),
            self.file_names(),
        ];
        before.extend(self.all_proven());
        let after = vec![
            Expectation::Engine {
                datastore: datastore.clone(),
                version: to.to_owned(),
            },
            Expectation::Runs {
                service: SERVER.into(),
                image: engine.image.clone(),
            },
        ];
        self.down(Act::Exchange { datastore, engine }, before, after)
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
            (0, packages::set(from), packages::set(to))
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
        if self.packaged {
            packages::RECORD
        } else {
            FILE
        }
    }

    fn text(&self, version: &str) -> Vec<u8> {
        match &self.engine {
            Some(engine) => file_with_server(version, engine),
            None if self.packaged => packages::set(version).into_bytes(),
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

fn change(to: &str) -> EngineChange {
    EngineChange {
        service: SERVER.into(),
        from: "15".to_owned(),
        to: to.to_owned(),
        was: server_image("15"),
        image: server_image(to),
    }
}

fn carried(datastore: &DatastoreName, version: &str) -> Expectation {
    Expectation::Carried {
        datastore: datastore.clone(),
        version: version.to_owned(),
    }
}

fn stage(kind: StageKind, round: u32) -> Stage {
    Stage {
        kind,
        required_by: Vec::new(),
        round,
        steps: Vec::new(),
    }
}

fn stable(version: &str) -> Check {
    Check::Stable {
        images: [(SERVICE.into(), image(version))].into(),
    }
}

fn stopped() -> Expectation {
    Expectation::Stopped {
        services: services(),
    }
}

fn no_writers(datastore: &DatastoreName) -> Expectation {
    Expectation::NoWriters {
        datastore: datastore.clone(),
    }
}

fn backup(datastore: &DatastoreName, state: BackupState, run: Option<&RunId>) -> Expectation {
    Expectation::Backup {
        datastore: datastore.clone(),
        state,
        run: run.cloned(),
    }
}

/// A datastore of the simulated deployment, kept by a dump.
pub fn datastore_plan() -> DatastorePlan {
    DatastorePlan {
        location: DatastoreLocation {
            kind: DatastoreKind::Postgres,
            access: Access::Local,
            host: None,
            port: None,
            database: None,
            user: None,
            password: None,
            directory: None,
            server_directory: None,
            options: std::collections::BTreeMap::new(),
        },
        method: BackupMethod::Dump,
        kept_with: None,
        because: "simulated".to_owned(),
        max_rate: None,
        size: None,
        engine: Some("15".to_owned()),
        volatile: vec!["sessions".to_owned()],
        deleted: vec!["contact_infos".to_owned()],
    }
}

/// A plan with one step, for calls that need a plan and no more.
pub fn smallest() -> Plan {
    PlanBuilder::new("1.0.0", "1.1.0", &[])
        .fetch("1.1.0")
        .seal_plan()
}

/// Counts of collections, for worlds.
pub fn rows(counts: &[(&str, u64)]) -> BTreeMap<String, (u64, u64)> {
    counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), (*count, 0)))
        .collect()
}
