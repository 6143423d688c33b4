//! The stage in which servers of datastores become another version, and what prepares it.
//!
//! It comes first and stands for itself: the product is started again as it was, on the new server, and
//! verified. So the backups from which migrations begin again are of the server that they run on.

use switchback_model::plan::{Act, Check, Expectation, Interrupted, Stage, StageKind, Step};
use switchback_model::{Problem, Version};

use super::engines::in_server;
use super::guards;
use super::plan::origin;
use super::preconditions::major;
use super::stages::Composer;
use crate::draft::Draft;

impl Composer<'_> {
    /// The images of the new servers, and those of the product that is started again.
    pub(super) fn fetch_servers(&mut self) -> Result<Vec<Step>, Problem> {
        if self.engines.is_empty() {
            return Ok(Vec::new());
        }
        let engines = self.engines.clone();
        let mut steps: Vec<Step> = engines
            .into_iter()
            .map(|(name, engine)| {
                let because = format!("the server of {name} is fetched while the service is up");
                self.fetch(engine.image, because)
            })
            .collect();
        let mut present: Vec<_> = origin(self.input, self.cast)?
            .images
            .into_values()
            .collect();
        present.sort();
        present.dedup();
        let from = self.input.observed.version.clone();
        for image in present {
            steps.push(self.fetch(image, format!("{from} is started again on it")));
        }
        Ok(steps)
    }

    /// What a new server refuses is found while the old one serves.
    pub(super) fn fit(&mut self) -> Option<Step> {
        let checks: Vec<Check> = self
            .engines
            .iter()
            .map(|(datastore, engine)| Check::Fits {
                datastore: datastore.clone(),
                engine: engine.clone(),
            })
            .collect();
        let images = self
            .engines
            .iter()
            .map(|(_, engine)| Expectation::ImageHere {
                image: engine.image.clone(),
            });
        let before = images.collect();
        (!checks.is_empty()).then(|| {
            self.step(Draft {
                act: Act::Verify { checks },
                before,
                after: Vec::new(),
                interrupted: Interrupted::Repeat,
                because: Some(
                    "roles, schemas, extensions and settings are tried on an empty server"
                        .to_owned(),
                ),
            })
        })
    }

    /// `last` where nothing comes after it.
    pub(super) fn servers(&mut self, last: bool) -> Result<Option<Stage>, Problem> {
        if self.engines.is_empty() {
            return Ok(None);
        }
        let to = self.input.observed.version.clone();
        let images = origin(self.input, self.cast)?.images;
        let mut steps = vec![self.stop()];
        steps.extend(self.seal());
        steps.extend(self.prove());
        steps.extend(self.carry());
        steps.extend(self.set_servers());
        steps.extend(self.exchange());
        self.changed.arrived = last;
        steps.push(self.start(images));
        steps.extend(self.verify(&to));
        Ok(Some(Stage {
            kind: StageKind::Engines { to },
            required_by: Vec::new(),
            round: 1,
            steps,
        }))
    }

    fn carry(&mut self) -> Vec<Step> {
        let engines = self.engines.clone();
        let each = engines.into_iter().map(|(datastore, engine)| {
            let mut before = vec![
                guards::stopped(&self.services),
                guards::no_writers(&datastore),
                guards::engine(&datastore, &engine.from),
                Expectation::ImageHere {
                    image: engine.image.clone(),
                },
            ];
            before.extend(self.proven());
            before.extend(guards::files(&self.files));
            self.step(Draft {
                before,
                after: vec![guards::carried(&datastore, &engine.to)],
                act: Act::Carry { datastore, engine },
                interrupted: Interrupted::Repeat,
                because: Some("built beside the data, and compared with it".to_owned()),
            })
        });
        each.collect()
    }

    fn set_servers(&mut self) -> Vec<Step> {
        let edits = self.input.engine_edits.to_vec();
        let each = edits.into_iter().map(|edit| {
            let versions = self.engines.iter().find(|(_, engine)| {
                edit.new == engine.to && major(&edit.old) == major(&engine.from)
            });
            let (from, to) = versions
                .map_or((edit.old.as_str(), edit.new.as_str()), |(_, engine)| {
                    (engine.from.as_str(), engine.to.as_str())
                });
            let (from, to): (Version, Version) = (from.into(), to.into());
            self.edit(edit, from, to)
        });
        each.collect()
    }

    fn exchange(&mut self) -> Vec<Step> {
        let engines = self.engines.clone();
        let each = engines.into_iter().map(|(datastore, engine)| {
            let mut before = vec![
                guards::stopped(&self.services),
                guards::no_writers(&datastore),
                guards::carried(&datastore, &engine.to),
                Expectation::ImageHere {
                    image: engine.image.clone(),
                },
            ];
            before.extend(self.proven());
            before.extend(guards::files(&self.files));
            for name in in_server(self.keeping, &engine) {
                self.versions.insert(name.clone(), engine.to.clone());
                self.changed.exchanged.insert(name.clone());
            }
            self.step(Draft {
                before,
                after: vec![
                    guards::engine(&datastore, &engine.to),
                    Expectation::Runs {
                        service: engine.service.clone(),
                        image: engine.image.clone(),
                    },
                ],
                act: Act::Exchange { datastore, engine },
                interrupted: Interrupted::Repeat,
                because: None,
            })
        });
        each.collect()
    }
}
