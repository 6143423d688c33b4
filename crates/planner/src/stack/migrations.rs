//! Migrations of a round, and the look from outside at its end.

use std::collections::BTreeMap;

use switchback_model::observed::ImagePin;
use switchback_model::plan::{Act, Check, Expectation, Interrupted, Step};
use switchback_model::product::Migration;
use switchback_model::{Problem, ServiceName, Version};

use super::composer::Composer;
use super::refusals;
use super::rounds::Round;
use crate::draft::Draft;

impl<'a> Composer<'a> {
    /// The round's migrations, run by the stack that was updated right before.
    pub(super) fn migrate(&mut self, stack: &str, round: &Round<'a>) -> Result<Vec<Step>, Problem> {
        let product = self.input.product;
        let mut steps = Vec::new();
        for run in &round.migrations {
            let Some(defined) = product
                .migrations
                .iter()
                .find(|defined| defined.id == run.migration)
            else {
                continue;
            };
            let image = self.migrates_with(stack, &round.to)?;
            let migration = defined.id.clone();
            let before = vec![Expectation::Stack {
                is: self.stacks[stack].is(),
            }];
            self.changes();
            self.migrated(&migration);
            steps.push(
                self.step(Draft {
                    act: Act::Migrate {
                        migration: migration.clone(),
                        version: round.to.clone(),
                        image,
                        service: ServiceName::new(stack),
                        run: run.run.clone(),
                        datastore: defined.datastore.clone(),
                        demanded_by: run.demanded_by.clone(),
                    },
                    before,
                    after: vec![Expectation::Migrated {
                        migration,
                        version: round.to.clone(),
                    }],
                    interrupted: self.interrupted(defined, &round.to),
                    because: run
                        .assumed
                        .then(|| "nothing could tell whether it is needed".to_owned()),
                }),
            );
        }
        Ok(steps)
    }

    /// What migrates: the program of a machine, whose version is the release's, or the image that a stack was given.
    fn migrates_with(&self, stack: &str, version: &Version) -> Result<ImagePin, Problem> {
        let of = &self.stacks[stack];
        let on_machine = of.of.runner.as_ref().filter(|it| it.container.is_none());
        let reference = match on_machine {
            Some(runner) => {
                let name = runner.program.rsplit('/').next().unwrap_or_default();
                format!("{name}:{version}")
            }
            None => {
                let image = of.image(&self.repositories());
                let right = image.filter(|image| {
                    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
                    let bare = tag.strip_prefix('v').unwrap_or(tag);
                    let rest = bare.strip_prefix(version.as_str());
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
                });
                right
                    .ok_or_else(|| refusals::other_image(stack, image, version.as_str()))?
                    .to_owned()
            }
        };
        Ok(ImagePin {
            reference,
            id: None,
            digest: None,
        })
    }

    /// A database here has no backup that a run could begin again from by itself: its snapshot is restored by a person.
    fn interrupted(&self, migration: &Migration, version: &Version) -> Interrupted {
        let scheme = self.input.product.scheme;
        let flaw = migration
            .not_repeatable
            .iter()
            .find(|flaw| scheme.contains(&flaw.versions, version).unwrap_or(true));
        match flaw {
            None => Interrupted::Repeat,
            Some(flaw) => Interrupted::Halt {
                because: format!(
                    "{}: bring the database back from this round's snapshot first",
                    flaw.because
                ),
            },
        }
    }

    /// That everything runs what it shall.
    pub(super) fn look(&mut self, version: &Version) -> Step {
        let mut checks = Vec::new();
        let repositories = self.repositories();
        let tasks = &self.input.cloud.tasks;
        let mut images: BTreeMap<ServiceName, ImagePin> = BTreeMap::new();
        for (name, stack) in &self.stacks {
            let serves = match tasks.is_empty() {
                true => stack.of.migrations.is_none(),
                false => tasks.iter().any(|task| task.stack == *name) || stack.makes_services(),
            };
            if let Some(image) = stack.image(&repositories).filter(|_| serves) {
                let pin = ImagePin {
                    reference: image.to_owned(),
                    id: None,
                    digest: None,
                };
                images.insert(ServiceName::new(name), pin);
            }
        }
        if !images.is_empty() {
            checks.push(Check::Stable { images });
        }
        if self.input.config.kind.driver() == "ami" {
            for (name, stack) in &self.stacks {
                let resources = stack.template.resources.iter();
                let machines = resources.filter(|(_, it)| it.kind == "AWS::EC2::Instance");
                checks.extend(machines.map(|(logical, _)| Check::Machine {
                    stack: name.clone(),
                    logical: logical.clone(),
                    meanwhile: None,
                }));
            }
        }
        checks.extend(self.health(version));
        self.step(Draft::new(Act::Verify { checks }))
    }

    fn health(&mut self, version: &Version) -> Option<Check> {
        let product = self.input.product;
        let scheme = product.scheme;
        let path = product
            .health
            .iter()
            .find(|health| scheme.contains(&health.versions, version).unwrap_or(false))?;
        let Some(url) = self.input.url else {
            let text = format!(
                "nothing asks {version} for its health from outside: say `url` under [verify] in switchback.toml"
            );
            self.warn(text);
            return None;
        };
        let component = product.components.first()?;
        Some(Check::Health {
            service: ServiceName::new(&component.id),
            port: component.http_port,
            url: Some(url.to_owned()),
            path: path.path.clone(),
        })
    }

    fn repositories(&self) -> Vec<String> {
        let editions = self.input.product.editions.iter();
        editions
            .flat_map(|edition| edition.images.clone())
            .collect()
    }
}
