//! The steps of a way back: every update of the run in reverse, each from what its stack is by then to what it was.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::plan::{Act, Step};
use switchback_model::product::{self, Order};
use switchback_model::stack::{
    DangerKind, KeepBy, ParameterWish, RenewBy, Replacement, Snapshot, StackIs, StoreKind,
    Template, TemplatePlace,
};
use switchback_model::{Problem, Version};

use super::by_hand::ByHand;
use super::history::History;
use super::input::BackInput;
use super::parameters::Backwards;
use super::problems;
use super::stores::Stores;
use super::stretch::Stretch;
use crate::stack::composer::Composer;
use crate::stack::updates::Wanted;
use crate::stack::{refusals, safety};

/// Walks a run backwards.
pub(super) struct Walk<'i, 'a> {
    pub(super) input: &'i BackInput<'a>,
    pub(super) composer: Composer<'i>,
    pub(super) histories: BTreeMap<&'a str, History<'a>>,
    pub(super) stores: Stores<'a>,
    pub(super) base: Version,
    /// Stacks whose machine the run ended before it updated them.
    pub(super) ended: BTreeSet<&'a str>,
    /// What the steps so far leave to a person.
    pub(super) by_hand: Vec<ByHand<'a>>,
    /// What comes back by the steps so far.
    pub(super) restored: Vec<&'a Snapshot>,
    /// Stacks that are removed, because the run made them.
    pub(super) unmade: Vec<&'a str>,
    /// Stacks that stay, each with the rule that says so.
    pub(super) left: Vec<(&'a str, &'a Order)>,
}

/// An update back before it is known what of its stack's data comes along.
struct Update<'i> {
    template: Option<(&'i TemplatePlace, &'i Template)>,
    wishes: BTreeMap<String, ParameterWish>,
    because: String,
}

impl<'i, 'a> Walk<'i, 'a> {
    /// The steps, without the look at their end; none where everything is as it was.
    pub(super) fn steps(&mut self, stretch: &Stretch<'a>) -> Result<Vec<Step>, Problem> {
        let mut shown = BTreeMap::new();
        for (name, history) in &self.histories {
            shown.insert(*name, self.shown(name, history)?);
        }
        self.leave_what_came_back();
        let mut steps = self.recall();
        steps.extend(self.end_refreshes(stretch));
        for (_, step) in stretch.begun().rev() {
            let Act::Update { update } = &step.act else {
                continue;
            };
            let name = update.stack.as_str();
            let history = self.histories[name].clone();
            let Some(place) = history.place(step) else {
                continue;
            };
            if place > shown[name] {
                self.is_not_there(name, step);
            } else if history.before(place).is_none() {
                steps.push(self.unmake(name)?);
            } else if let Some(order) = self.stays(name) {
                self.left.extend((place == 1).then_some((name, order)));
            } else {
                steps.extend(self.update_back(name, &history, place)?);
            }
        }
        for name in self.stores.returning.keys().copied().collect::<Vec<_>>() {
            steps.extend(self.restore(name)?);
        }
        steps.extend(self.renew(stretch));
        Ok(steps)
    }

    fn shown(&self, name: &str, history: &History<'a>) -> Result<usize, Problem> {
        let run = &self.input.proven.run;
        let Some(stack) = self.composer.stacks.get(name) else {
            return match history.is_made() && !self.input.cloud.stacks.contains_key(name) {
                true => Ok(0),
                false => Err(problems::gone(run, name)),
            };
        };
        let free: BTreeSet<&str> = stack.of.snapshots.values().map(String::as_str).collect();
        history
            .shown(&stack.stack, &free)
            .ok_or_else(|| problems::changed(run, &stack.stack))
    }

    /// Forgets the stores that an earlier way back has brought back already.
    fn leave_what_came_back(&mut self) {
        let stacks = &self.composer.stacks;
        self.stores.returning.retain(|name, snapshots| {
            snapshots.retain(|snapshot| {
                let Some(stack) = stacks.get(*name) else {
                    return true;
                };
                let parameter = stack.of.snapshots.get(&snapshot.store.logical);
                let now = parameter.and_then(|parameter| stack.stack.parameter(parameter));
                now != Some(&snapshot.handle)
            });
            !snapshots.is_empty()
        });
    }

    /// Marks of what comes back become snapshots, before anything is changed.
    fn recall(&mut self) -> Vec<Step> {
        let returning = self.stores.returning.values().flatten();
        let marks = returning.filter(|kept| kept.by == KeepBy::Mark);
        marks.map(|mark| self.composer.recall(mark)).collect()
    }

    /// Refreshes that the run began and did not see the end of are ended before anything else is changed.
    fn end_refreshes(&mut self, stretch: &Stretch<'a>) -> Vec<Step> {
        let proven = self.input.proven;
        let open = stretch
            .begun()
            .filter(|(_, step)| !proven.is_finished(step));
        let groups = open.filter_map(|(_, step)| match &step.act {
            Act::Renew {
                group,
                by: RenewBy::Refresh { .. },
            } => Some(group),
            _ => None,
        });
        let groups: Vec<_> = groups.collect();
        groups
            .into_iter()
            .map(|group| self.composer.end_refresh(group))
            .collect()
    }

    /// The rule by which a stack is not brought to the version of before.
    fn stays(&self, name: &str) -> Option<&'a Order> {
        let (product, of) = (self.input.product, self.composer.stacks[name].of);
        product.orders.iter().find(|order| {
            let to = order.to.as_ref();
            order.driver == of.driver
                && order.skip.contains(&of.id)
                && to.is_none_or(|to| product.scheme.contains(to, &self.base).unwrap_or(true))
        })
    }

    /// A stack that the run made goes, and what is in it with it.
    fn unmake(&mut self, name: &'a str) -> Result<Step, Problem> {
        self.unmade.push(name);
        let run = &self.input.proven.run;
        self.composer.remove(name, &format!("`{run}` made it"))
    }

    fn is_not_there(&mut self, name: &str, step: &Step) {
        let stack = self.composer.stacks.get(name);
        let status = stack.map_or("", |it| it.stack.status.as_str());
        let text = match (self.input.proven.is_finished(step), status) {
            (true, _) => "was taken back already",
            (false, "UPDATE_ROLLBACK_COMPLETE") => {
                "did not happen: CloudFormation took it back by itself"
            }
            (false, _) => "did not happen",
        };
        let number = step.number;
        self.composer.note(format!(
            "step {number}, the update of stack `{name}`, {text}"
        ));
    }

    fn update_back(
        &mut self,
        name: &str,
        history: &History<'a>,
        place: usize,
    ) -> Result<Vec<Step>, Problem> {
        let Some(was) = history.before(place) else {
            return Ok(Vec::new());
        };
        let template = self.template_of(name, was)?;
        let stack = &self.composer.stacks[name];
        let snapshots: BTreeSet<&str> = stack.of.snapshots.values().map(String::as_str).collect();
        let found = Backwards {
            now: &stack.stack,
            was,
            template: template.map_or(stack.template, |(_, template)| template),
            update: history.update(place),
            snapshots: &snapshots,
            said: self.input.config.parameters.get(name),
        }
        .wishes();
        if !found.unanswered.is_empty() {
            return Err(refusals::unanswered(name, &stack.of.id, &found.unanswered));
        }
        for parameter in &found.stay {
            self.composer.warn(format!(
                "`{parameter}` of stack `{name}` stays as the run set it: what it was is masked"
            ));
        }
        // Data comes back with the last of them, so that a store is made anew once.
        let returning = match place {
            1 => self.stores.returning.remove(name).unwrap_or_default(),
            _ => Vec::new(),
        };
        let update = Update {
            template,
            wishes: found.wishes,
            because: format!("as it was before `{}`", self.input.proven.run),
        };
        let mut steps = self.update(name, update, returning)?;
        if !steps.is_empty() {
            steps.extend(self.composer.afterwards(name));
        }
        Ok(steps)
    }

    /// The template of a state, where it is another than the stack has by then.
    fn template_of(
        &self,
        name: &str,
        was: &StackIs,
    ) -> Result<Option<(&'i TemplatePlace, &'i Template)>, Problem> {
        if was.body == self.composer.stacks[name].stack.body {
            return Ok(None);
        }
        let place = self.input.kept.get(&was.body);
        let template = self.input.templates.get(&was.body);
        match place.zip(template) {
            Some(found) => Ok(Some(found)),
            None => Err(problems::template_lost(
                &self.input.proven.run,
                name,
                was.body.short(),
            )),
        }
    }

    /// Stores whose stack has no update to go back, or none any more.
    fn restore(&mut self, name: &str) -> Result<Vec<Step>, Problem> {
        let returning = self.stores.returning.remove(name).unwrap_or_default();
        let Some(stack) = self.composer.stacks.get(name) else {
            return Err(problems::gone(&self.input.proven.run, name));
        };
        let names = stack.stack.parameters.keys();
        let update = Update {
            template: None,
            wishes: names
                .map(|name| (name.clone(), ParameterWish::Previous))
                .collect(),
            because: "what was migrated comes back from its snapshot".to_owned(),
        };
        self.update(name, update, returning)
    }

    fn update(
        &mut self,
        name: &str,
        update: Update<'i>,
        returning: Vec<&'a Snapshot>,
    ) -> Result<Vec<Step>, Problem> {
        let Update {
            template,
            mut wishes,
            because,
        } = update;
        let stack = &self.composer.stacks[name];
        let of = stack.of;
        let new = template.map_or(stack.template, |(_, template)| template);
        // A disk in use can neither be exchanged nor be given to another machine: the one that uses it must be ended
        // before, and only an update that makes another one may do that.
        let machine = safety::machine(&self.composer.review(name, new, &wishes, None));
        let anew = machine == Replacement::Always;
        let kept = self.bring_along(returning, of, &mut wishes, anew);
        let mut steps = Vec::new();
        if anew {
            steps.extend(self.free_disks(name, new, &wishes));
        }
        let wanted = Wanted {
            stack: name,
            template,
            wishes,
            disks: anew,
            kept,
            because,
        };
        steps.extend(self.composer.update(wanted, &self.base)?);
        Ok(steps)
    }

    /// Lets an update make stores from their snapshots, and gives those that it does; the others are left to people.
    fn bring_along(
        &mut self,
        returning: Vec<&'a Snapshot>,
        of: &product::Template,
        wishes: &mut BTreeMap<String, ParameterWish>,
        anew: bool,
    ) -> Vec<Snapshot> {
        let mut kept = Vec::new();
        for snapshot in returning {
            let store = &snapshot.store;
            let parameter = of.snapshots.get(&store.logical);
            let because = match parameter.filter(|name| wishes.contains_key(*name)) {
                None => "its template has no parameter that makes it from a snapshot",
                Some(_) if store.kind == StoreKind::Volume && !anew => {
                    "its machine is not made anew, so that its disk cannot be exchanged"
                }
                Some(parameter) => {
                    let value = snapshot.handle.clone();
                    wishes.insert(parameter.clone(), ParameterWish::Value { value });
                    kept.push(snapshot.clone());
                    self.restored.push(snapshot);
                    continue;
                }
            };
            self.by_hand.push(ByHand { snapshot, because });
        }
        kept
    }

    /// Ends the machine that uses a disk which the update makes anew, with a snapshot of that disk before it.
    fn free_disks(
        &mut self,
        name: &str,
        new: &'i Template,
        wishes: &BTreeMap<String, ParameterWish>,
    ) -> Vec<Step> {
        let review = self.composer.review(name, new, wishes, None);
        let dangers = review.dangers.iter();
        let disks: Vec<String> = dangers
            .filter(|danger| danger.what == DangerKind::Data(StoreKind::Volume))
            .map(|danger| danger.logical.clone())
            .collect();
        if disks.is_empty() && !self.ended.contains(name) {
            return Vec::new();
        }
        let mut steps = self.composer.snapshots_of(name, &disks);
        let because = "what uses the disk must be gone before the next machine gets it";
        steps.extend(self.composer.terminate(name, because));
        steps
    }

    /// Machines that the run replaced and that an update alone does not reach.
    fn renew(&mut self, stretch: &Stretch<'a>) -> Vec<Step> {
        let mut steps = Vec::new();
        for (_, step) in stretch.begun() {
            let Act::Renew { group, .. } = &step.act else {
                continue;
            };
            let now = self.input.cloud.groups.iter();
            let behind = now
                .filter(|now| now.stack == group.stack && now.logical == group.logical)
                .any(|now| now.behind().next().is_some());
            let touched = self.composer.stacks.get(&group.stack).map(|it| it.touched);
            if behind && touched == Some(false) {
                steps.extend(self.composer.afterwards(&group.stack));
            }
        }
        steps
    }
}
