//! Rules that need the product's definition: nothing skipped, nothing run where it does not belong.

use std::collections::BTreeSet;

use switchback_model::hand_work::DoneWhen;
use switchback_model::plan::{Act, Interrupted, Plan, Purpose, Stage, StageKind};
use switchback_model::product::{Migration, NotRepeatable, Product, Stop};
use switchback_model::version::Range;
use switchback_model::{DatastoreName, MigrationId, Version};

use super::climbs;
use super::objection::{Objection, Objections};
use super::walk::check;

/// Everything that is wrong with a plan in the light of its product's definition, [`check`] included.
///
/// A stop or a demand with a condition that only a probe could answer is not asked for: the plan
/// does not hold the answers.
pub fn check_against(plan: &Plan, product: &Product) -> Vec<Objection> {
    let mut found = Objections(check(plan));
    if plan.product != product.id {
        found.plan(
            "other-product",
            format!(
                "it is a plan for `{}`, not for `{}`",
                plan.product, product.id
            ),
        );
        return found.0;
    }
    // A way back follows its own plan, whatever the definition says by now.
    if plan.purpose == Purpose::Upgrade {
        if plan.definition != product.digest {
            found.plan(
                "definition-changed",
                "it was made from another state of the product's definition",
            );
        }
        let rules = Rules { plan, product };
        rules.order(&mut found);
        rules.poisoned(&mut found);
        rules.stops(&mut found);
        rules.at_stops(&mut found);
        rules.demands(&mut found);
        rules.migrations(&mut found);
        rules.hand_work(&mut found);
        climbs::check(plan, product, &mut found);
    }
    found.0
}

/// Command and datastore, the releases that have it, and flaws.
type Defined<'a> = (
    (&'a [String], Option<&'a DatastoreName>),
    &'a Range,
    &'a [NotRepeatable],
);

struct Rules<'a> {
    plan: &'a Plan,
    product: &'a Product,
}

impl Rules<'_> {
    fn order(&self, found: &mut Objections) {
        let mut last = &self.plan.from;
        for version in self.versions() {
            if !self.below(last, version) {
                found.plan(
                    "stage-order",
                    format!("{version} does not come after {last}"),
                );
            }
            last = version;
        }
    }

    fn poisoned(&self, found: &mut Objections) {
        for poisoned in &self.product.poisoned {
            if self.versions().any(|version| *version == poisoned.version) {
                found.plan(
                    "poisoned",
                    format!("{} must not be run: {}", poisoned.version, poisoned.because),
                );
            }
        }
    }

    fn stops(&self, found: &mut Objections) {
        let passed: BTreeSet<&Version> = self.versions().collect();
        for stop in self.product.stops.iter().filter(|stop| self.applies(stop)) {
            if !stop
                .at
                .iter()
                .any(|version| self.satisfies(stop, version, &passed))
            {
                found.plan(
                    "stop-skipped",
                    format!("it skips the required stop `{}`: {}", stop.id, stop.because),
                );
            }
        }
    }

    /// Passed through, or replaced because it is poisoned.
    fn satisfies(&self, stop: &Stop, version: &Version, passed: &BTreeSet<&Version>) -> bool {
        let substitute = self
            .product
            .poisoned
            .iter()
            .filter(|poisoned| stop.at.contains(&poisoned.version))
            .find(|poisoned| poisoned.version == *version)
            .and_then(|poisoned| poisoned.substitute.as_ref());
        passed.contains(version) || substitute.is_some_and(|other| passed.contains(other))
    }

    fn applies(&self, stop: &Stop) -> bool {
        let conditional = stop.unless.is_some()
            || stop
                .when
                .as_ref()
                .is_some_and(|when| when.probe.is_some() || when.feature.is_some());
        let when = stop.when.as_ref();
        let edition = self.is_edition(&stop.editions)
            && when.is_none_or(|when| self.is_edition(&when.editions));
        let driver = when.is_none_or(|when| {
            when.drivers.is_empty() || when.drivers.contains(&self.plan.deployment.driver)
        });
        // Coming from the stop itself or from beyond it, or going no further than before it, nothing is skipped.
        let between = stop.at.iter().any(|version| {
            self.below(&self.plan.from, version) && !self.below(&self.plan.to, version)
        });
        let within = |range: &Option<Range>, version| {
            range
                .as_ref()
                .is_none_or(|range| self.contains(range, version))
        };
        !conditional
            && edition
            && driver
            && between
            && within(&stop.from, &self.plan.from)
            && within(&stop.to, &self.plan.to)
    }

    /// What a stop is there for happens there.
    fn at_stops(&self, found: &mut Objections) {
        for stage in &self.plan.stages {
            let here = |stop: &&Stop| stage.required_by.contains(&stop.id);
            for stop in self.product.stops.iter().filter(here) {
                for id in &stop.run {
                    let runs = stage.steps.iter().any(
                        |step| matches!(&step.act, Act::Migrate { migration, .. } if migration == id),
                    );
                    if self.is_for_us(id) && !runs {
                        found.plan(
                            "stop-unused",
                            format!("`{id}` does not run at the stop `{}`", stop.id),
                        );
                    }
                }
            }
        }
    }

    /// True where a migration is for this deployment, whatever a probe may say.
    fn is_for_us(&self, id: &MigrationId) -> bool {
        self.migration(id).is_some_and(|migration| {
            migration.when.is_none()
                && self.is_edition(&migration.editions)
                && self.plan.datastores.contains_key(&migration.datastore)
        })
    }

    /// What a crossed release demands of a datastore that is here runs somewhere.
    fn demands(&self, found: &mut Objections) {
        for release in &self.product.releases {
            if !self.below(&self.plan.from, &release.version)
                || self.below(&self.plan.to, &release.version)
                || !self.is_edition(&release.editions)
            {
                continue;
            }
            for demand in &release.demands {
                let for_us = demand.when.is_none()
                    && !demand.optional
                    && self.is_for_us(&demand.migration)
                    && self.is_edition(&demand.editions)
                    && demand
                        .to
                        .as_ref()
                        .is_none_or(|range| self.contains(range, &self.plan.to));
                if for_us && !self.is_met(&demand.migration, &release.version) {
                    found.plan(
                        "demand-unmet",
                        format!(
                            "{} demands `{}`, which never runs from there on",
                            release.version, demand.migration
                        ),
                    );
                }
            }
        }
    }

    /// Run before the product runs with what is demanded: by an image that is new enough, or by any
    /// where none on the way that has the command is.
    fn is_met(&self, id: &MigrationId, since: &Version) -> bool {
        let due = |stage: &Stage| match &stage.kind {
            StageKind::Run { to } => !self.below(to, since),
            _ => false,
        };
        let stages = &self.plan.stages;
        let until = stages
            .iter()
            .position(due)
            .map_or(stages.len(), |place| place + 1);
        let exists = |version: &Version| {
            self.migration(id)
                .is_some_and(|migration| self.contains(&migration.exists, version))
        };
        let possible = stages[..until]
            .iter()
            .filter_map(version_of)
            .any(|version| !self.below(version, since) && exists(version));
        stages[..until]
            .iter()
            .flat_map(|stage| &stage.steps)
            .any(|step| match &step.act {
                Act::Migrate {
                    migration, version, ..
                } => migration == id && (!possible || !self.below(version, since)),
                _ => false,
            })
    }

    fn migrations(&self, found: &mut Objections) {
        for (_, step) in self.plan.steps() {
            let Act::Migrate {
                migration,
                version,
                run,
                datastore,
                ..
            } = &step.act
            else {
                continue;
            };
            let Some((defined, exists, flaws)) = self.defined(migration) else {
                found.step(
                    step.number,
                    "unknown-migration",
                    format!("the definition knows no migration `{migration}`"),
                );
                continue;
            };
            if defined != (run.as_slice(), Some(datastore)) {
                found.step(
                    step.number,
                    "other-migration",
                    format!("`{migration}` is something else in the definition"),
                );
            }
            if !self.contains(exists, version) {
                found.step(
                    step.number,
                    "no-such-command",
                    format!("the image of {version} has no `{migration}`"),
                );
            }
            let flaw = flaws
                .iter()
                .find(|flaw| self.contains(&flaw.versions, version));
            if let (Some(flaw), Interrupted::Repeat) = (flaw, &step.interrupted) {
                found.step(
                    step.number,
                    "interrupted",
                    format!(
                        "`{migration}` of {version} may not simply be repeated: {}",
                        flaw.because
                    ),
                );
            }
        }
    }

    /// People are asked for what the definition wants of them, and seen to be done by what it says.
    fn hand_work(&self, found: &mut Objections) {
        for (_, step) in self.plan.steps() {
            let Act::HandWork { work } = &step.act else {
                continue;
            };
            if let DoneWhen::Server(is) = &work.done
                && climbs::is_defined(self.product, is)
            {
                continue;
            }
            let mut actions = self.product.actions.iter();
            match actions.find(|action| action.id == work.id) {
                None => found.step(
                    step.number,
                    "unknown-hand-work",
                    format!("the definition knows no `{}`", work.id),
                ),
                Some(action)
                    if action.done != work.done || !work.steps.ends_with(&action.steps) =>
                {
                    found.step(
                        step.number,
                        "other-hand-work",
                        format!("`{}` is something else in the definition", work.id),
                    );
                }
                Some(_) => {}
            }
        }
    }

    /// What a migration is in the definition, or an action that is done like one: its command and datastore,
    /// the releases that have it, and what forbids to repeat it.
    fn defined(&self, id: &MigrationId) -> Option<Defined<'_>> {
        if let Some(migration) = self.migration(id) {
            let it = (migration.run.as_slice(), Some(&migration.datastore));
            return Some((it, &migration.exists, &migration.not_repeatable));
        }
        let mut actions = self.product.actions.iter();
        let action = actions.find(|action| action.id == id.as_str())?;
        let it = (action.run.as_slice(), action.datastore.as_ref());
        Some((it, &action.exists, &[]))
    }

    fn migration(&self, id: &MigrationId) -> Option<&Migration> {
        self.product
            .migrations
            .iter()
            .find(|migration| migration.id == *id)
    }

    fn versions(&self) -> impl Iterator<Item = &Version> {
        self.plan.stages.iter().filter_map(version_of)
    }

    fn is_edition(&self, editions: &[String]) -> bool {
        editions.is_empty()
            || self
                .plan
                .edition
                .as_ref()
                .is_none_or(|edition| editions.contains(edition))
    }

    fn below(&self, one: &Version, other: &Version) -> bool {
        let order = self.product.scheme.compare(one, other);
        order.is_ok_and(|order| order.is_lt())
    }

    fn contains(&self, range: &Range, version: &Version) -> bool {
        self.product
            .scheme
            .contains(range, version)
            .unwrap_or(false)
    }
}

fn version_of(stage: &Stage) -> Option<&Version> {
    match &stage.kind {
        StageKind::Migrate { to } | StageKind::Run { to } => Some(to),
        StageKind::Preparation
        | StageKind::Engines { .. }
        | StageKind::Return { .. }
        | StageKind::Recovery { .. }
        | StageKind::RollOver { .. } => None,
    }
}
