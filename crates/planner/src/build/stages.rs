//! The sequence: which steps, in which order, in which stage.
//!
//! ```text
//! preparation   fetch every image · try other servers ·
//!               prepare every datastore · compare every shadow         service up
//! engines       stop · seal · prove · carry over · set · exchange ·
//!               start · look from outside                              only where servers change
//! first leg     stop · seal every · prove every dump · …               service down from here
//! a leg         migrate …                                              with the image of its stop
//! a leg that    set every place · migrate … · start · look from
//!   runs        outside · compare counts                               service up again
//! next leg      all of the backups anew (round 2), for writers were active meanwhile
//!
//! What people do comes where the definition wants it, see [`super::hand_work`].
//! ```

use std::collections::BTreeMap;

use switchback_model::observed::ImagePin;
use switchback_model::plan::{
    Act, BackupState, Check, EngineChange, Expectation, Interrupted, Stage, StageKind, Step,
};
use switchback_model::product::Moment;
use switchback_model::{DatastoreName, Digest, Problem, ServiceName, StepNumber, Version};

use super::cast::Cast;
use super::guards;
use super::images;
use super::input::Input;
use super::keeping::Keeping;
use super::route::Leg;
use super::verification;
use super::wayback::Changed;
use crate::draft::Draft;

/// Composes the steps of a plan in order, and knows what each one leaves behind.
pub(crate) struct Composer<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) cast: &'a Cast<'a>,
    pub(super) keeping: &'a Keeping,
    /// The services that are stopped and started, in order.
    pub(super) services: Vec<ServiceName>,
    /// Those of them that run while nothing is stopped: a version may be without some.
    pub(super) running: Vec<ServiceName>,
    /// Digests of the configuration's files, as the steps so far leave them.
    pub(super) files: BTreeMap<String, Digest>,
    /// What the services were last made from.
    pub(super) images: BTreeMap<ServiceName, ImagePin>,
    pub(super) changed: Changed,
    /// Servers that become another version, by the first datastore in them.
    pub(super) engines: Vec<(DatastoreName, EngineChange)>,
    /// Versions of the servers, as the steps so far leave them.
    pub(super) versions: BTreeMap<DatastoreName, String>,
    /// The same, as they were when this round was begun.
    pub(super) versions_at_stop: BTreeMap<DatastoreName, String>,
    /// Migrations since the backups of this round were sealed, by the datastore that keeps the data.
    pub(super) since_seal: BTreeMap<DatastoreName, Vec<StepNumber>>,
    down: bool,
    next: u32,
}

impl<'a> Composer<'a> {
    pub(crate) fn new(
        input: &'a Input<'a>,
        cast: &'a Cast<'a>,
        keeping: &'a Keeping,
        engines: Vec<(DatastoreName, EngineChange)>,
    ) -> Self {
        let files = input
            .observed
            .files
            .iter()
            .map(|file| (file.path.clone(), file.digest.clone()))
            .collect();
        Self {
            input,
            cast,
            keeping,
            services: cast.names(),
            running: cast.names(),
            files,
            images: cast.present_images(),
            changed: Changed::default(),
            since_seal: BTreeMap::new(),
            engines,
            versions: keeping.versions(),
            versions_at_stop: keeping.versions(),
            down: false,
            next: 0,
        }
    }

    /// The stages of a plan along `legs`; the last of them runs. There may be none where servers change.
    pub(crate) fn stages(mut self, legs: &[Leg<'_>]) -> Result<Vec<Stage>, Problem> {
        let mut stages = vec![self.preparation(legs)?];
        stages.extend(self.servers(legs.is_empty())?);
        let first = stages.len();
        let mut round = 1;
        for (place, leg) in legs.iter().enumerate() {
            let mut steps = Vec::new();
            if !self.down {
                if place > 0 || first > 1 {
                    round += 1;
                    self.begin_round();
                    steps.extend(self.between_stages(legs, place));
                    steps.extend(self.prepare());
                    steps.extend(self.compare());
                }
                steps.push(self.stop());
                steps.extend(self.seal());
                steps.extend(self.prove());
            }
            steps.extend(self.at(leg, Moment::Stopped));
            if leg.runs {
                steps.extend(self.set(leg));
            }
            for (behind, migration) in leg.migrations.iter().enumerate() {
                steps.extend(self.before_migration(leg, behind));
                if !self.keeping.plans().contains_key(migration.datastore) {
                    continue;
                }
                steps.push(self.migrate(leg, migration)?);
            }
            steps.extend(self.before_migration(leg, leg.migrations.len()));
            if leg.runs {
                self.changed.arrived = place + 1 == legs.len();
                let images = images::at(self.input, self.cast, leg.to)?;
                steps.push(self.start(images));
                steps.extend(self.verify(leg.to));
            }
            stages.push(Stage {
                kind: kind(leg),
                required_by: leg.required_by.to_vec(),
                round,
                steps,
            });
        }
        Ok(stages)
    }

    fn preparation(&mut self, legs: &[Leg<'_>]) -> Result<Stage, Problem> {
        let mut steps = self.fetch_servers()?;
        for (version, image) in images::to_fetch(self.input, self.cast, legs)? {
            let because = format!("{version} is fetched while the service is up");
            steps.push(self.fetch(image, because));
        }
        steps.extend(self.fit());
        steps.extend(self.prepare());
        steps.extend(self.compare());
        Ok(Stage {
            kind: StageKind::Preparation,
            required_by: Vec::new(),
            round: 1,
            steps,
        })
    }

    pub(super) fn fetch(&mut self, image: ImagePin, because: String) -> Step {
        self.step(Draft {
            after: vec![Expectation::ImageHere {
                image: image.clone(),
            }],
            act: Act::Fetch { image },
            before: Vec::new(),
            interrupted: Interrupted::Repeat,
            because: Some(because),
        })
    }

    /// The product ran at a stop: what was sealed before no longer holds everything.
    fn begin_round(&mut self) {
        self.changed = Changed::default();
        self.since_seal.clear();
        self.versions_at_stop.clone_from(&self.versions);
    }

    pub(super) fn start(&mut self, images: BTreeMap<ServiceName, ImagePin>) -> Step {
        let mut before = guards::files(&self.files);
        before.extend(guards::images_here(&images));
        before.extend(self.proven());
        let mut after = guards::made_from(&images);
        let at_version = |service: &&ServiceName| images.contains_key(*service);
        self.running = self.services.iter().filter(at_version).cloned().collect();
        after.push(guards::running(&self.running));
        self.changed.written = true;
        let step = self.step(Draft {
            act: Act::Start {
                services: self.running.clone(),
                images: images.clone(),
            },
            before,
            after,
            interrupted: Interrupted::Repeat,
            because: None,
        });
        self.images = images;
        self.down = false;
        step
    }

    /// Two looks: the first tells whether users are served again, the second compares what the
    /// datastores hold, which takes longer the more it is.
    pub(super) fn verify(&mut self, version: &Version) -> Vec<Step> {
        let looks = verification::from_outside(self.input, self.cast, version, &self.images);
        let counts: Vec<Check> = self
            .keeping
            .backed_up()
            .map(|datastore| Check::Counts {
                datastore: datastore.clone(),
                run: None,
                exact: false,
            })
            .collect();
        let mut steps = Vec::new();
        self.down = true;
        steps.push(self.look(looks, None));
        self.down = false;
        if !counts.is_empty() {
            let because = "nothing may be fewer than in the backup but what the plan names";
            steps.push(self.look(counts, Some(because.to_owned())));
        }
        steps
    }

    fn look(&mut self, checks: Vec<Check>, because: Option<String>) -> Step {
        let before = guards::made_from(&self.images);
        self.step(Draft {
            act: Act::Verify { checks },
            before,
            after: Vec::new(),
            interrupted: Interrupted::Repeat,
            because,
        })
    }

    pub(super) fn stop(&mut self) -> Step {
        let mut before = guards::made_from(&self.images);
        before.extend(guards::files(&self.files));
        for name in self.keeping.all() {
            let engine = self.versions.get(name);
            // Where neither a server answered nor a place was found, nothing could be asked.
            if engine.is_some() || self.keeping.keeper(name).is_some() {
                before.push(guards::reachable(name));
            }
            before.extend(engine.map(|version| guards::engine(name, version)));
        }
        // What follows until the seal must follow still, or the service stops for nothing.
        for name in self.keeping.shadowed() {
            before.push(guards::backup(name, BackupState::Compared, None));
        }
        self.down = true;
        self.changed.anything = true;
        self.step(Draft {
            act: Act::Stop {
                services: self.services.clone(),
            },
            before,
            after: vec![guards::stopped(&self.services)],
            interrupted: Interrupted::Repeat,
            because: Some("no writer may be left while backups are completed".to_owned()),
        })
    }

    pub(super) fn step(&mut self, draft: Draft) -> Step {
        self.next += 1;
        draft.at(self.next, self.changed.way_back(self.keeping), self.down)
    }

    /// True where the services are stopped by then.
    pub(super) fn is_down(&self) -> bool {
        self.down
    }

    /// The number that the next step gets.
    pub(super) fn next_number(&self) -> StepNumber {
        StepNumber(self.next + 1)
    }
}

fn kind(leg: &Leg<'_>) -> StageKind {
    let to: Version = leg.to.clone();
    if leg.runs {
        StageKind::Run { to }
    } else {
        StageKind::Migrate { to }
    }
}
