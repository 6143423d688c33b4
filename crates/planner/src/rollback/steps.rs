//! The steps of a way back.
//!
//! Its guards hold in every state in which a run may have been left: services stopped or not,
//! files edited or not, a datastore restored or not.
//!
//! ```text
//! preparation   fetch the images of the version before
//! return        stop · wait for servers that people put back · restore what may have changed · set the version back ·
//!               put servers back ·
//!               compare what came back, all equal
//!               start · look from outside, and count what was too large to compare · release what the restores moved aside
//! ```

use std::collections::BTreeMap;

use switchback_model::plan::{
    Act, BackupMethod, BackupState, Check, Expectation, FileEdit, Plan, Stage, StageKind, Step,
    WayBack,
};
use switchback_model::{DatastoreName, Digest, RunId, ServiceName, Version};

use super::taken_back::{Base, Changes};
use crate::build::costs;
use crate::draft::Draft;

/// Seconds that reading a shadow which came back may add to the downtime.
const READ_WHILE_STOPPED: u64 = 1;

/// Composes the stages of a way back.
pub(super) struct Composer<'a> {
    pub(super) plan: &'a Plan,
    pub(super) run: &'a RunId,
    pub(super) base: &'a Base,
    pub(super) changes: &'a Changes,
    /// Digests of the files as they were when the stretch began.
    pub(super) files: &'a BTreeMap<String, Digest>,
    pub(super) round: u32,
    pub(super) next: u32,
    pub(super) down: bool,
}

impl Composer<'_> {
    pub(super) fn stages(mut self) -> Vec<Stage> {
        let mut stages = Vec::new();
        let fetches = self.fetch();
        if !fetches.is_empty() {
            stages.push(self.stage(StageKind::Preparation, fetches));
        }
        let mut steps = Vec::new();
        if self.changes.started
            || !self.changes.by_hand.is_empty()
            || !self.changes.restore.is_empty()
            || !self.changes.edits.is_empty()
            || !self.changes.put_back.is_empty()
        {
            steps.push(self.stop());
        }
        steps.extend(self.servers_by_hand());
        steps.extend(self.restore());
        steps.extend(self.set());
        steps.extend(self.put_back());
        steps.extend(self.compare());
        if self.changes.stopped {
            steps.push(self.start());
        }
        steps.push(self.look());
        steps.extend(self.release());
        let to = self.base.version.clone();
        stages.push(self.stage(StageKind::Return { to }, steps));
        stages
    }

    fn fetch(&mut self) -> Vec<Step> {
        if !self.changes.stopped {
            return Vec::new();
        }
        let servers = self.changes.put_back.iter().map(|(_, engine)| &engine.was);
        let mut images: Vec<_> = self.base.images.values().chain(servers).cloned().collect();
        images.sort();
        images.dedup();
        images
            .into_iter()
            .map(|image| {
                let here = Expectation::ImageHere {
                    image: image.clone(),
                };
                self.step(Act::Fetch { image }, Vec::new(), vec![here], None)
            })
            .collect()
    }

    fn stop(&mut self) -> Step {
        // Whatever runs of this product now is stopped, also what only one of both versions has.
        let services = self.services();
        self.down = true;
        let after = vec![Expectation::Stopped {
            services: services.clone(),
        }];
        self.step(Act::Stop { services }, Vec::new(), after, None)
    }

    /// What is put back on an empty directory is put back only where everything is kept.
    fn servers_by_hand(&mut self) -> Vec<Step> {
        let mut before = vec![Expectation::Stopped {
            services: self.services(),
        }];
        before.extend(
            self.changes
                .restore
                .iter()
                .map(|datastore| self.kept(datastore)),
        );
        let works = self.changes.by_hand.clone();
        let each = works.into_iter().map(|work| {
            let because = format!(
                "{} is started again on a server that it runs with",
                self.base.version
            );
            let done = Expectation::DoneByHand {
                work: work.id.clone(),
                done: work.done.clone(),
            };
            let act = Act::HandWork { work };
            self.step(act, before.clone(), vec![done], Some(&because))
        });
        each.collect()
    }

    fn kept(&self, datastore: &DatastoreName) -> Expectation {
        Expectation::Backup {
            datastore: datastore.clone(),
            state: BackupState::Proven,
            run: Some(self.run.clone()),
        }
    }

    fn restore(&mut self) -> Vec<Step> {
        let stopped = Expectation::Stopped {
            services: self.services(),
        };
        let names: Vec<DatastoreName> = self.changes.restore.clone();
        names
            .into_iter()
            .map(|datastore| {
                let before = vec![
                    stopped.clone(),
                    Expectation::NoWriters {
                        datastore: datastore.clone(),
                    },
                    self.kept(&datastore),
                ];
                let after = vec![Expectation::Restored {
                    datastore: datastore.clone(),
                    run: self.run.clone(),
                }];
                let act = Act::Restore {
                    datastore,
                    run: self.run.clone(),
                };
                self.step(act, before, after, None)
            })
            .collect()
    }

    /// The edits in reverse order and direction. One that was never made is found done already.
    fn set(&mut self) -> Vec<Step> {
        let edits: Vec<FileEdit> = self.changes.edits.iter().rev().map(reversed).collect();
        edits
            .into_iter()
            .map(|edit| {
                let (from, to) = self.versions(&edit);
                let file = |digest: &Digest| Expectation::File {
                    path: edit.path.clone(),
                    digest: digest.clone(),
                };
                let (before, after) = (vec![file(&edit.before)], vec![file(&edit.after)]);
                let act = Act::Set {
                    edits: vec![edit],
                    from,
                    to,
                };
                self.step(act, before, after, None)
            })
            .collect()
    }

    /// What an edit is about: the version of a server, or of the product.
    fn versions(&self, back: &FileEdit) -> (Version, Version) {
        let edit = reversed(back);
        let of_a_server = self
            .plan
            .steps()
            .filter(|(stage, _)| matches!(stage.kind, StageKind::Engines { .. }))
            .find_map(|(_, step)| match &step.act {
                Act::Set { edits, from, to } if edits.contains(&edit) => Some((to, from)),
                _ => None,
            });
        let (from, to) = of_a_server.unwrap_or((&self.plan.to, &self.base.version));
        (from.clone(), to.clone())
    }

    /// Once the files name the servers of before. One that was never exchanged is found as it was. Nobody is asked
    /// who writes: a new server that does not come up answers nothing, and what it holds is given up.
    fn put_back(&mut self) -> Vec<Step> {
        let stopped = Expectation::Stopped {
            services: self.services(),
        };
        let engines = self.changes.put_back.clone();
        let each = engines.into_iter().map(|(datastore, engine)| {
            let mut before = vec![stopped.clone()];
            before.extend(self.files_as_before());
            let after = vec![
                Expectation::Engine {
                    datastore: datastore.clone(),
                    version: engine.from.clone(),
                },
                Expectation::Runs {
                    service: engine.service.clone(),
                    image: engine.was.clone(),
                },
            ];
            let act = Act::PutBack {
                datastore,
                engine,
                run: self.run.clone(),
            };
            self.step(act, before, after, None)
        });
        each.collect()
    }

    fn files_as_before(&self) -> Vec<Expectation> {
        let files = self.files.iter();
        files
            .map(|(path, digest)| Expectation::File {
                path: path.clone(),
                digest: digest.clone(),
            })
            .collect()
    }

    /// Before anything writes again, what came back must be what was kept. A shadow was compared before it was
    /// sealed, and its restore is told by identity and position: one that takes long to read is read once the
    /// service is up, so that users do not wait for what grows with the data.
    fn compare(&mut self) -> Option<Step> {
        let checks: Vec<Check> = self
            .changes
            .restore
            .iter()
            .filter(|name| !self.is_read_later(name))
            .chain(&self.changes.with_server)
            .map(|datastore| self.counts(datastore, true))
            .collect();
        (!checks.is_empty()).then(|| {
            let because = "what came back must be what was kept, before anything writes again";
            self.step(
                Act::Verify { checks },
                Vec::new(),
                Vec::new(),
                Some(because),
            )
        })
    }

    fn start(&mut self) -> Step {
        let base = self.base;
        let mut before = self.files_as_before();
        let mut images: Vec<_> = base.images.values().collect();
        images.sort();
        images.dedup();
        before.extend(images.into_iter().map(|image| Expectation::ImageHere {
            image: image.clone(),
        }));
        let mut after: Vec<Expectation> = base
            .images
            .iter()
            .map(|(service, image)| Expectation::Runs {
                service: service.clone(),
                image: image.clone(),
            })
            .collect();
        after.push(Expectation::Running {
            services: base.services.clone(),
        });
        self.down = true;
        let act = Act::Start {
            services: base.services.clone(),
            images: base.images.clone(),
        };
        let step = self.step(act, before, after, None);
        self.down = false;
        step
    }

    fn is_read_later(&self, name: &DatastoreName) -> bool {
        let datastore = &self.plan.datastores[name];
        datastore.method == BackupMethod::Shadow
            && datastore.size.is_none_or(|size| {
                costs::reading(datastore.location.kind, size) > READ_WHILE_STOPPED
            })
    }

    fn counts(&self, datastore: &DatastoreName, exact: bool) -> Check {
        Check::Counts {
            datastore: datastore.clone(),
            run: Some(self.run.clone()),
            exact,
        }
    }

    fn look(&mut self) -> Step {
        let mut checks = self.base.checks.clone();
        let later = self.changes.restore.iter();
        let later = later.filter(|name| self.is_read_later(name));
        checks.extend(later.map(|datastore| self.counts(datastore, false)));
        let (before, after) = (Vec::new(), Vec::new());
        self.step(Act::Verify { checks }, before, after, None)
    }

    fn release(&mut self) -> Vec<Step> {
        let servers = self.changes.put_back.iter().map(|(name, _)| name);
        let names = self.changes.restore.iter().chain(servers);
        let names: Vec<DatastoreName> = names.cloned().collect();
        names
            .into_iter()
            .map(|datastore| {
                let after = vec![Expectation::Released {
                    datastore: datastore.clone(),
                    run: self.run.clone(),
                }];
                let act = Act::Release {
                    datastore,
                    run: self.run.clone(),
                };
                self.step(act, Vec::new(), after, None)
            })
            .collect()
    }

    /// Every service that either version has.
    fn services(&self) -> Vec<ServiceName> {
        let mut services = self.base.services.clone();
        for (_, step) in self.plan.steps() {
            if let Act::Start { services: more, .. } = &step.act {
                services.extend(more.iter().cloned());
            }
        }
        let mut known = Vec::new();
        services.retain(|service| {
            let new = !known.contains(service);
            known.push(service.clone());
            new
        });
        services
    }

    fn stage(&self, kind: StageKind, steps: Vec<Step>) -> Stage {
        Stage {
            kind,
            required_by: Vec::new(),
            round: self.round,
            steps,
        }
    }

    fn step(
        &mut self,
        act: Act,
        before: Vec<Expectation>,
        after: Vec<Expectation>,
        because: Option<&str>,
    ) -> Step {
        self.next += 1;
        let way_back = match &act {
            Act::Fetch { .. } | Act::Verify { .. } => WayBack::NotNeeded,
            Act::Release { .. } => WayBack::None {
                because: "what the restore replaced is removed".to_owned(),
            },
            _ => WayBack::Instant,
        };
        let draft = Draft {
            before,
            after,
            because: because.map(str::to_owned),
            ..Draft::new(act)
        };
        draft.at(self.next, way_back, self.down)
    }
}

fn reversed(edit: &FileEdit) -> FileEdit {
    FileEdit {
        path: edit.path.clone(),
        offset: edit.offset,
        old: edit.new.clone(),
        new: edit.old.clone(),
        before: edit.after.clone(),
        after: edit.before.clone(),
    }
}
