//! The walk through a plan's steps: each act has its rules.

use switchback_model::plan::{
    Act, BackupState, Check, Expectation, Interrupted, Plan, Purpose, Stage, StageKind, Step,
    WayBack,
};
use switchback_model::{DatastoreName, ServiceName};

use super::content;
use super::copies;
use super::objection::{Objection, Objections};
use super::recoveries;
use super::shape;
use super::stacks;
use super::world::World;

/// Everything that is wrong with a plan; empty where it may be executed.
pub fn check(plan: &Plan) -> Vec<Objection> {
    let mut found = Objections::default();
    shape::check(plan, &mut found);
    if let Purpose::RollOver(content) = &plan.purpose {
        content::check(plan, content, &mut found);
        return found.0;
    }
    if matches!(plan.purpose, Purpose::Rehearsal { .. }) {
        copies::check(plan, &mut found);
        return found.0;
    }
    if matches!(plan.purpose, Purpose::Recovery { .. }) {
        recoveries::check(plan, &mut found);
        return found.0;
    }
    if plan.account.is_some() {
        stacks::check(plan, &mut found);
        return found.0;
    }
    let mut world = World::before(plan);
    for (stage, step) in plan.steps() {
        Walk {
            world: &mut world,
            found: &mut found,
            stage,
            step,
        }
        .look();
    }
    for name in world.restored.difference(&world.released) {
        found.plan(
            "never-released",
            format!("what the restore of `{name}` moves aside is never removed"),
        );
    }
    found.0
}

pub(super) struct Walk<'w, 'p> {
    pub(super) world: &'w mut World<'p>,
    pub(super) found: &'w mut Objections,
    pub(super) stage: &'p Stage,
    pub(super) step: &'p Step,
}

impl<'p> Walk<'_, 'p> {
    fn look(&mut self) {
        self.every_step();
        self.after_rungs();
        let step = self.step;
        match &step.act {
            Act::Fetch { image } => {
                self.needs_after(&Expectation::ImageHere {
                    image: image.clone(),
                });
                self.world.fetched.insert(image);
            }
            Act::Prepare { datastore } => self.backup(datastore, None, BackupState::Prepared),
            Act::Stop { services } => self.stop(services),
            Act::Seal { datastore } => self.seal(datastore),
            Act::Prove { datastore } => self.prove(datastore),
            Act::Set { .. } => self.set(),
            Act::Migrate { .. } => self.migrate(),
            Act::Carry { datastore, engine } => self.carry(datastore, engine),
            Act::Exchange { datastore, engine } => self.exchange(datastore, engine),
            Act::PutBack {
                datastore,
                engine,
                run,
            } => self.put_back(datastore, engine, run),
            Act::Start { .. } => self.start(),
            Act::HandWork { work } => self.hand_work(work),
            Act::Verify { checks } => self.verify(checks),
            Act::Restore { datastore, run } => self.restore(datastore, run),
            Act::Release { datastore, run } => self.release(datastore, run),
            Act::Bring { .. } => self.object("content", "only a roll-over brings content"),
            Act::Snapshot { .. }
            | Act::Recall { .. }
            | Act::Rewind { .. }
            | Act::Update { .. }
            | Act::TakeBack { .. }
            | Act::Remove { .. }
            | Act::Terminate { .. }
            | Act::Renew { .. }
            | Act::EndRefresh { .. } => {
                self.object(
                    "infrastructure",
                    "only a plan for an account changes stacks",
                );
            }
        }
    }

    pub(super) fn object(&mut self, rule: &str, text: impl Into<String>) {
        self.found.step(self.step.number, rule, text);
    }

    fn every_step(&mut self) {
        let step = self.step;
        if step.after.is_empty() && !matches!(step.act, Act::Verify { .. }) {
            self.object("no-verification", "nothing tells when it is done");
        }
        if !matches!(step.act, Act::Migrate { .. }) && step.interrupted != Interrupted::Repeat {
            self.object("interrupted", "only a migration may not be repeatable");
        }
        if !matches!(step.act, Act::Release { .. }) && !self.world.released.is_empty() {
            self.object("after-release", "it comes after the first release");
        }
        for expected in &step.before {
            if let Expectation::File { path, digest } = expected
                && self
                    .world
                    .files
                    .get(path.as_str())
                    .is_some_and(|known| *known != digest)
            {
                self.object(
                    "file-guard",
                    format!("it expects `{path}` as it will not be by then"),
                );
            }
        }
        let interrupted_service = !self.world.stopped.is_empty();
        if interrupted_service && !step.downtime && !matches!(step.act, Act::Verify { .. }) {
            self.object(
                "downtime",
                "it is said to cost no downtime, and services are stopped",
            );
        }
        let harmless = match &step.act {
            Act::Fetch { .. } | Act::Prepare { .. } => true,
            Act::Verify { checks } => checks.iter().all(|look| matches!(look, Check::Fits { .. })),
            Act::Prove { datastore } => self.world.is_shadowed(datastore),
            _ => false,
        };
        if self.stage.kind == StageKind::Preparation && !harmless {
            self.object("preparation", "it does not belong where the service is up");
        }
    }

    fn stop(&mut self, services: &'p [ServiceName]) {
        self.needs_after(&Expectation::Stopped {
            services: services.to_vec(),
        });
        if self.world.plan.purpose == Purpose::Upgrade {
            self.shadows_follow();
        }
        self.world.stopped.extend(services);
    }

    fn set(&mut self) {
        let step = self.step;
        let Act::Set { edits, to, .. } = &step.act else {
            return;
        };
        if edits.is_empty() {
            self.object("edit", "it edits nothing");
        }
        if !self.sets_a_server(to) {
            self.belongs_to_stage(to);
        }
        for edit in edits {
            let known = self.world.files.get(edit.path.as_str()).copied();
            if known.is_some_and(|known| *known != edit.before) {
                self.object(
                    "edit",
                    format!("`{}` will not be as the edit expects it", edit.path),
                );
            }
            if edit.old == edit.new || edit.before == edit.after {
                self.object("edit", format!("it changes nothing in `{}`", edit.path));
            }
            self.world.files.insert(&edit.path, &edit.after);
        }
        if let (Some(first), Some(last)) = (edits.first(), edits.last()) {
            self.needs_before(&Expectation::File {
                path: first.path.clone(),
                digest: first.before.clone(),
            });
            self.needs_after(&Expectation::File {
                path: last.path.clone(),
                digest: last.after.clone(),
            });
        }
        if !self.world.is_down() {
            self.object(
                "set-while-running",
                "a restart would bring the new version up unprepared",
            );
        }
    }

    fn migrate(&mut self) {
        let step = self.step;
        let Act::Migrate {
            migration,
            version,
            image,
            datastore,
            ..
        } = &step.act
        else {
            return;
        };
        if self.world.plan.purpose != Purpose::Upgrade {
            self.object(
                "migration-in-way-back",
                "a way back restores, it never migrates",
            );
        }
        self.belongs_to_stage(version);
        if !self.world.is_down() {
            self.object(
                "migration-while-running",
                format!("`{migration}` runs while services can write"),
            );
        }
        self.all_proven("migration-before-proof");
        self.needs_stopped();
        self.needs_before(&Expectation::NoWriters {
            datastore: datastore.clone(),
        });
        self.needs_before(&Expectation::ImageHere {
            image: image.clone(),
        });
        if !self.world.fetched.contains(image) {
            self.object(
                "image-not-fetched",
                format!("`{}` was not fetched before", image.reference),
            );
        }
        self.needs_after(&Expectation::Migrated {
            migration: migration.clone(),
            version: version.clone(),
        });
        self.needs_files();
        self.interrupted(datastore);
        if !self.world.run.insert((migration, version)) {
            self.object(
                "repeated",
                format!("`{migration}` of {version} runs a second time"),
            );
        }
        if matches!(step.way_back, WayBack::NotNeeded | WayBack::Instant) {
            self.object(
                "way-back",
                "it changes data, and its way back restores none",
            );
        }
    }

    fn interrupted(&mut self, datastore: &'p DatastoreName) {
        let keeper = self.world.keeper(datastore);
        let earlier = keeper
            .and_then(|keeper| self.world.migrated.get(&(self.stage.round, keeper)))
            .cloned()
            .unwrap_or_default();
        match (&self.step.interrupted, keeper) {
            (Interrupted::Repeat, _) => {}
            (Interrupted::Halt { .. }, None) => {}
            (Interrupted::Halt { .. }, Some(keeper)) => self.object(
                "interrupted",
                format!("it gives up where the backup of `{keeper}` would help"),
            ),
            (Interrupted::RestoreFirst { datastore, .. }, keeper) if keeper != Some(datastore) => {
                self.object(
                    "interrupted",
                    format!("the backup of `{datastore}` does not hold what it changes"),
                );
            }
            (Interrupted::RestoreFirst { redo, .. }, _) => {
                if *redo != earlier {
                    self.object(
                        "interrupted",
                        "the restore takes away earlier migrations that are not run anew",
                    );
                }
            }
        }
        if let Some(keeper) = keeper {
            let key = (self.stage.round, keeper);
            let number = self.step.number;
            self.world.migrated.entry(key).or_default().push(number);
        }
    }

    fn start(&mut self) {
        let step = self.step;
        let Act::Start { services, images } = &step.act else {
            return;
        };
        let upgrade = self.world.plan.purpose == Purpose::Upgrade;
        if upgrade {
            self.all_proven("start-before-proof");
            if !self.world.is_down() {
                self.object(
                    "start-while-running",
                    "services of the old version still run",
                );
            }
        }
        for (service, image) in images {
            self.needs_after(&Expectation::Runs {
                service: service.clone(),
                image: image.clone(),
            });
            if !self.world.fetched.contains(image) {
                self.object(
                    "image-not-fetched",
                    format!("`{}` was not fetched before", image.reference),
                );
            }
        }
        self.needs_files();
        if services.iter().any(|service| !images.contains_key(service)) {
            self.object(
                "start-image",
                "a service is started with whatever image there is",
            );
        }
        self.needs_after(&Expectation::Running {
            services: services.clone(),
        });
        for name in self.world.restored.clone() {
            // A shadow was compared before and its seal and its exchange are told by position.
            let told = self.world.is_shadowed(name) && !self.world.put_back.contains(name);
            if !self.world.counted.contains(name) && !told {
                self.object(
                    "restored-not-counted",
                    format!("`{name}` was restored and not compared before the start"),
                );
            }
        }
        for name in std::mem::take(&mut self.world.carried).into_keys() {
            self.object(
                "carried-unused",
                format!("`{name}` was carried over and not exchanged before the start"),
            );
        }
        self.world.stopped.clear();
        self.world.started = true;
        self.world.looked_since_start = false;
    }

    fn verify(&mut self, checks: &'p [Check]) {
        if checks.is_empty() {
            self.object("empty-look", "it looks at nothing");
        }
        for look in checks {
            match look {
                Check::Counts {
                    datastore, exact, ..
                } => {
                    if *exact && self.world.started && !self.world.is_down() {
                        self.object(
                            "exact-after-start",
                            "contents cannot be equal once the service runs",
                        );
                    }
                    self.world.counted.insert(datastore);
                }
                Check::Fits { datastore, .. } => {
                    self.world.fitting.insert(datastore);
                }
                Check::Content => self.object("content", "only a roll-over compares content"),
                Check::Machine { .. } | Check::AsTemplate { .. } => {
                    self.object(
                        "infrastructure",
                        "only a plan for an account has machines and stacks",
                    );
                }
                Check::Stable { .. } | Check::Health { .. } | Check::WritePath { .. } => {
                    self.world.looked_since_start = true;
                }
            }
        }
    }
}
