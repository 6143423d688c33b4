//! What is done in each stage beside migrations, and in which order.
//!
//! An action without a release is done in every stage, any other in the stage
//! that crosses its release. Of those that supersede each other only the newest
//! is left, of those that do the same only the first. An engine climbs where a
//! release needs it, and never before that release is installed.

use std::collections::BTreeMap;

use switchback_model::Version;
use switchback_model::product::{Action, Moment, NoticeKind, StopKind};
use switchback_model::version::Key;

use super::act::{Act, StagePackage};
use super::condition::Truth;
use super::crossed::PathNotice;
use super::engine::{self, Position};
use super::ground::Ground;
use super::legs::Leg;
use super::refusal::{Reason, Refusal};

/// Adds to every leg where the product runs what is done there, and tells what has to be known of it.
pub(super) fn place(ground: &Ground<'_>, legs: &mut [Leg]) -> Result<Vec<PathNotice>, Refusal> {
    let product = ground.product;
    let mut notices: Vec<PathNotice> = Vec::new();
    if product.actions.is_empty() {
        return Ok(notices);
    }
    let mut positions = engine::start(ground);
    let mut from = ground.from.key.clone();
    for leg in legs.iter_mut().filter(|leg| leg.kind == StopKind::Run) {
        let Ok(to) = product.scheme.parse(&leg.to) else {
            continue;
        };
        let stage = Stage::new(ground, from, to, leg.to.clone());
        let (planned, offered) = stage.work(&mut positions)?;
        (leg.actions, leg.offered) = (planned, offered);
        let told = positions
            .iter()
            .filter_map(|position| position.unsupported(ground, &stage.to, &stage.version))
            .chain(stage.kept_down())
            .chain(stage.to_accept(&leg.actions));
        for notice in told {
            if notices.iter().all(|known| known.id != notice.id) {
                notices.push(notice);
            }
        }
        leg.packages = stage.packages;
        from = stage.to;
    }
    Ok(notices)
}

/// A stage of the path.
struct Stage<'g, 'a> {
    ground: &'g Ground<'a>,
    from: Key,
    to: Key,
    version: Version,
    packages: Vec<StagePackage>,
}

/// An action that is for this stage.
struct Due<'a> {
    action: &'a Action,
    truth: Truth,
    /// The release that brings it.
    brought: Option<Key>,
    /// Releases whose demands it meets.
    demanded_by: Vec<Version>,
}

impl Due<'_> {
    /// What comes before what in a stage, as far as the definition says.
    fn place(&self) -> (Moment, u32) {
        (self.action.moment, self.action.place)
    }
}

impl<'g, 'a> Stage<'g, 'a> {
    fn new(ground: &'g Ground<'a>, from: Key, to: Key, version: Version) -> Self {
        let packages = ground.packages(&to).into_iter();
        let packages = packages.map(|(package, truth)| StagePackage {
            name: package.name.clone(),
            assumed: truth.is_assumed(),
        });
        Self {
            packages: packages.collect(),
            ground,
            from,
            to,
            version,
        }
    }

    /// What is done here, and what is offered, each in order.
    fn work(&self, positions: &mut [Position<'a>]) -> Result<(Vec<Act>, Vec<Act>), Refusal> {
        let (mut planned, mut offered) = (Vec::new(), Vec::new());
        // A climb shows its effect once everything of the same place was looked at: two ways to do one
        // climb, each for its family of distributions, both begin where the engine was.
        let mut done: Vec<((Moment, u32), &Action, bool)> = Vec::new();
        for due in self.due() {
            let at = due.place();
            for (_, action, offered) in done.extract_if(.., |(place, ..)| *place != at) {
                climbed(positions, action, offered);
            }
            let action = due.action;
            let is_offered = action.optional && !self.is_needed(action);
            let (rungs, truth) = match &action.climbs {
                None => (Vec::new(), due.truth),
                Some(climb) => {
                    let position = engine::find(positions, &climb.engine);
                    let rungs = position.and_then(|position| {
                        let rungs = position.climb(climb, is_offered)?;
                        Some((rungs, due.truth.and(position.truth())))
                    });
                    let Some(rungs) = rungs else { continue };
                    done.push((at, action, is_offered));
                    rungs
                }
            };
            if !self.ground.range_holds(&action.exists, &self.to) {
                return Err(self.not_shipped(&due));
            }
            let list = if is_offered {
                &mut offered
            } else {
                &mut planned
            };
            list.push(self.act(due, rungs, truth));
        }
        for (_, action, offered) in done {
            climbed(positions, action, offered);
        }
        Ok((planned, offered))
    }

    /// Every action that is for this stage, in order, superseded and repeated ones left out.
    fn due(&self) -> Vec<Due<'a>> {
        let mut all: Vec<Due<'a>> = Vec::new();
        for action in &self.ground.product.actions {
            let to = action.to.as_ref();
            let is_target = to.is_none_or(|range| self.ground.range_holds(range, &self.to));
            let truth = self.ground.when(action.when.as_ref());
            if let Some(brought) = self.brought(action)
                && is_target
                && truth.applies()
            {
                all.push(Due {
                    action,
                    truth,
                    brought,
                    demanded_by: action.version.iter().cloned().collect(),
                });
            }
        }
        // Equal ones stay in the definition's order.
        all.sort_by(|left, right| {
            let by_place = left.place().cmp(&right.place());
            by_place.then_with(|| left.brought.cmp(&right.brought))
        });
        same_ones_together(newest_only(all))
    }

    /// The release that brings an action to this stage; `None` inside for one of every stage.
    #[expect(
        clippy::option_option,
        reason = "not brought here, and brought by no release in particular, are different things"
    )]
    fn brought(&self, action: &Action) -> Option<Option<Key>> {
        let Some(version) = &action.version else {
            return Some(None);
        };
        let key = self.ground.product.scheme.parse(version).ok()?;
        let reached = key <= self.to;
        let crossed = self.from < key && reached;
        // An engine that has to climb was perhaps left behind by an earlier upgrade.
        let left_behind = action.climbs.is_some() && reached && self.is_needed(action);
        (crossed || left_behind).then_some(Some(key))
    }

    /// Whether an action belongs to the plan, and not only to the offers.
    fn is_needed(&self, action: &Action) -> bool {
        let climb = action.climbs.as_ref();
        let needed_for = climb.and_then(|climb| climb.needed_for.as_ref());
        let target = &self.ground.to.key;
        !action.optional || needed_for.is_some_and(|range| self.ground.range_holds(range, target))
    }

    fn act(&self, due: Due<'_>, rungs: Vec<String>, truth: Truth) -> Act {
        let action = due.action;
        let mut run = Vec::new();
        for word in &action.run {
            if word == "{packages}" {
                run.extend(self.packages.iter().map(|package| package.name.clone()));
            } else {
                run.push(word.clone());
            }
        }
        Act {
            id: action.id.as_str().into(),
            moment: action.moment,
            role: action.role,
            run,
            expect: action.expect.clone(),
            steps: action.steps.clone(),
            done: action.done.clone(),
            datastore: action.datastore.clone(),
            rungs,
            demanded_by: due.demanded_by,
            because: action.because.clone(),
            source: action.source.clone(),
            assumed: truth.is_assumed(),
        }
    }

    /// Services that nothing but the plan may start while this stage runs.
    fn kept_down(&self) -> Vec<PathNotice> {
        let named = |name: &String| self.packages.iter().find(|package| package.name == *name);
        let mut told = Vec::new();
        for service in &self.ground.product.services {
            let package = service.package.as_ref().and_then(named);
            if let (Some(text), Some(package)) = (&service.keep_down, package)
                && self.ground.range_holds(&service.releases, &self.to)
            {
                told.push(PathNotice {
                    id: format!("{}-kept-down", service.name),
                    kind: NoticeKind::Ordering,
                    version: self.version.clone(),
                    text: text.clone(),
                    source: service.source.clone(),
                    accept: None,
                    requires: None,
                    removed_in: None,
                    assumed: package.assumed,
                });
            }
        }
        told
    }

    /// Actions that somebody has to accept.
    fn to_accept(&self, acts: &[Act]) -> Vec<PathNotice> {
        let actions = self.ground.product.actions.iter();
        let asking = actions.filter_map(|action| Some((action, action.accept.as_ref()?)));
        let planned = asking.filter_map(|(action, word)| {
            let act = acts.iter().find(|act| act.id.as_str() == action.id)?;
            Some(PathNotice {
                id: action.id.clone(),
                kind: NoticeKind::OneWay,
                version: self.version.clone(),
                text: action.because.clone(),
                source: action.source.clone(),
                accept: Some(word.clone()),
                requires: None,
                removed_in: None,
                assumed: act.assumed,
            })
        });
        planned.collect()
    }

    fn not_shipped(&self, due: &Due<'_>) -> Refusal {
        let action = due.action;
        let versions = due.demanded_by.iter();
        let reason = Reason::NoImage {
            migration: action.id.as_str().into(),
            exists: action.exists.clone(),
            at: self.version.clone(),
            demanded: versions
                .map(|version| (version.clone(), action.source.clone()))
                .collect(),
        };
        Refusal::new(self.ground.product, self.ground.query, reason)
    }
}

fn climbed(positions: &mut [Position<'_>], action: &Action, offered: bool) {
    if let Some(climb) = &action.climbs
        && let Some(position) = engine::find(positions, &climb.engine)
    {
        position.climbed(climb, offered);
    }
}

/// Of all that supersede each other, what the newest release brings; it meets the demands of the others.
fn newest_only(all: Vec<Due<'_>>) -> Vec<Due<'_>> {
    let mut newest: BTreeMap<&str, Option<Key>> = BTreeMap::new();
    let mut demands: BTreeMap<&str, Vec<(Option<Key>, Version)>> = BTreeMap::new();
    for due in &all {
        if let Some(group) = &due.action.newest_of {
            let best = newest.entry(group).or_default();
            *best = best.take().max(due.brought.clone());
            let versions = due.demanded_by.iter();
            let entry = demands.entry(group).or_default();
            entry.extend(versions.map(|version| (due.brought.clone(), version.clone())));
        }
    }
    let mut left = Vec::new();
    for mut due in all {
        if let Some(group) = &due.action.newest_of {
            if newest.get(group.as_str()) != Some(&due.brought) {
                continue;
            }
            let mut versions = demands.get(group.as_str()).cloned().unwrap_or_default();
            versions.sort();
            versions.dedup();
            due.demanded_by = versions.into_iter().map(|(_, version)| version).collect();
        }
        left.push(due);
    }
    left
}

/// The first of all that do the same stands for them, sure as soon as one of them is.
fn same_ones_together(all: Vec<Due<'_>>) -> Vec<Due<'_>> {
    let mut left: Vec<Due<'_>> = Vec::new();
    for due in all {
        let same = |known: &&mut Due<'_>| {
            due.action.same_as.is_some() && known.action.same_as == due.action.same_as
        };
        match left.iter_mut().find(same) {
            Some(first) => {
                for version in due.demanded_by {
                    if !first.demanded_by.contains(&version) {
                        first.demanded_by.push(version);
                    }
                }
                if due.truth == Truth::Yes {
                    first.truth = Truth::Yes;
                }
            }
            None => left.push(due),
        }
    }
    left
}
